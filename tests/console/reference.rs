//! What reference clients ask beside the protocol, and a backend that believes everybody.

use reqwest::{Method, Response};
use serde_json::{Value, json};
use switchboard::client::Bearer;
use switchboard::embedded::Authentication;
use switchboard::protocol::*;

use crate::support::{Lab, World, kind_of, sha};

const SECRET: &str = "whatever";

struct Ask<'a> {
    world: &'a World,
    lab: &'a Lab,
    secret: String,
}

impl<'a> Ask<'a> {
    async fn worker(world: &'a World, lab: &'a Lab) -> Self {
        let secret = lab.admin.reissue_credential(&lab.worker_id).await.expect("reissued");
        let secret = secrecy::ExposeSecret::expose_secret(&secret).to_owned();
        Self { world, lab, secret }
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let url = format!("{}{path}", self.world.base.as_str()).replace("{E}", self.lab.id.as_str());
        let request = reqwest::Client::new()
            .request(method, url)
            .header(EXPERIMENT_HEADER, self.lab.id.as_str());
        let request = request.header(
            "authorization",
            format!("Bearer {}:{}", self.lab.worker_id, self.secret),
        );
        let request = body.into_iter().fold(request, |request, body| request.json(&body));
        request.send().await.expect("an answer")
    }

    async fn verdict(&self, task: &str) -> (String, bool) {
        let path = format!("/_reference/experiments/{{E}}/tasks/{task}/validate-terminal");
        let reply: Value = self.send(Method::GET, &path, None).await.json().await.expect("JSON");
        assert_ne!(reply.get("reason"), Some(&Value::Null), "absent, never null");
        (
            reply["decision"].as_str().expect("a decision").to_owned(),
            reply.get("reason").is_some(),
        )
    }
}

#[tokio::test]
async fn a_submission_is_judged_before_anybody_decides() {
    let world = World::start().await;
    let lab = world.lab("judged").await;
    let ideation = lab.ideation("ideate-1").await;
    lab.claim(&ideation.task_id).await;
    lab.worker.create_idea(&lab.idea("i")).await.expect("drafted");
    let idea: IdeaId = "i".parse().expect("an id");
    lab.worker.mark_ready(&idea).await.expect("ready");
    let mut ideas = Submission::new(SubmissionStatus::Success);
    ideas.idea_ids = Some(vec![idea]);
    lab.worker.submit(&ideation.task_id, ideas).await.expect("submitted");
    let execution = lab
        .task("execute-1", TaskKind::Execution, json!({ "idea_id": "i" }))
        .await
        .expect("created");
    lab.claim(&execution.task_id).await;
    let variant = lab
        .worker
        .create_variant(&lab.variant("v", "i"))
        .await
        .expect("started");
    let mut work = Submission::new(SubmissionStatus::Success);
    work.variant_id = Some(variant.variant_id.clone());
    work.commit_sha = Some(sha('a'));
    lab.worker.submit(&execution.task_id, work).await.expect("submitted");
    let worker = Ask::worker(&world, &lab).await;
    assert_eq!(worker.verdict("ideate-1").await, ("accept".into(), false));
    assert_eq!(worker.verdict("execute-1").await, ("accept".into(), false));
    lab.orchestrator.accept(&execution.task_id).await.expect("accepted");
    assert_eq!(
        worker.verdict("execute-1").await,
        ("accept".into(), false),
        "nothing left to judge"
    );
    assert_eq!(
        worker
            .send(
                Method::GET,
                "/_reference/experiments/{E}/tasks/x/validate-terminal",
                None
            )
            .await
            .status(),
        404
    );

    // The same task, handed in anew each time.
    let evaluate = lab
        .task("evaluate-1", TaskKind::Evaluation, json!({ "variant_id": "v" }))
        .await
        .expect("created");
    let colleague = lab.admin.with_credential(Bearer::new(
        Actor::Worker(lab.worker_id.clone()),
        worker.secret.clone().into(),
    ));
    for (status, evaluation, expected) in [
        (SubmissionStatus::Success, json!({ "score": 1.5 }), ("accept", false)),
        (
            SubmissionStatus::Success,
            json!({ "score": "high" }),
            ("reject_validation", true),
        ),
        (SubmissionStatus::Success, json!({}), ("reject_validation", true)),
        (SubmissionStatus::Error, json!({ "score": 0 }), ("reject_worker", false)),
        (
            SubmissionStatus::Error,
            json!({ "unheard": 0 }),
            ("reject_validation", true),
        ),
        (SubmissionStatus::EvaluationError, json!({}), ("reject_worker", false)),
    ] {
        colleague
            .claim(&evaluate.task_id, &ClaimRequest::default())
            .await
            .expect("claimed");
        let mut measured = Submission::new(status);
        measured.variant_id = Some(variant.variant_id.clone());
        measured.evaluation = serde_json::from_value(evaluation.clone()).expect("metrics");
        colleague.submit(&evaluate.task_id, measured).await.expect("submitted");
        let verdict = worker.verdict("evaluate-1").await;
        assert_eq!(verdict, (expected.0.to_owned(), expected.1), "{status} {evaluation}");
        colleague
            .reclaim(&evaluate.task_id, ReclaimCause::Operator)
            .await
            .expect("taken back");
    }
}

