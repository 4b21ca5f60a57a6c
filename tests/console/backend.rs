//! The embedded backend, as any client meets it.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use switchboard::client::Bearer;
use switchboard::embedded::Location;
use switchboard::protocol::*;

use crate::support::{ADMIN_TOKEN, CONFIG, World, join, kind_of, sha};

/// A request beneath the typed client, which would not make these mistakes.
struct Raw<'a> {
    world: &'a World,
    bearer: Option<String>,
    header: Option<String>,
}

impl<'a> Raw<'a> {
    fn admin(world: &'a World, header: &ExperimentId) -> Self {
        Self {
            world,
            bearer: Some(format!("admin:{ADMIN_TOKEN}")),
            header: Some(header.to_string()),
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Problem) {
        let url = format!("{}{path}", self.world.base);
        let mut request = reqwest::Client::new().request(method, &url);
        if let Some(bearer) = &self.bearer {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        if let Some(header) = &self.header {
            request = request.header(EXPERIMENT_HEADER, header);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.expect("an answer");
        let status = response.status();
        let kind = response.headers()["content-type"].to_str().expect("text").to_owned();
        assert_eq!(kind, "application/problem+json", "{url}");
        let problem: Problem = response.json().await.expect("a problem document");
        assert_eq!(problem.status, status.as_u16());
        assert_eq!(problem.instance, url, "the URL as it was addressed");
        assert!(!problem.detail.is_empty() && !problem.title.is_empty());
        (status, problem)
    }

    async fn refused(&self, method: Method, path: &str, body: Option<Value>) -> ErrorType {
        let (_, problem) = self.send(method, path, body).await;
        problem.error_type().expect("of the vocabulary")
    }
}

#[tokio::test]
async fn checks_come_in_the_order_of_the_wire() {
    let world = World::start().await;
    let lab = world.lab("order").await;
    let base = format!("/v0/experiments/{}", lab.id);
    let reclaim = format!("{base}/tasks/nothing/reclaim");
    let nonsense = Some(json!({ "cause": "boredom" }));
    let good = Some(json!({ "cause": "operator" }));

    let mut raw = Raw::admin(&world, &lab.id);
    raw.bearer = None;
    for path in ["/", "/docs", "/v0/nothing", &base, &reclaim] {
        assert_eq!(
            raw.refused(Method::GET, path, None).await,
            ErrorType::Unauthorized,
            "{path}"
        );
    }
    for bearer in ["admin:wrong", "nobody:x", "admin", "wkr_00000000000000000000000000:x"] {
        raw.bearer = Some(bearer.to_owned());
        let refused = raw.refused(Method::POST, &reclaim, nonsense.clone()).await;
        assert_eq!(refused, ErrorType::Unauthorized, "{bearer}");
    }

    let mut raw = Raw::admin(&world, &lab.id);
    raw.header = None;
    let refused = raw.refused(Method::POST, &reclaim, nonsense.clone()).await;
    assert_eq!(refused, ErrorType::BadRequest, "the body before the header");
    let refused = raw.refused(Method::POST, &reclaim, good.clone()).await;
    assert_eq!(refused, ErrorType::ExperimentIdMismatch, "the header before authority");

    let raw = Raw::admin(&world, &lab.id);
    let refused = raw.refused(Method::POST, &reclaim, nonsense).await;
    assert_eq!(refused, ErrorType::BadRequest, "the body before authority");
    let refused = raw.refused(Method::POST, &reclaim, good).await;
    assert_eq!(refused, ErrorType::Forbidden, "authority before the store");
    let path = format!("{base}/tasks/nothing/claim");
    assert_eq!(
        raw.refused(Method::POST, &path, Some(json!({}))).await,
        ErrorType::Forbidden
    );
    let path = format!("{base}/tasks/nothing/claim");
    let null = Some(json!({ "expires_at": null }));
    assert_eq!(raw.refused(Method::POST, &path, null).await, ErrorType::BadRequest);
    let path = format!("{base}/events?cursor=-1");
    assert_eq!(raw.refused(Method::GET, &path, None).await, ErrorType::BadRequest);
    let path = format!("{base}/nothing?x=1");
    assert_eq!(raw.refused(Method::GET, &path, None).await, ErrorType::NotFound);
    let (status, _) = raw.send(Method::DELETE, &base, None).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    let path = format!("{base}/workers");
    let huge = Some(json!({ "name": "x".repeat(2 * 1024 * 1024) }));
    assert_eq!(raw.refused(Method::POST, &path, huge).await, ErrorType::PayloadTooLarge);
    for (name, kind) in [
        (json!(""), ErrorType::InvalidName),
        (json!(null), ErrorType::BadRequest),
        (json!(7), ErrorType::BadRequest),
        (json!("system"), ErrorType::ReservedIdentifier),
    ] {
        let body = Some(json!({ "name": name }));
        assert_eq!(raw.refused(Method::POST, &path, body).await, kind, "{name}");
    }
}

#[tokio::test]
async fn each_experiment_is_a_world_of_its_own() {
    let world = World::start().await;
    let (here, there) = (world.lab("here").await, world.lab("there").await);
    let nowhere: ExperimentId = "exp_7zzzzzzzzzzzzzzzzzzzzzzzzz".parse().expect("an id");

    let raw = Raw::admin(&world, &nowhere);
    let path = format!("/v0/experiments/{nowhere}/state");
    assert_eq!(raw.refused(Method::GET, &path, None).await, ErrorType::NotFound);
    let raw = Raw::admin(&world, &there.id);
    let path = format!("/v0/experiments/{}/state", here.id);
    let refused = raw.refused(Method::GET, &path, None).await;
    assert_eq!(refused, ErrorType::ExperimentIdMismatch);

    let stranger = world.admin.experiment(&nowhere);
    assert_eq!(kind_of(stranger.read().await), ErrorType::NotFound);
    let (_, elsewhere) = join(&there.admin, "elsewhere").await;
    // The bearer of one experiment is nobody in another, and nobody in one that is not hosted.
    let (id, secret) = {
        let request = RegisterWorker::default();
        let (worker, secret) = here.admin.register_worker(&request).await.expect("a worker");
        (worker.worker_id, secret)
    };
    let foreign = world
        .admin
        .with_credential(Bearer::new(Actor::Worker(id.clone()), secret));
    assert_eq!(
        foreign.experiment(&here.id).whoami().await.expect("at home").worker_id,
        id
    );
    assert_eq!(
        kind_of(foreign.experiment(&there.id).whoami().await),
        ErrorType::Unauthorized
    );
    assert_eq!(
        kind_of(foreign.experiment(&nowhere).whoami().await),
        ErrorType::Unauthorized
    );
    assert_eq!(kind_of(foreign.control().experiments().await), ErrorType::Unauthorized);

    there.ideation("t-1").await;
    assert!(here.admin.tasks().await.expect("a list").items.is_empty());
    assert_eq!(elsewhere.tasks().await.expect("a list").items.len(), 1);
    here.ideation("t-1").await;
}

#[tokio::test]
async fn of_eight_that_claim_at_once_one_gets_the_task() {
    let world = World::start().await;
    let lab = world.lab("race").await;
    let task = lab.ideation("t-1").await;
    let claims = (0..8).map(|_| {
        let (worker, id) = (lab.worker.clone(), task.task_id.clone());
        async move { worker.claim(&id, &ClaimRequest::default()).await }
    });
    let outcomes = futures_util::future::join_all(claims).await;
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    for outcome in lost {
        assert_eq!(kind_of(outcome), ErrorType::IllegalTransition);
    }
    let events = lab.admin.events(0, None).await.expect("the log").events;
    assert_eq!(events.iter().filter(|e| e.kind == "task.claimed").count(), 1);
}

#[tokio::test]
async fn an_idea_becomes_an_integrated_variant() {
    let world = World::start().await;
    let lab = world.lab("lifecycle").await;

    let ideation = lab.ideation("ideate/1").await;
    lab.claim(&ideation.task_id).await;
    lab.worker.create_idea(&lab.idea("idea-1")).await.expect("drafted");
    let mut ideas = Submission::new(SubmissionStatus::Success);
    ideas.idea_ids = Some(vec!["idea-1".parse().expect("an id")]);
    let early = lab.worker.submit(&ideation.task_id, ideas.clone()).await;
    assert_eq!(
        kind_of(early),
        ErrorType::IllegalTransition,
        "the idea is still drafting"
    );
    lab.worker
        .mark_ready(&"idea-1".parse().expect("an id"))
        .await
        .expect("ready");
    lab.worker
        .submit(&ideation.task_id, ideas.clone())
        .await
        .expect("submitted");
    lab.worker
        .submit(&ideation.task_id, ideas)
        .await
        .expect("a repeat is fine");
    lab.orchestrator.accept(&ideation.task_id).await.expect("accepted");

    let execution = lab
        .task("execute-1", TaskKind::Execution, json!({ "idea_id": "idea-1" }))
        .await;
    let execution = execution.expect("created").task_id;
    lab.claim(&execution).await;
    lab.worker
        .create_variant(&lab.variant("v-1", "idea-1"))
        .await
        .expect("started");
    let mut done = Submission::new(SubmissionStatus::Success);
    done.variant_id = Some("v-1".parse().expect("an id"));
    done.commit_sha = Some(sha('0'));
    assert_eq!(
        kind_of(lab.worker.submit(&execution, done.clone()).await),
        ErrorType::NoOpVariant
    );
    done.commit_sha = Some(sha('a'));
    lab.worker.submit(&execution, done.clone()).await.expect("submitted");
    done.commit_sha = Some(sha('b'));
    let other = lab.worker.submit(&execution, done).await;
    assert_eq!(kind_of(other), ErrorType::ConflictingResubmission);
    assert_eq!(kind_of(lab.worker.accept(&execution).await), ErrorType::Forbidden);
    lab.orchestrator.accept(&execution).await.expect("accepted");

    let evaluation = lab
        .task("evaluate-1", TaskKind::Evaluation, json!({ "variant_id": "v-1" }))
        .await;
    let evaluation = evaluation.expect("created").task_id;
    let again = lab
        .task("evaluate-2", TaskKind::Evaluation, json!({ "variant_id": "v-1" }))
        .await;
    assert_eq!(kind_of(again), ErrorType::AlreadyExists);
    lab.claim(&evaluation).await;
    let mut measured = Submission::new(SubmissionStatus::Success);
    measured.variant_id = Some("v-1".parse().expect("an id"));
    measured.evaluation = json!({ "score": 0.5, "retries": 2 }).as_object().cloned();
    lab.worker.submit(&evaluation, measured).await.expect("submitted");
    let variant: VariantId = "v-1".parse().expect("an id");
    let early = lab.orchestrator.integrate(&variant, &sha('c')).await;
    assert_eq!(kind_of(early), ErrorType::InvalidPrecondition);
    lab.orchestrator.accept(&evaluation).await.expect("accepted");
    lab.orchestrator
        .integrate(&variant, &sha('c'))
        .await
        .expect("integrated");
    lab.orchestrator
        .integrate(&variant, &sha('c'))
        .await
        .expect("the same again is fine");
    let other = lab.orchestrator.integrate(&variant, &sha('d')).await;
    assert_eq!(kind_of(other), ErrorType::InvalidPrecondition);

    let stored = lab.worker.variant(&variant).await.expect("the variant");
    assert_eq!(stored.status, VariantStatus::Success);
    assert_eq!(stored.variant_commit_sha, Some(sha('c')));
    assert_eq!(stored.executed_by, Some(lab.worker_id.clone()));
    assert_eq!(stored.evaluated_by, Some(lab.worker_id.clone()));
    assert_eq!(
        stored.evaluation,
        json!({ "score": 0.5, "retries": 2 }).as_object().cloned()
    );

    let listed = lab.admin.tasks().await.expect("a list");
    let log = lab.admin.events(0, None).await.expect("the log");
    assert_eq!(listed.cursor, Some(log.cursor));
    let kinds: Vec<_> = log.events.iter().map(|event| event.kind.as_str()).collect();
    let expected = [
        "task.created",
        "task.claimed",
        "idea.drafted",
        "idea.ready",
        "task.submitted",
        "task.completed",
        "task.created",
        "idea.dispatched",
        "task.claimed",
        "variant.started",
        "task.submitted",
        "task.completed",
        "idea.completed",
        "task.created",
        "task.claimed",
        "task.submitted",
        "task.completed",
        "variant.succeeded",
        "variant.integrated",
    ];
    assert_eq!(kinds, expected);
    let page = lab.admin.events(3, Some(2)).await.expect("a page");
    assert_eq!((page.events.len(), page.cursor), (2, 5));
    assert_eq!(page.events[..], log.events[3..5]);
}

#[tokio::test]
async fn termination_is_final_and_the_registry_knows_at_once() {
    let world = World::start().await;
    let lab = world.lab("ends").await;
    let task = lab.ideation("t-1").await;
    assert_eq!(kind_of(lab.admin.terminate("no").await), ErrorType::Forbidden);
    lab.orchestrator.terminate("enough").await.expect("terminated");
    let again = lab.orchestrator.terminate("again").await.expect("idempotent");
    assert_eq!(again.state, ExperimentState::Terminated);
    let claim = lab.worker.claim(&task.task_id, &ClaimRequest::default()).await;
    assert_eq!(kind_of(claim), ErrorType::IllegalTransition);
    let entry = world.admin.control().experiment(&lab.id).await.expect("the entry");
    assert_eq!(entry.last_known_state, ExperimentState::Terminated);
    let log = lab.admin.events(0, None).await.expect("the log").events;
    let ends: Vec<_> = log.iter().filter(|e| e.kind == "experiment.terminated").collect();
    assert_eq!(ends.len(), 1);
    assert_eq!(ends[0].data_str("reason"), Some("enough"));
}

#[tokio::test]
async fn a_long_poll_wakes_on_commit_and_comes_back_empty_otherwise() {
    let world = World::start().await;
    let lab = world.lab("poll").await;
    let url = format!("{}/v0/experiments/{}/events/subscribe?cursor=0", world.base, lab.id);
    let poll = async |url: String| {
        let request = reqwest::Client::new()
            .get(url)
            .header(EXPERIMENT_HEADER, lab.id.as_str());
        let request = request.header("authorization", format!("Bearer admin:{ADMIN_TOKEN}"));
        let response = request.send().await.expect("an answer");
        response.json::<EventBatch>().await.expect("a batch")
    };
    let begin = Instant::now();
    let (batch, ()) = futures_util::future::join(poll(url.clone()), async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        lab.ideation("t-1").await;
    })
    .await;
    assert_eq!((batch.events.len(), batch.cursor), (1, 1));
    assert!(begin.elapsed() < Duration::from_millis(1500), "woken, not timed out");
    let quiet = poll(url.replace("cursor=0", "cursor=1&timeout=0.1")).await;
    assert_eq!((quiet.events.len(), quiet.cursor), (0, 1));
    let beyond = poll(url.replace("subscribe?cursor=0", "subscribe?cursor=9&timeout=0")).await;
    assert_eq!((beyond.events.len(), beyond.cursor), (0, 9));
}

#[tokio::test]
async fn seeding_hosts_a_registered_experiment_once() {
    let world = World::start().await;
    let control = world.admin.control();
    let seed = |config: &str| SeedRequest {
        config: config.to_owned(),
        base_commit_sha: None,
    };
    let nowhere = "exp_7zzzzzzzzzzzzzzzzzzzzzzzzz".parse().expect("an id");
    assert_eq!(
        kind_of(control.seed(&nowhere, &seed(CONFIG)).await),
        ErrorType::NotFound
    );
    let id = world.register("Ångström hills").await;
    assert_eq!(kind_of(world.admin.experiment(&id).read().await), ErrorType::NotFound);
    let faulty = control
        .seed(&id, &seed(&CONFIG.replace("variants: 2", "variants: 0")))
        .await;
    let words = faulty.as_ref().expect_err("refused").to_string();
    assert!(words.contains("parallel_variants must be at least 1"), "{words}");
    assert_eq!(kind_of(faulty), ErrorType::BadRequest);
    let experiment = control.seed(&id, &seed(CONFIG)).await.expect("seeded");
    assert_eq!(
        experiment.name.as_ref().map(DisplayName::as_str),
        Some("Ångström hills")
    );
    assert_eq!(experiment.state, ExperimentState::Running);
    assert_eq!(
        kind_of(control.seed(&id, &seed(CONFIG)).await),
        ErrorType::AlreadyExists
    );
    let config = world.admin.experiment(&id).config().await.expect("its config");
    assert!(config.extra.contains_key("ideation_command"));
    let mode = world.admin.experiment(&id).dispatch_mode().await.expect("its mode");
    assert_eq!(mode, DispatchMode::default());
}

#[tokio::test]
async fn a_reissued_credential_is_the_only_one_that_works() {
    let world = World::start().await;
    let lab = world.lab("keys").await;
    lab.worker.whoami().await.expect("known");
    lab.worker.whoami().await.expect("and remembered");
    let secret = lab.admin.reissue_credential(&lab.worker_id).await.expect("reissued");
    assert_eq!(kind_of(lab.worker.whoami().await), ErrorType::Unauthorized);
    let renewed = lab
        .admin
        .with_credential(Bearer::new(Actor::Worker(lab.worker_id.clone()), secret));
    assert_eq!(renewed.whoami().await.expect("known").worker_id, lab.worker_id);
    assert_eq!(kind_of(lab.admin.whoami().await), ErrorType::Forbidden);
}

#[tokio::test]
async fn groups_refuse_cycles_and_second_reserved_names() {
    let world = World::start().await;
    let lab = world.lab("groups").await;
    let named = |name: &str| RegisterGroup {
        name: Some(name.to_owned()),
        members: Vec::new(),
    };
    let taken = lab.admin.register_group(&named("admins")).await;
    assert_eq!(kind_of(taken), ErrorType::ReservedIdentifier);
    let outer = lab
        .admin
        .register_group(&named("outer"))
        .await
        .expect("a group")
        .group_id;
    let inner = lab
        .admin
        .register_group(&named("inner"))
        .await
        .expect("a group")
        .group_id;
    lab.admin.add_member(&outer, (&inner).into()).await.expect("nested");
    lab.admin.add_member(&outer, (&inner).into()).await.expect("idempotent");
    let cycle = lab.admin.add_member(&inner, (&outer).into()).await;
    assert_eq!(kind_of(cycle), ErrorType::CycleDetected);
    let own = lab.admin.add_member(&inner, (&inner).into()).await;
    assert_eq!(kind_of(own), ErrorType::CycleDetected);
    assert_eq!(
        kind_of(lab.worker.register_group(&named("mine")).await),
        ErrorType::Forbidden
    );
    let admins = lab.worker.groups_named("admins").await.expect("a list");
    assert_eq!(admins.len(), 1);
}

#[tokio::test]
async fn a_restart_on_the_same_directory_keeps_everything() {
    let dir = tempfile::tempdir().expect("a directory");
    let location = Location::Directory(dir.path().join("data"));
    let world = World::at(location.clone()).await;
    let lab = world.lab("kept").await;
    let task = lab.ideation("t-1").await;
    lab.claim(&task.task_id).await;
    let before = (
        lab.admin.tasks().await.expect("a list").items,
        lab.admin.events(0, None).await.expect("the log"),
        world.admin.control().experiments().await.expect("the registry"),
    );
    let (id, bearer) = {
        let secret = lab.admin.reissue_credential(&lab.worker_id).await.expect("reissued");
        (
            lab.id.clone(),
            Bearer::new(Actor::Worker(lab.worker_id.clone()), secret),
        )
    };
    world.stop().await;

    let world = World::at(location).await;
    let experiment = world.admin.experiment(&id);
    let after = (
        experiment.tasks().await.expect("a list").items,
        experiment.events(0, None).await.expect("the log"),
        world.admin.control().experiments().await.expect("the registry"),
    );
    assert_eq!(before, after);
    let worker = experiment.with_credential(bearer);
    let submission = {
        let mut submission = Submission::new(SubmissionStatus::Success);
        submission.idea_ids = Some(Vec::new());
        submission
    };
    worker
        .submit(&task.task_id, submission)
        .await
        .expect("the claim is still held");
    assert_eq!(
        experiment.events(0, None).await.expect("the log").cursor,
        before.1.cursor + 1
    );
}

#[tokio::test]
async fn the_deployment_has_workers_of_its_own() {
    let world = World::start().await;
    let lab = world.lab("apart").await;
    let client = reqwest::Client::new();
    let ask = async |bearer: &str, method: Method, path: &str, body: Option<Value>| {
        let request = client.request(method, format!("{}/v0/control{path}", world.base));
        let request = request.header("authorization", format!("Bearer {bearer}"));
        let request = body.into_iter().fold(request, |request, body| request.json(&body));
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        (status, response.json::<Value>().await.unwrap_or_default())
    };
    let admin = format!("admin:{ADMIN_TOKEN}");
    let (status, registered) = ask(&admin, Method::POST, "/workers", Some(json!({ "name": "operator" }))).await;
    assert_eq!(status, 200);
    let worker: RegisteredWorker = serde_json::from_value(registered).expect("a worker");
    assert_eq!(worker.worker.experiment_id.as_str(), format!("exp_{}", "0".repeat(26)));
    let bearer = format!("{}:{}", worker.worker.worker_id, worker.registration_token);
    let (status, whoami) = ask(&bearer, Method::GET, "/whoami", None).await;
    assert_eq!((status, &whoami["name"]), (200, &json!("operator")));
    assert_eq!(ask(&bearer, Method::GET, "/experiments", None).await.0, 200);
    assert_eq!(
        ask(&bearer, Method::GET, "/workers", None).await.0,
        403,
        "reads are the admin's too"
    );
    assert_eq!(
        ask(
            &bearer,
            Method::POST,
            "/experiments",
            Some(json!({ "config_uri": "x:y" }))
        )
        .await
        .0,
        403
    );
    let entry = format!("/experiments/{}", lab.id);
    let (status, stored) = ask(&bearer, Method::GET, &entry, None).await;
    assert_eq!((status, stored.get("lease")), (200, Some(&Value::Null)), "null is said");
    let (status, refused) = ask(&admin, Method::DELETE, &entry, None).await;
    assert_eq!(
        (status, &refused["type"]),
        (409, &json!("eden://error/invalid-precondition"))
    );
    lab.orchestrator.terminate("enough").await.expect("terminated");
    assert_eq!(ask(&admin, Method::DELETE, &entry, None).await.0, 204);
    assert_eq!(ask(&admin, Method::GET, &entry, None).await.0, 404);
}

#[tokio::test]
async fn of_many_that_seed_at_once_one_begins_the_experiment() {
    let world = World::start().await;
    let id = world.register("wanted").await;
    let control = world.admin.control();
    let request = SeedRequest {
        config: CONFIG.to_owned(),
        base_commit_sha: None,
    };
    let seeds = (0..8).map(|_| control.seed(&id, &request));
    let outcomes = futures_util::future::join_all(seeds).await;
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    for outcome in lost {
        assert_eq!(kind_of(outcome), ErrorType::AlreadyExists);
    }
}
