//! Several pilots in one deployment: each experiment is driven by the holder of its lease, and by nobody else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use switchboard::client::{Bearer, Client, ExperimentClient};
use switchboard::clock::Clock;
use switchboard::demo;
use switchboard::lifecycle::Tasks;
use switchboard::protocol::*;
use tokio::runtime::Runtime;

use crate::control::Replica;
use crate::demo::{integrated, seed, until};
use crate::proxy::Proxy;
use crate::support::{World, admin, join, register};

/// The events by which an orchestrator decides.
const DECISIONS: [&str; 4] = ["task.created", "task.completed", "task.failed", "variant.integrated"];

/// A pilot on threads of its own, so that it can be killed without warning.
struct Pilot {
    dir: PathBuf,
    clock: Clock,
    tasks: Tasks,
    runtime: Runtime,
}

impl Pilot {
    async fn start(client: Client, clock: &Clock, dir: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("threads");
        let tasks = Tasks::new();
        let options = demo::Options {
            client,
            data_dir: dir.to_owned(),
            clock: clock.clone(),
            tasks: tasks.clone(),
        };
        let started = runtime.spawn(demo::start(options)).await;
        started.expect("it lives").expect("the demo starts");
        Self {
            dir: dir.to_owned(),
            clock: clock.clone(),
            tasks,
            runtime,
        }
    }

    /// As when the process is asked to stop.
    async fn stop(self) {
        self.tasks.stop();
        self.tasks.join().await.expect("an orderly end");
        self.runtime.shutdown_background();
    }

    /// As when the process is killed: when this returns it does nothing any more.
    async fn kill(self) {
        let ended = tokio::task::spawn_blocking(move || self.runtime.shutdown_timeout(Duration::from_secs(20)));
        ended.await.expect("it ends");
    }

    async fn restart(self, client: Client) -> Self {
        let (dir, clock) = (self.dir.clone(), self.clock.clone());
        self.kill().await;
        Self::start(client, &clock, &dir).await
    }

    /// Who it is to the control plane, once it has said so.
    fn id(&self) -> Option<WorkerId> {
        stored(&self.dir, "control-plane", "pilot").map(|(id, _)| id)
    }

    /// The orchestrator of an experiment, if this pilot can act as it.
    async fn orchestrator(&self, experiment: &ExperimentClient) -> Option<WorkerId> {
        let (id, token) = stored(&self.dir, experiment.id().as_str(), "orchestrator")?;
        let client = experiment.with_credential(Bearer::new(Actor::Worker(id.clone()), token.into()));
        client.whoami().await.ok().map(|_| id)
    }

    fn has_credentials_of(&self, experiment: &ExperimentId) -> bool {
        self.dir.join("credentials").join(experiment.as_str()).exists()
    }
}

fn stored(dir: &Path, of: &str, name: &str) -> Option<(WorkerId, String)> {
    let text = std::fs::read_to_string(dir.join(format!("credentials/{of}/{name}.json"))).ok()?;
    let kept: Value = serde_json::from_str(&text).expect("JSON");
    let id = kept["worker_id"].as_str()?.parse().expect("an id");
    Some((id, kept["token"].as_str()?.to_owned()))
}

/// A backend, and the data directories of two pilots that share their repositories as if they were pushed to one place.
struct Stage {
    world: World,
    clock: Clock,
    dirs: [tempfile::TempDir; 2],
}

impl Stage {
    async fn set(clock: Clock, lease: Duration) -> Self {
        let world = World::start_with(|options| {
            options.clock = clock.clone();
            options.lease_duration = lease;
        })
        .await;
        let dirs = [(), ()].map(|()| tempfile::tempdir().expect("a directory"));
        let [one, two] = dirs.each_ref().map(|dir| dir.path().join("repos"));
        std::fs::create_dir(&one).expect("made");
        std::os::unix::fs::symlink(one, two).expect("linked");
        Self { world, clock, dirs }
    }

    async fn pilot(&self, n: usize) -> Pilot {
        Pilot::start(self.world.admin.clone(), &self.clock, self.dirs[n].path()).await
    }

    /// A pilot with a wire of its own to the backend.
    async fn wired_pilot(&self, n: usize) -> (Pilot, Proxy) {
        let address = self.world.base.strip_prefix("http://").expect("a base");
        let proxy = Proxy::before(address.parse().expect("an address"), &self.world.tasks).await;
        let pilot = Pilot::start(admin(&proxy.base()), &self.clock, self.dirs[n].path()).await;
        (pilot, proxy)
    }

    fn experiment(&self, id: &ExperimentId) -> ExperimentClient {
        self.world.admin.experiment(id)
    }