#[tokio::test]
async fn an_evaluation_is_checked_against_the_schema() {
    let world = World::start().await;
    let lab = world.lab("metrics").await;
    let worker = Ask::worker(&world, &lab).await;
    for (metrics, status) in [
        (json!({ "evaluation": { "score": 1, "retries": 2.0 } }), 204),
        (json!({ "evaluation": { "score": null } }), 204),
        (json!({ "evaluation": { "retries": 2.5 } }), 409),
        (json!({ "evaluation": { "unheard": 1 } }), 409),
        (json!({}), 400),
    ] {
        let path = "/_reference/experiments/{E}/validate/evaluation";
        let reply = worker.send(Method::POST, path, Some(metrics.clone())).await;
        assert_eq!(reply.status(), status, "{metrics}");
    }
}

#[tokio::test]
async fn files_are_served_to_members_of_the_experiment_they_belong_to() {
    let files = tempfile::tempdir().expect("a directory");
    let dir = files.path().to_owned();
    let world = World::start_with(|options| options.artifacts_dir = Some(dir.clone())).await;
    let (lab, other) = (world.lab("files").await, world.lab("others").await);
    std::fs::create_dir_all(dir.join(lab.id.as_str()).join("logs")).expect("a directory");
    std::fs::write(dir.join(lab.id.as_str()).join("logs/a b.txt"), "what happened").expect("a file");
    let worker = Ask::worker(&world, &lab).await;
    let path = "/_reference/experiments/{E}/artifacts/logs/a%20b.txt";
    let reply = worker.send(Method::GET, path, None).await;
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.headers()["content-type"], "application/octet-stream");
    assert_eq!(reply.headers()["x-content-type-options"], "nosniff");
    assert_eq!(reply.text().await.expect("text"), "what happened");
    let elsewhere = path.replace("{E}", other.id.as_str());
    assert_eq!(worker.send(Method::GET, &elsewhere, None).await.status(), 401);
    let escape = "/_reference/experiments/{E}/artifacts/..%2F..%2Fetc%2Fpasswd";
    let reply = worker.send(Method::GET, escape, None).await;
    let problem: Problem = reply.json().await.expect("a problem");
    assert_eq!(
        (problem.status, problem.kind.as_str()),
        (400, "eden://reference-error/invalid-path")
    );

    let world = World::start().await;
    let lab = world.lab("none").await;
    let reply = Ask::worker(&world, &lab).await.send(Method::GET, path, None).await;
    let problem: Problem = reply.json().await.expect("a problem");
    assert_eq!(
        (problem.status, problem.kind.as_str()),
        (503, "eden://reference-error/artifact-serving-disabled")
    );
}

#[tokio::test]
async fn whoever_takes_a_slug_again_is_told() {
    let world = World::start().await;
    let lab = world.lab("slugs").await;
    let worker = Ask::worker(&world, &lab).await;
    let mut warned = Vec::new();
    for id in ["i-1", "i-2"] {
        let body = serde_json::to_value(lab.idea(id)).expect("JSON");
        let reply = worker.send(Method::POST, "/v0/experiments/{E}/ideas", Some(body)).await;
        assert_eq!(reply.status(), 200);
        let idea: Value = reply.json().await.expect("an idea");
        assert_eq!(idea["idea_id"], id);
        warned.push(idea["warnings"].as_array().map_or(0, Vec::len));
        let stored = lab.admin.idea(&id.parse().expect("an id")).await.expect("stored");
        assert!(!stored.extra.contains_key("warnings"), "a warning is for its author");
    }
    assert_eq!(warned, [0, 1]);
}

#[tokio::test]
async fn without_authentication_every_gate_is_open_but_strangers_hold_no_task() {
    let world = World::start_with(|options| options.authentication = Authentication::Off).await;
    let lab = world.lab("open").await;
    let as_worker = |id: &str| {
        let principal = id.parse().expect("a principal");
        lab.admin.with_credential(Bearer::new(principal, SECRET.into()))
    };
    let known = as_worker(lab.worker_id.as_str());
    assert_eq!(known.whoami().await.expect("believed").worker_id, lab.worker_id);
    let task = Lab::begin(&world.admin, "another", switchboard::clock::Clock::default()).await;
    task.ideation("t").await;
    // The admin bearer acts as nobody in particular, and no group is asked for.
    lab.admin.terminate("enough").await.expect("terminated");
    let stranger = format!("wkr_{}", "7".repeat(26));
    let open = task
        .admin
        .with_credential(Bearer::new(stranger.parse().expect("a principal"), SECRET.into()));
    let id = "t".parse().expect("an id");
    let claimed = open.claim(&id, &ClaimRequest::default()).await;
    assert_eq!(kind_of(claimed), ErrorType::WorkerNotRegistered);
    let path = format!("{}/v0/experiments/{}/whoami", world.base, lab.id);
    let probe = reqwest::Client::new()
        .get(path)
        .header(EXPERIMENT_HEADER, lab.id.as_str());
    let probe = probe.send().await.expect("an answer");
    assert_eq!(probe.status(), 200, "this is how clients find out");
    let nonsense = reqwest::Client::new().get(format!("{}/v0/control/experiments", world.base));
    let nonsense = nonsense
        .header("authorization", "Bearer x:y")
        .send()
        .await
        .expect("an answer");
    assert_eq!(nonsense.status(), 401, "nobody in the grammar");
    let reply = reqwest::get(format!("{}/v0/control/experiments", world.base))
        .await
        .expect("an answer");
    assert_eq!(reply.status(), 200, "no bearer is a bearer too");
}
