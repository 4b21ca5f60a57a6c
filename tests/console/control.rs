//! The control plane as its clients meet it: leases, the state of what is registered, the deployment's own workers.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use switchboard::client::{Bearer, Client, ControlClient, PushStream, WatchEvent};
use switchboard::clock::Clock;
use switchboard::embedded::{Authentication, Location};
use switchboard::protocol::*;

use crate::console::{Console, until};
use crate::push::{news, next};
use crate::support::{ADMIN_TOKEN, CONFIG, Lab, World, kind_of, register};

const SPAN: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(1);

fn clock() -> Clock {
    Clock::manual("2026-01-02T03:04:05Z".parse().expect("an instant"))
}

async fn start(clock: &Clock) -> World {
    World::start_with(|options| options.clock = clock.clone()).await
}

/// A worker of the deployment.
pub struct Replica {
    pub id: WorkerId,
    pub control: ControlClient,
}

impl Replica {
    /// One of the deployment's orchestrators.
    pub async fn join(admin: &Client) -> Self {
        let replica = Self::outside(admin).await;
        let control = admin.control();
        let group = match control.groups_named("orchestrators").await.expect("a list").pop() {
            Some(group) => group,
            None => {
                let request = RegisterGroup {
                    name: Some("orchestrators".to_owned()),
                    members: Vec::new(),
                };
                control.register_group(&request).await.expect("a group")
            }
        };
        let joined = control.add_member(&group.group_id, (&replica.id).into()).await;
        joined.expect("a member");
        replica
    }

    /// One that is in no group.
    async fn outside(admin: &Client) -> Self {
        let request = RegisterWorker {
            name: Some("replica".to_owned()),
            ..RegisterWorker::default()
        };
        let (worker, secret) = admin.control().register_worker(&request).await.expect("a worker");
        let bearer = Bearer::new(Actor::Worker(worker.worker_id.clone()), secret);
        Self {
            id: worker.worker_id,
            control: admin.with_credential(bearer).control(),
        }
    }

    fn request(&self, instance: &str) -> AcquireLease {
        AcquireLease {
            holder: self.id.clone(),
            holder_instance: instance.to_owned(),
        }
    }

    pub async fn acquire(&self, id: &ExperimentId) -> Lease {
        let lease = self.control.acquire(id, &self.request("one")).await;
        lease.expect("acquired")
    }
}

async fn entry(world: &World, id: &ExperimentId) -> RegistryEntry {
    let control = world.admin.control();
    let entry = control.experiment(id).await.expect("the entry");
    let listed = control.experiments().await.expect("the registry");
    assert!(listed.contains(&entry), "the list says the same");
    entry
}