    /// Registers and seeds an experiment that a pilot takes on.
    async fn seeded(&self, name: &str) -> ExperimentId {
        let id = register(&self.world.admin, name).await;
        seed(&self.world.admin, &id, hasty()).await;
        id
    }

    async fn lease(&self, id: &ExperimentId) -> Option<Lease> {
        let entry = self.world.admin.control().experiment(id).await.expect("registered");
        entry.lease
    }

    /// The lease of an experiment once a pilot has it.
    async fn held(&self, id: &ExperimentId, by: &Pilot) -> Lease {
        until("the pilot holds the lease", async || {
            let lease = self.lease(id).await?;
            (Some(&lease.holder) == by.id().as_ref()).then_some(lease)
        })
        .await
    }

    async fn log(&self, id: &ExperimentId) -> Vec<Event> {
        self.experiment(id).events(0, None).await.expect("the log").events
    }

    /// Waits for so many variants more to be integrated.
    async fn progress(&self, id: &ExperimentId, more: usize) {
        let goal = integrated(&self.world.admin, id).await.len() + more;
        until("the experiment goes on", async || {
            let now = integrated(&self.world.admin, id).await.len();
            (now >= goal).then_some(())
        })
        .await;
    }

    /// Checks that every decision about an experiment was the one pilot's: nobody else may decide, and nobody else has
    /// the secret of who may.
    async fn is_driven_by(&self, id: &ExperimentId, pilot: &Pilot) {
        let experiment = self.experiment(id);
        let orchestrator = pilot.orchestrator(&experiment).await.expect("its secret is good");
        let group = experiment
            .groups_named("orchestrators")
            .await
            .expect("a list")
            .remove(0);
        assert_eq!(group.members, [MemberId::from(&orchestrator)]);
        let by = Some(Actor::Worker(orchestrator));
        let tasks = experiment.tasks().await.expect("a list").items;
        assert!(tasks.iter().all(|task| task.created_by == by));
        let log = self.log(id).await;
        for kind in DECISIONS {
            assert!(
                kind == "task.failed" || log.iter().any(|event| event.kind == kind),
                "{kind}"
            );
        }
    }
}

/// Waits until the pilot behind the proxy has asked for a lease twice.
async fn asked_twice(proxy: &Proxy, id: &ExperimentId) {
    let target = format!("/v0/control/experiments/{id}/leases");
    until("the pilot has asked for the lease", async || {
        let requests = proxy.requests();
        (requests.iter().filter(|request| request.target == target).count() >= 2).then_some(())
    })
    .await;
}

/// The sample, in a hurry. No claim is dropped: where time stands still, none would ever come back.
fn hasty() -> String {
    let config = demo::sample_config().replace("pace_ms: 900 ", "pace_ms: 1 ");
    assert!(config.contains("pace_ms: 1 "));
    config
}

fn manual() -> Clock {
    Clock::manual("2026-01-02T03:04:05Z".parse().expect("an instant"))
}

/// Longer than any test, so that what is taken over was given back.
const LONG: Duration = Duration::from_secs(3600);
const SPAN: Duration = Duration::from_secs(30);
/// More than a third of that.
const STEP: Duration = Duration::from_millis(10_001);