/// Beneath the typed client.
async fn raw(
    world: &World,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Value>,
) -> reqwest::Response {
    let mut request = reqwest::Client::new().request(method, format!("{}/v0/control{path}", world.base));
    request = request.header("authorization", format!("Bearer admin:{ADMIN_TOKEN}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    request.send().await.expect("an answer")
}

async fn refused(world: &World, method: Method, path: &str, body: Option<Value>) -> ErrorType {
    let problem: Problem = raw(world, method, path, &[], body)
        .await
        .json()
        .await
        .expect("a problem");
    problem.error_type().expect("of the vocabulary")
}

async fn revision(world: &World) -> u64 {
    let response = raw(world, Method::GET, "/experiments", &[], None).await;
    let revision = response.headers()[CURSOR_HEADER].to_str().expect("text").to_owned();
    revision.parse().expect("a number")
}

#[tokio::test]
async fn a_lease_is_held_renewed_and_given_back() {
    let clock = clock();
    let world = start(&clock).await;
    let id = world.register("leased").await;
    let (one, two) = (Replica::join(&world.admin).await, Replica::join(&world.admin).await);
    let lease = one.acquire(&id).await;
    assert!(lease.lease_id.strip_prefix("lease-").is_some_and(|hex| hex.len() == 32));
    assert_eq!((&lease.experiment_id, &lease.holder), (&id, &one.id));
    assert_eq!(lease.expires_at.to_string(), "2026-01-02T03:04:35.000Z");
    assert_eq!(entry(&world, &id).await.lease, Some(lease.clone()));
    for replica in [&one, &two] {
        let again = replica.control.acquire(&id, &replica.request("one")).await;
        assert_eq!(kind_of(again), ErrorType::LeaseHeldByOther);
    }

    clock.advance(SPAN);
    let renewed = one
        .control
        .renew(&lease.lease_id, "one")
        .await
        .expect("renewed at the last moment");
    assert_eq!(renewed.lease_id, lease.lease_id);
    assert_eq!(
        (renewed.renewed_at, renewed.acquired_at),
        (clock.now(), lease.acquired_at)
    );
    assert_eq!(renewed.expires_at.to_string(), "2026-01-02T03:05:05.000Z");
    assert_eq!(entry(&world, &id).await.lease, Some(renewed.clone()));
    assert_eq!(one.control.leases(&one.id).await.expect("its own"), [renewed]);
    assert_eq!(world.admin.control().leases(&two.id).await.expect("of another"), []);

    assert_eq!(
        kind_of(one.control.release(&lease.lease_id, "two").await),
        ErrorType::LeaseInstanceMismatch
    );
    assert_eq!(
        kind_of(two.control.release(&lease.lease_id, "one").await),
        ErrorType::Forbidden
    );
    for _ in 0..2 {
        one.control
            .release(&lease.lease_id, "one")
            .await
            .expect("released, and again");
    }
    assert_eq!(entry(&world, &id).await.lease, None);
    assert_eq!(
        kind_of(one.control.renew(&lease.lease_id, "one").await),
        ErrorType::LeaseNotHeld
    );
    let next = two.acquire(&id).await;
    assert_ne!(next.lease_id, lease.lease_id);
}

#[tokio::test]
async fn a_lease_that_ran_out_goes_to_whoever_asks_first() {
    let clock = clock();
    let world = start(&clock).await;
    let id = world.register("handed over").await;
    let (one, two) = (Replica::join(&world.admin).await, Replica::join(&world.admin).await);
    let lease = one.acquire(&id).await;

    // A second process under the same worker cannot touch it (`ch11 §4.7`).
    assert_eq!(
        kind_of(one.control.renew(&lease.lease_id, "two").await),
        ErrorType::LeaseInstanceMismatch
    );
    assert_eq!(
        kind_of(two.control.renew(&lease.lease_id, "one").await),
        ErrorType::Forbidden
    );

    clock.advance(SPAN + TICK);
    assert_eq!(entry(&world, &id).await.lease, None, "an expired lease is not shown");
    assert_eq!(one.control.leases(&one.id).await.expect("a list"), []);
    assert_eq!(
        kind_of(one.control.renew(&lease.lease_id, "one").await),
        ErrorType::LeaseExpired
    );
    assert_eq!(
        kind_of(one.control.renew(&lease.lease_id, "two").await),
        ErrorType::LeaseInstanceMismatch
    );
    assert_eq!(
        kind_of(two.control.renew(&lease.lease_id, "one").await),
        ErrorType::Forbidden
    );

    let taken = two.acquire(&id).await;
    assert_eq!(entry(&world, &id).await.lease, Some(taken));
    assert_eq!(
        kind_of(one.control.renew(&lease.lease_id, "one").await),
        ErrorType::LeaseNotHeld
    );
    one.control
        .release(&lease.lease_id, "one")
        .await
        .expect("nothing to release");
    assert!(entry(&world, &id).await.lease.is_some(), "the other's stays");
}

#[tokio::test]
async fn of_many_that_acquire_at_once_one_gets_the_lease() {
    let world = World::start().await;
    let id = world.register("raced for").await;
    let replica = Replica::join(&world.admin).await;
    let asks = (0..16).map(|n| {
        let (control, request) = (replica.control.clone(), replica.request(&format!("process {n}")));
        let id = id.clone();
        async move { control.acquire(&id, &request).await }
    });
    let outcomes = futures_util::future::join_all(asks).await;
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    for outcome in lost {
        assert_eq!(kind_of(outcome), ErrorType::LeaseHeldByOther);
    }
}

#[tokio::test]
async fn leases_are_for_orchestrators_each_for_itself() {
    let world = World::start().await;
    let id = world.register("guarded").await;
    let (inside, outside) = (Replica::join(&world.admin).await, Replica::outside(&world.admin).await);
    let not_in_group = outside.control.acquire(&id, &outside.request("one")).await;
    assert_eq!(kind_of(not_in_group), ErrorType::Forbidden);
    let for_another = inside.control.acquire(&id, &outside.request("one")).await;
    assert_eq!(kind_of(for_another), ErrorType::Forbidden);
    let by_admin = world.admin.control().acquire(&id, &inside.request("one")).await;
    assert_eq!(kind_of(by_admin), ErrorType::Forbidden);
    assert_eq!(entry(&world, &id).await.lease, None);

    let lease = inside.acquire(&id).await;
    for control in [&outside.control, &world.admin.control()] {
        assert_eq!(
            kind_of(control.renew(&lease.lease_id, "one").await),
            ErrorType::Forbidden
        );
        assert_eq!(
            kind_of(control.release(&lease.lease_id, "one").await),
            ErrorType::Forbidden
        );
    }
    assert_eq!(
        kind_of(outside.control.renew("lease-0", "one").await),
        ErrorType::Forbidden,
        "before the lease"
    );
    assert_eq!(kind_of(outside.control.leases(&inside.id).await), ErrorType::Forbidden);
    assert_eq!(
        inside.control.leases(&inside.id).await.expect("its own"),
        std::slice::from_ref(&lease)
    );
    assert_eq!(
        world.admin.control().leases(&inside.id).await.expect("anybody's"),
        std::slice::from_ref(&lease)
    );

    // Out of the group, out of the lease: membership counts at once.
    let control = world.admin.control();
    let group = control.groups_named("orchestrators").await.expect("a list").remove(0);
    control
        .remove_member(&group.group_id, &(&inside.id).into())
        .await
        .expect("removed");
    assert_eq!(
        kind_of(inside.control.renew(&lease.lease_id, "one").await),
        ErrorType::Forbidden
    );
    control.delete_group(&group.group_id).await.expect("deleted");
    assert_eq!(
        kind_of(inside.control.release(&lease.lease_id, "one").await),
        ErrorType::Forbidden
    );
}

#[tokio::test]
async fn lease_requests_are_checked_in_the_order_of_the_wire() {
    let world = World::start().await;
    let replica = Replica::join(&world.admin).await;
    let nowhere = "exp_7zzzzzzzzzzzzzzzzzzzzzzzzz";
    let unknown = nowhere.parse().expect("an id");
    let unknown = replica.control.acquire(&unknown, &replica.request("one")).await;
    assert_eq!(kind_of(unknown), ErrorType::NotFound);
    // The admin may acquire nothing, and learns of a bad body first all the same.
    let path = format!("/experiments/{nowhere}/leases");
    for body in [
        json!({}),
        json!({ "holder": replica.id }),
        json!({ "holder": "somebody", "holder_instance": "one" }),
        json!({ "holder": replica.id, "holder_instance": "" }),
        json!({ "holder": replica.id, "holder_instance": null }),
        json!([]),
    ] {
        let kind = refused(&world, Method::POST, &path, Some(body.clone())).await;
        assert_eq!(kind, ErrorType::BadRequest, "{body}");
    }
    for action in ["renew", "release"] {
        let path = format!("/leases/lease-0/{action}");
        assert_eq!(
            refused(&world, Method::POST, &path, Some(json!({}))).await,
            ErrorType::BadRequest
        );
        let empty = Some(json!({ "holder_instance": "" }));
        assert_eq!(refused(&world, Method::POST, &path, empty).await, ErrorType::BadRequest);
    }
    for path in ["/leases", "/leases?holder="] {
        assert_eq!(
            refused(&world, Method::GET, path, None).await,
            ErrorType::BadRequest,
            "{path}"
        );
    }
    let nobody = raw(&world, Method::GET, "/leases?holder=never-registered", &[], None).await;
    assert_eq!(nobody.status(), StatusCode::OK);
    assert_eq!(nobody.text().await.expect("a body"), r#"{"leases":[]}"#);
}

#[tokio::test]
async fn without_authentication_anybody_holds_and_renews() {
    let world = World::start_with(|options| options.authentication = Authentication::Off).await;
    let id = world.register("open").await;
    let outside = Replica::outside(&world.admin).await;
    let control = world.admin.control();
    let lease = control
        .acquire(&id, &outside.request("one"))
        .await
        .expect("acquired for another");
    assert_eq!(lease.holder, outside.id);
    control.renew(&lease.lease_id, "one").await.expect("renewed");
    assert_eq!(
        kind_of(control.renew(&lease.lease_id, "two").await),
        ErrorType::LeaseInstanceMismatch
    );
    assert_eq!(outside.control.leases(&outside.id).await.expect("a list").len(), 1);
    control.release(&lease.lease_id, "one").await.expect("released");
}

#[tokio::test]
async fn the_registry_is_never_behind_the_task_store() {
    let clock = clock();
    let world = World::start_with(|options| options.clock = clock.clone()).await;
    let lab = Lab::begin(&world.admin, "in step", clock.clone()).await;
    let replica = Replica::join(&world.admin).await;
    assert_eq!(entry(&world, &lab.id).await.last_known_state, ExperimentState::Running);
    lab.orchestrator.terminate("enough").await.expect("terminated");
    assert_eq!(
        entry(&world, &lab.id).await.last_known_state,
        ExperimentState::Terminated
    );
    replica.acquire(&lab.id).await;
    let leased = entry(&world, &lab.id).await;
    assert_eq!(leased.last_known_state, ExperimentState::Terminated);
    clock.advance(Duration::from_secs(86_400));
    assert!(
        entry(&world, &lab.id).await.warnings.is_empty(),
        "what is hosted is never stale"
    );
}

#[tokio::test]
async fn an_experiment_that_nothing_hosts_is_warned_about_until_it_is_seeded() {
    let clock = clock();
    let world = start(&clock).await;
    let id = world.register("adrift").await;
    clock.advance(Duration::from_secs(300) - TICK);
    let response = raw(&world, Method::GET, &format!("/experiments/{id}"), &[], None).await;
    let body: Value = response.json().await.expect("an entry");
    assert_eq!((body.get("warnings"), body.get("lease")), (None, Some(&Value::Null)));
    clock.advance(TICK);
    let warnings = entry(&world, &id).await.warnings;
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("state-sync-stale: "), "{warnings:?}");
    assert!(
        warnings[0].ends_with("last successful read at 2026-01-02T03:04:05.000Z"),
        "{warnings:?}"
    );
    let replica = Replica::join(&world.admin).await;
    replica.acquire(&id).await;
    let seed = SeedRequest {
        config: CONFIG.to_owned(),
        base_commit_sha: None,
    };
    world.admin.control().seed(&id, &seed).await.expect("seeded");
    assert!(entry(&world, &id).await.warnings.is_empty());
}

#[tokio::test]
async fn only_what_is_over_and_free_leaves_the_registry_and_may_come_back() {
    let clock = clock();
    let world = start(&clock).await;
    let lab = Lab::begin(&world.admin, "leaving", clock.clone()).await;
    let (control, replica) = (world.admin.control(), Replica::join(&world.admin).await);
    let unseeded = world.register("never begun").await;
    let refused = control.unregister(&unseeded).await;
    assert!(
        refused
            .as_ref()
            .is_err_and(|error| error.to_string().contains("seed it")),
        "{refused:?}"
    );
    assert_eq!(kind_of(refused), ErrorType::InvalidPrecondition);
    assert_eq!(
        kind_of(control.unregister(&lab.id).await),
        ErrorType::InvalidPrecondition,
        "running"
    );
    let lease = replica.acquire(&lab.id).await;
    lab.orchestrator.terminate("enough").await.expect("terminated");
    assert_eq!(
        kind_of(control.unregister(&lab.id).await),
        ErrorType::InvalidPrecondition,
        "leased"
    );
    assert_eq!(kind_of(replica.control.unregister(&lab.id).await), ErrorType::Forbidden);
    clock.advance(SPAN + TICK);
    control.unregister(&lab.id).await.expect("gone");
    assert_eq!(kind_of(control.unregister(&lab.id).await), ErrorType::NotFound);
    assert_eq!(
        kind_of(replica.control.renew(&lease.lease_id, "one").await),
        ErrorType::LeaseNotHeld
    );
    assert_eq!(
        kind_of(replica.control.acquire(&lab.id, &replica.request("one")).await),
        ErrorType::NotFound
    );
    assert_eq!(
        lab.admin.read().await.expect("still hosted").state,
        ExperimentState::Terminated
    );

    let adopt = RegisterExperiment {
        config_uri: "file:///elsewhere.yaml".to_owned(),
        name: Some("back".to_owned()),
        experiment_id: Some(lab.id.clone()),
    };
    let back = control.register(&adopt).await.expect("adopted");
    assert_eq!(
        (&back.experiment_id, back.last_known_state),
        (&lab.id, ExperimentState::Terminated)
    );
    assert_eq!(entry(&world, &lab.id).await, back);
    assert_eq!(kind_of(control.register(&adopt).await), ErrorType::AlreadyExists);
    control
        .unregister(&lab.id)
        .await
        .expect("it is over, so it may leave again");
}

#[tokio::test]
async fn who_has_the_registry_already_is_not_sent_it_again() {
    let clock = clock();
    let world = start(&clock).await;
    let id = world.register("tagged").await;
    let replica = Replica::join(&world.admin).await;
    for path in ["/experiments".to_owned(), format!("/experiments/{id}")] {
        let tag = async |known: &str| {
            let response = raw(&world, Method::GET, &path, &[("if-none-match", known)], None).await;
            let tag = response.headers()["etag"].to_str().expect("text").to_owned();
            let (status, body) = (response.status(), response.text().await.expect("a body"));
            assert_eq!(body.is_empty(), status == StatusCode::NOT_MODIFIED);
            (status, tag)
        };
        let (status, first) = tag("\"other\"").await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!(tag(&first).await, (StatusCode::NOT_MODIFIED, first.clone()), "{path}");
        let lease = replica.acquire(&id).await;
        let (status, leased) = tag(&first).await;
        assert_eq!(status, StatusCode::OK, "{path}: a lease changes it");
        clock.advance(TICK);
        replica.control.renew(&lease.lease_id, "one").await.expect("renewed");
        assert_eq!(tag(&leased).await.0, StatusCode::OK, "{path}: a renewal changes it");
        replica.control.release(&lease.lease_id, "one").await.expect("released");
        assert_eq!(
            tag(&first).await.0,
            StatusCode::NOT_MODIFIED,
            "{path}: and it is as before"
        );
    }
}

#[tokio::test]
async fn the_deployment_has_workers_and_groups_of_its_own() {
    let world = World::start().await;
    let control = world.admin.control();
    for (path, name, kind) in [
        ("/workers", " padded", ErrorType::InvalidName),
        ("/groups", "", ErrorType::InvalidName),
        ("/experiments", "two\nlines", ErrorType::InvalidName),
        ("/workers", "system", ErrorType::ReservedIdentifier),
    ] {
        let body = json!({ "name": name, "config_uri": "file:///a" });
        let body = if path == "/experiments" {
            body
        } else {
            json!({ "name": name })
        };
        let response = raw(&world, Method::POST, path, &[], Some(body)).await;
        assert_eq!(response.status().as_u16(), kind.status(), "{path} {name:?}");
        let problem: Problem = response.json().await.expect("a problem");
        assert_eq!(problem.error_type(), Some(kind), "{path} {name:?}");
    }
    let replica = Replica::join(&world.admin).await;
    let known = control.read_worker(&replica.id).await.expect("the worker");
    assert_eq!(control.workers().await.expect("a list"), std::slice::from_ref(&known));
    assert_eq!(control.workers_named("replica").await.expect("a list"), [known]);
    assert_eq!(control.workers_named("nobody").await.expect("a list"), []);
    assert_eq!(replica.control.whoami().await.expect("itself").worker_id, replica.id);
    let group = control.groups().await.expect("a list").remove(0);
    assert_eq!(control.read_group(&group.group_id).await.expect("the group"), group);
    let reads = [
        kind_of(replica.control.workers().await),
        kind_of(replica.control.groups().await),
        kind_of(replica.control.read_worker(&replica.id).await),
        kind_of(replica.control.read_group(&group.group_id).await),
    ];
    assert_eq!(
        reads,
        [ErrorType::Forbidden; 4],
        "the deployment's registry is the admin's to read"
    );
    control.reissue_credential(&replica.id).await.expect("reissued");
    assert_eq!(kind_of(replica.control.whoami().await), ErrorType::Unauthorized);
}

/// What the next notices say of an experiment.
async fn told(stream: &mut PushStream, id: &ExperimentId, kinds: &[&str]) {
    for kind in kinds {
        let WatchEvent::Signalled(notice) = news(stream).await else {
            panic!("a notice of {kind}");
        };
        assert_eq!((notice.kind.as_str(), notice.id.as_str()), (*kind, id.as_str()));
    }
}

#[tokio::test]
async fn each_lease_is_told_of_when_it_begins_and_when_it_ends() {
    let clock = clock();
    let world = start(&clock).await;
    let (id, other) = (world.register("told").await, world.register("beside it").await);
    let replica = Replica::join(&world.admin).await;
    let mut stream = world.admin.control().watch().await.expect("a stream");
    assert_eq!(next(&mut stream).await, WatchEvent::Connected);
    assert_eq!(next(&mut stream).await, WatchEvent::Heartbeat);

    let lease = replica.acquire(&id).await;
    told(&mut stream, &id, &["lease.acquired"]).await;
    replica.control.renew(&lease.lease_id, "one").await.expect("renewed");
    replica.control.release(&lease.lease_id, "one").await.expect("released");
    replica.control.release(&lease.lease_id, "one").await.expect("again");
    told(&mut stream, &id, &["lease.released"]).await;

    // Two run out one after the other, and nobody asks for anything.
    replica.acquire(&id).await;
    clock.advance(SPAN / 2);
    replica.acquire(&other).await;
    told(&mut stream, &id, &["lease.acquired"]).await;
    told(&mut stream, &other, &["lease.acquired"]).await;
    clock.advance(SPAN / 2 + TICK);
    told(&mut stream, &id, &["lease.expired"]).await;
    clock.advance(SPAN / 2);
    told(&mut stream, &other, &["lease.expired"]).await;
    replica.acquire(&id).await;
    told(&mut stream, &id, &["lease.acquired"]).await;

    // A renewal moves the end, and is not told.
    let lease = replica.acquire(&other).await;
    told(&mut stream, &other, &["lease.acquired"]).await;
    clock.advance(SPAN);
    replica.control.renew(&lease.lease_id, "one").await.expect("renewed");
    clock.advance(TICK);
    told(&mut stream, &id, &["lease.expired"]).await;
    clock.advance(SPAN);
    told(&mut stream, &other, &["lease.expired"]).await;
    clock.advance(SPAN);
    world.register("the last").await;
    let WatchEvent::Signalled(last) = news(&mut stream).await else {
        panic!("a notice");
    };
    assert_eq!(last.kind, "experiment.registered", "each end is told once");
}

#[tokio::test]
async fn a_lease_that_ran_out_while_the_server_was_down_is_told_of_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let (clock, place) = (clock(), Location::Directory(dir.path().to_owned()));
    let open = async || World::with(place.clone(), |options| options.clock = clock.clone()).await;
    let world = open().await;
    let (id, replica) = (world.register("kept").await, Replica::join(&world.admin).await);
    let lease = replica.acquire(&id).await;
    let before = revision(&world).await;
    world.stop().await;

    clock.advance(SPAN + TICK);
    let world = open().await;
    let after = until("the end of the lease", async || {
        Some(revision(&world).await).filter(|revision| *revision > before)
    })
    .await;
    assert_eq!(after, before + 1);
    let resumed = [("last-event-id", before.to_string())];
    let resumed = resumed.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut stream = raw(&world, Method::GET, "/events", &resumed, None).await;
    let opening = stream.chunk().await.expect("open").expect("an opening");
    assert!(opening.starts_with(b"event: resync\n"), "{opening:?}");
    drop(stream);
    world.stop().await;

    let world = open().await;
    let replica = world
        .admin
        .control()
        .reissue_credential(&replica.id)
        .await
        .map(|secret| {
            let bearer = Bearer::new(Actor::Worker(replica.id.clone()), secret);
            world.admin.with_credential(bearer).control()
        });
    let replica = replica.expect("its credential");
    assert_eq!(
        kind_of(replica.renew(&lease.lease_id, "one").await),
        ErrorType::LeaseExpired,
        "the row is kept"
    );
    let request = AcquireLease {
        holder: lease.holder.clone(),
        holder_instance: "two".to_owned(),
    };
    replica.acquire(&id, &request).await.expect("acquired");
    assert_eq!(
        revision(&world).await,
        after + 2,
        "the reissue and the new lease; nothing twice"
    );
    world.stop().await;
}

#[tokio::test]
async fn the_console_sees_a_lease_come_and_go() {
    let console = Console::start().await;
    let id = register(&console.admin, "watched").await;
    let replica = Replica::join(&console.admin).await;
    let lease = || {
        let view = console.live.registry().view();
        let entry = view.rows.get(&id)?.entry.as_ref()?;
        Some(entry.lease.clone())
    };
    until("the entry", async || lease().filter(Option::is_none)).await;
    let acquired = replica.acquire(&id).await;
    until("the lease", async || {
        lease().filter(|lease| *lease == Some(acquired.clone()))
    })
    .await;
    console.clock.advance(SPAN + TICK);
    until("its end", async || lease().filter(Option::is_none)).await;
}