#[tokio::test(flavor = "multi_thread")]
async fn experiments_side_by_side_are_each_driven_by_one_pilot_and_their_events_are_disjoint() {
    let stage = Stage::set(Clock::default(), LONG).await;
    let mine = stage.seeded("the first's").await;
    let (first, proxy) = stage.wired_pilot(0).await;
    stage.held(&mine, &first).await;
    // What is offered while the first cannot ask goes to the second.
    proxy.cut();
    let second = stage.pilot(1).await;
    let theirs = stage.seeded("the second's").await;
    stage.held(&theirs, &second).await;
    proxy.heal();
    let (driven, pilots) = ([mine, theirs], [first, second]);
    let leases = [stage.lease(&driven[0]).await, stage.lease(&driven[1]).await];
    for id in &driven {
        stage.progress(id, 5).await;
    }
    for (n, id) in driven.iter().enumerate() {
        stage.is_driven_by(id, &pilots[n]).await;
        assert!(!pilots[1 - n].has_credentials_of(id), "the other registered nobody");
        let now = stage.lease(id).await.expect("held");
        let before = leases[n].clone().expect("held");
        assert_eq!((now.lease_id, now.holder), (before.lease_id, before.holder));
    }
    for pilot in pilots {
        pilot.stop().await;
    }

    let mut of_all = BTreeSet::new();
    for id in &driven {
        let experiment = stage.experiment(id);
        let tasks = experiment.tasks().await.expect("a list").items;
        let ideas = experiment.ideas().await.expect("a list").items;
        let variants = experiment.variants().await.expect("a list").items;
        let own: BTreeSet<Subject> = tasks
            .into_iter()
            .map(|task| Subject::Task(task.task_id))
            .chain(ideas.into_iter().map(|idea| Subject::Idea(idea.idea_id)))
            .chain(variants.into_iter().map(|variant| Subject::Variant(variant.variant_id)))
            .collect();
        assert!(own.iter().all(|subject| of_all.insert(subject.clone())));
        for event in stage.log(id).await {
            assert_eq!(event.experiment_id, *id);
            let subjects = event.subjects();
            assert!(
                !subjects.is_empty() && subjects.iter().all(|subject| own.contains(subject)),
                "{event:?}"
            );
        }
    }
    stage.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pilot_that_does_not_hold_the_lease_leaves_no_trace() {
    let stage = Stage::set(Clock::default(), LONG).await;
    let id = stage.seeded("somebody else's").await;
    let other = Replica::join(&stage.world.admin).await;
    let lease = other.acquire(&id).await;
    let (pilot, proxy) = stage.wired_pilot(0).await;
    asked_twice(&proxy, &id).await;
    let experiment = stage.experiment(&id);
    assert_eq!(stage.log(&id).await, []);
    assert_eq!(experiment.workers().await.expect("a list"), []);
    assert_eq!(experiment.groups().await.expect("a list"), []);
    assert!(!pilot.has_credentials_of(&id));
    assert_eq!(stage.lease(&id).await, Some(lease.clone()));

    other.control.release(&lease.lease_id, "one").await.expect("released");
    stage.held(&id, &pilot).await;
    stage.progress(&id, 2).await;
    stage.is_driven_by(&id, &pilot).await;
    pilot.stop().await;
    assert_eq!(stage.lease(&id).await, None);
    stage.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pilot_that_stops_in_order_gives_its_leases_back_and_the_other_goes_on() {
    let stage = Stage::set(Clock::default(), LONG).await;
    let id = stage.seeded("handed over").await;
    let first = stage.pilot(0).await;
    let lease = stage.held(&id, &first).await;
    stage.progress(&id, 2).await;
    let second = stage.pilot(1).await;
    let workers = stage.experiment(&id).workers().await.expect("a list");
    let holder = first.id().expect("enrolled");
    first.stop().await;
    let left = stage.world.admin.control().leases(&holder).await.expect("a list");
    assert_eq!(left, []);

    let taken = stage.held(&id, &second).await;
    assert_ne!(taken.lease_id, lease.lease_id);
    stage.progress(&id, 3).await;
    stage.is_driven_by(&id, &second).await;
    assert_eq!(
        stage.experiment(&id).workers().await.expect("a list"),
        workers,
        "the crew is the experiment's, in other hands"
    );

    // The first comes back, and waits.
    let first = stage.pilot(0).await;
    let next = stage.seeded("for whoever is quicker").await;
    until("somebody takes it", async || stage.lease(&next).await).await;
    assert_eq!(first.id(), Some(holder), "the same worker as before");
    assert_eq!(first.orchestrator(&stage.experiment(&id)).await, None);
    stage.is_driven_by(&id, &second).await;
    second.stop().await;
    stage.held(&id, &first).await;
    stage.progress(&id, 1).await;
    stage.is_driven_by(&id, &first).await;
    first.stop().await;
    stage.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_pilot_held_is_taken_over_when_its_lease_has_run_out_and_not_before() {
    let stage = Stage::set(manual(), SPAN).await;
    let id = stage.seeded("orphaned").await;
    let first = stage.pilot(0).await;
    let lease = stage.held(&id, &first).await;
    stage.progress(&id, 2).await;
    let second = stage.pilot(1).await;
    first.kill().await;

    let other = stage.seeded("the survivor's").await;
    let own = stage.held(&other, &second).await;
    stage.progress(&other, 3).await;
    let log = stage.log(&id).await;
    for _ in 0..2 {
        stage.clock.advance(STEP);
        until("the survivor renews its own", async || {
            let now = stage.lease(&other).await?;
            (now.renewed_at == stage.clock.now()).then_some(())
        })
        .await;
        stage.progress(&other, 3).await;
        assert_eq!(stage.lease(&id).await, Some(lease.clone()));
        assert_eq!(stage.log(&id).await, log);
        assert!(!second.has_credentials_of(&id));
    }
    stage.clock.advance(STEP);
    let taken = stage.held(&id, &second).await;
    assert!(taken.acquired_at > lease.expires_at);
    stage.progress(&id, 2).await;
    stage.is_driven_by(&id, &second).await;
    let after = stage.log(&id).await;
    assert_eq!(after[..log.len()], log);
    assert!(
        after[log.len()..]
            .iter()
            .all(|event| event.occurred_at > lease.expires_at)
    );
    assert_eq!(stage.lease(&other).await.expect("held").lease_id, own.lease_id);
    second.stop().await;
    stage.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pilot_that_comes_back_on_its_data_directory_goes_on_with_its_leases_at_once() {
    // Time stands still: no lease of the dead runs out.
    let stage = Stage::set(manual(), SPAN).await;
    let id = stage.seeded("inherited").await;
    let pilot = stage.pilot(0).await;
    let lease = stage.held(&id, &pilot).await;
    stage.progress(&id, 1).await;
    let pilot = pilot.restart(stage.world.admin.clone()).await;
    stage.progress(&id, 2).await;
    assert_eq!(stage.held(&id, &pilot).await, lease);
    stage.is_driven_by(&id, &pilot).await;
    pilot.stop().await;
    assert_eq!(stage.lease(&id).await, None);
    stage.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pilot_that_is_cut_off_stops_deciding_when_its_lease_has_run_out() {
    let stage = Stage::set(manual(), SPAN).await;
    let id = stage.seeded("fenced").await;
    let (first, proxy) = stage.wired_pilot(0).await;
    let lease = stage.held(&id, &first).await;
    stage.progress(&id, 2).await;
    let second = stage.pilot(1).await;
    proxy.cut();
    stage.clock.advance(SPAN + Duration::from_millis(1));
    let taken = stage.held(&id, &second).await;
    assert!(taken.acquired_at > lease.expires_at);
    proxy.take_requests();
    proxy.heal();

    asked_twice(&proxy, &id).await;
    let task_store = format!("/v0/experiments/{id}");
    let acted = proxy
        .requests()
        .into_iter()
        .filter(|r| r.target.starts_with(&task_store));
    assert_eq!(acted.collect::<Vec<_>>(), []);
    stage.progress(&id, 2).await;
    stage.is_driven_by(&id, &second).await;
    first.stop().await;
    second.stop().await;
    stage.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_of_an_ended_experiment_is_given_back_once_all_is_settled() {
    let stage = Stage::set(Clock::default(), LONG).await;
    let id = register(&stage.world.admin, "to its end").await;
    let config = hasty().replace("termination: manual", "termination: auto")
        + "termination_policy: {kind: max_variants, target: 3}\n";
    seed(&stage.world.admin, &id, config).await;
    let pilot = stage.pilot(0).await;
    let experiment = stage.experiment(&id);
    let control = stage.world.admin.control();
    // Refused while it runs, and while anybody holds its lease.
    until("it may leave the registry", async || control.unregister(&id).await.ok()).await;
    for state in [TaskState::Claimed, TaskState::Submitted] {
        assert_eq!(experiment.tasks_in_state(state).await.expect("a list"), []);
    }
    let variants = experiment.variants().await.expect("a list").items;
    assert!(variants.len() > 3);
    for variant in variants
        .iter()
        .filter(|v| v.status == VariantStatus::Success && !v.is_baseline())
    {
        assert!(
            variant.variant_commit_sha.is_some(),
            "{} is integrated",
            variant.variant_id
        );
    }
    pilot.stop().await;
    stage.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_that_is_unregistered_is_left() {
    let stage = Stage::set(Clock::default(), LONG).await;
    let id = stage.seeded("taken away").await;
    let other = Replica::join(&stage.world.admin).await;
    let lease = other.acquire(&id).await;
    let (operator, client) = join(&stage.experiment(&id), "operator").await;
    let admins = RegisterGroup {
        name: Some("admins".to_owned()),
        members: vec![(&operator).into()],
    };
    stage.experiment(&id).register_group(&admins).await.expect("a group");
    let (pilot, proxy) = stage.wired_pilot(0).await;
    asked_twice(&proxy, &id).await;
    proxy.cut();
    client.terminate("by hand").await.expect("ended");
    other.control.release(&lease.lease_id, "one").await.expect("released");
    let control = stage.world.admin.control();
    control.unregister(&id).await.expect("unregistered");
    proxy.take_requests();
    proxy.heal();
    for name in ["another", "a third"] {
        let next = stage.seeded(name).await;
        stage.held(&next, &pilot).await;
    }
    let of_it = format!("/v0/control/experiments/{id}");
    until("the pilot has seen that it is gone", async || {
        proxy
            .requests()
            .iter()
            .any(|request| request.target == of_it)
            .then_some(())
    })
    .await;
    let asked = proxy
        .requests()
        .into_iter()
        .filter(|r| r.target == format!("{of_it}/leases"));
    assert_eq!(asked.count(), 1);
    assert!(!pilot.has_credentials_of(&id));
    pilot.stop().await;
    stage.world.stop().await;
}
