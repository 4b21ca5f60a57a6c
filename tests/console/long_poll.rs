//! The console over servers that do not push, or answer in ways that a feed must not be taken in by.

use std::sync::Arc;
use std::time::Duration;

use switchboard::access;
use switchboard::client::ClientError;
use switchboard::clock::Clock;
use switchboard::live::{Hosting, Mirror, Topic};
use switchboard::protocol::*;

use crate::console::{Console, Setup, until};
use crate::gateway::{Fault, Gateway};
use crate::support::{ADMIN_TOKEN, Lab, World, admin, join};

struct Scene {
    console: Console,
    gateway: Gateway,
    world: World,
}

impl Scene {
    /// A console on what a gateway lets through; `prepare` sets the gateway up.
    async fn over(world: World, prepare: impl FnOnce(&Gateway)) -> Self {
        let gateway = Gateway::before(&world.base, &world.tasks).await;
        prepare(&gateway);
        let scratch = tempfile::tempdir().expect("a directory");
        let credentials = scratch.path().join("console");
        let access = access::Options::single_server(gateway.base(), ADMIN_TOKEN.into(), credentials);
        let setup = Setup::of(access.expect("an address"));
        let clock = Clock::manual("2026-03-04T05:06:07Z".parse().expect("a timestamp"));
        let console = Console::over(setup, world.admin.clone(), world.tasks.clone(), clock, scratch).await;
        Self {
            console,
            gateway,
            world,
        }
    }

    /// A mirror that has caught up with three events, over a server that does not push.
    async fn long_polled() -> (Self, Lab, Arc<Mirror>) {
        let world = World::start().await;
        let lab = world.lab("No push").await;
        for n in 1..=3 {
            lab.ideation(&format!("t-{n}")).await;
        }
        let scene = Self::over(world, without_push).await;
        let mirror = scene.console.live.mirror(&lab.id);
        caught_up(&mirror, 3).await;
        (scene, lab, mirror)
    }

    /// Waits until a poll waits at a position.
    async fn polls_at(&self, cursor: u64) {
        let poll = format!("/events/subscribe?cursor={cursor}&");
        until(&poll, async || {
            let asked = self.gateway.take_requests();
            asked.iter().any(|request| request.contains(&poll)).then_some(())
        })
        .await;
    }

    /// Waits until something is asked for.
    async fn asked(&self, what: &str) {
        until(what, async || {
            let asked = self.gateway.take_requests();
            asked.iter().any(|request| request.ends_with(what)).then_some(())
        })
        .await;
    }
}

fn without_push(gateway: &Gateway) {
    gateway.fail(Fault::Page(404), |path, _| {
        path.contains("/events/stream") || path.contains("/control/events")
    });
}

async fn is(mirror: &Mirror, word: &'static str) {
    until(word, async || (mirror.view().freshness.word() == word).then_some(())).await;
}

async fn caught_up(mirror: &Mirror, cursor: u64) {
    until("the end of the log", async || {
        let view = mirror.view();
        (view.freshness.word() == "live" && view.snapshot()?.cursor == cursor).then_some(())
    })
    .await;
}

async fn has_worker(mirror: &Mirror, worker: &WorkerId) {
    until("the worker", async || {
        let view = mirror.view();
        let mut known = view.snapshot()?.workers();
        known.any(|known| known.worker_id == *worker).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_credential_that_cannot_be_had_for_a_while_holds_up_nothing_for_longer() {
    let world = World::start().await;
    let lab = world.lab("Lost key").await;
    let scene = Scene::over(world, |_| {}).await;
    let mirror = scene.console.live.mirror(&lab.id);
    is(&mirror, "live").await;
    let workers = lab.admin.workers_named(access::Options::WORKER_NAME).await;
    let me = workers.expect("a list").remove(0).worker_id;
    // As while its server's proxy has lost the way: the endpoint that was to be asked is not what is missing.
    scene
        .gateway
        .fail(Fault::Page(404), |path, _| path.ends_with("/whoami"));
    lab.admin.reissue_credential(&me).await.expect("reissued");
    is(&mirror, "stale").await;
    scene.gateway.take_requests();
    scene.gateway.heal();
    lab.ideation("after").await;
    caught_up(&mirror, 1).await;
    let asked = scene.gateway.take_requests();
    assert!(
        asked.iter().all(|request| !request.contains("/subscribe")),
        "it pushes: {asked:?}"
    );
}

#[tokio::test]
async fn a_log_that_is_another_is_listed_anew() {
    let (scene, lab, mirror) = Scene::long_polled().await;
    // What a server says whose log is shorter, and one that has another event where the last one that is held was.
    let shorter = (r#"{"events":[],"cursor":3}"#, "/events?cursor=3", 4);
    let other = r#"{"events":[{"event_id":"another","type":"task.created","occurred_at":"2026-03-04T05:06:07Z",
        "experiment_id":"exp_00000000000000000000000001","data":{}}],"cursor":5}"#;
    for (answer, to, cursor) in [shorter, (other, "/events?cursor=4", 5)] {
        // The event arrives by the poll that waits now; only the next one is broken.
        scene.polls_at(cursor - 1).await;
        let broken = |path: &str, _: &str| path.contains("/subscribe");
        scene.gateway.fail(Fault::Page(502), broken);
        scene
            .gateway
            .fail(Fault::Json(answer), move |path, _| path.contains(to));
        scene.gateway.take_requests();
        lab.ideation(&format!("t-{cursor}")).await;
        scene.asked(&format!("GET /v0/experiments/{}/tasks", lab.id)).await;
        scene.gateway.heal();
        without_push(&scene.gateway);
        caught_up(&mirror, cursor).await;
    }
}

#[tokio::test]
async fn what_is_listed_anew_is_not_called_live_meanwhile() {
    let (scene, lab, mirror) = Scene::long_polled().await;
    let shorter = r#"{"events":[],"cursor":1}"#;
    let subscribed = |path: &str, _: &str| path.contains("/subscribe");
    let tasks = |path: &str, _: &str| path.ends_with("/tasks");
    scene.gateway.fail(Fault::Json(shorter), subscribed);
    scene.gateway.fail(Fault::Silence, tasks);
    lab.ideation("t-4").await;
    is(&mirror, "catching-up").await;
}

#[tokio::test]
async fn a_list_that_fails_is_made_all_the_same() {
    let (scene, lab, mirror) = Scene::long_polled().await;
    let shorter = r#"{"events":[],"cursor":1}"#;
    let subscribed = |path: &str, _: &str| path.contains("/subscribe");
    scene.gateway.fail(Fault::Json(shorter), subscribed);
    scene.gateway.fail(Fault::Page(502), |path, _| path.ends_with("/tasks"));
    lab.ideation("t-4").await;
    is(&mirror, "stale").await;
    scene.gateway.heal();
    without_push(&scene.gateway);
    scene.gateway.take_requests();
    scene.asked(&format!("GET /v0/experiments/{}/tasks", lab.id)).await;
    caught_up(&mirror, 4).await;
}

#[tokio::test]
async fn an_event_that_cannot_be_read_does_not_end_the_feed() {
    let (scene, lab, mirror) = Scene::long_polled().await;
    scene
        .gateway
        .fail(Fault::Json(r#"{"events":[{"event_id":7}],"cursor":5}"#), |path, _| {
            path.contains("/events/subscribe?cursor=4") || path.contains("/events?cursor=4")
        });
    scene.gateway.take_requests();
    lab.ideation("t-4").await;
    scene.asked(&format!("GET /v0/experiments/{}/tasks", lab.id)).await;
    lab.ideation("t-5").await;
    lab.ideation("t-6").await;
    caught_up(&mirror, 6).await;
}

#[tokio::test]
async fn workers_who_come_later_are_known_once_the_log_names_them_or_somebody_looks() {
    let (scene, lab, mirror) = Scene::long_polled().await;
    let (late, client) = join(&lab.admin, "late").await;
    let task = lab.ideation("t-4").await;
    client
        .claim(&task.task_id, &ClaimRequest::default())
        .await
        .expect("claimed");
    has_worker(&mirror, &late).await;

    let (later, _) = join(&lab.admin, "later").await;
    scene.console.clock.advance(Duration::from_secs(31));
    scene.console.live.mirror(&lab.id);
    lab.ideation("t-5").await;
    has_worker(&mirror, &later).await;
}

#[tokio::test]
async fn what_an_open_page_refetches_is_not_a_view_that_workers_are_read_for() {
    let (scene, lab, mirror) = Scene::long_polled().await;
    let cookie = scene.console.sign_in().await;
    let path = format!("/x/{}/admin/tasks/", lab.id);
    let person = vec![("cookie", cookie.as_str())];
    let mut page = person.clone();
    page.extend([
        ("hx-request", "true"),
        ("hx-request-type", "partial"),
        ("hx-target", "div#region-tasks"),
    ]);
    assert_eq!(scene.console.get(&path, &person).await.status, 200);
    scene.console.clock.advance(Duration::from_secs(31));
    scene.gateway.take_requests();
    assert_eq!(scene.console.get(&path, &page).await.status, 200);
    lab.ideation("t-4").await;
    caught_up(&mirror, 4).await;
    let asked = scene.gateway.take_requests();
    assert!(asked.iter().all(|request| !request.ends_with("/workers")), "{asked:?}");

    // A person's view has them read. They are what they were, and nobody is told anything.
    let told = mirror.view().revisions.last_of(&[Topic::Experiment]);
    assert_eq!(scene.console.get(&path, &person).await.status, 200);
    lab.ideation("t-5").await;
    scene.asked("/workers").await;
    lab.ideation("t-6").await;
    caught_up(&mirror, 6).await;
    assert_eq!(mirror.view().revisions.last_of(&[Topic::Experiment]), told);
}

#[tokio::test]
async fn a_server_that_gives_few_events_at_once_is_asked_for_the_newest() {
    let world = World::start().await;
    let lab = world.lab("Few at once").await;
    for n in 1..=3 {
        lab.ideation(&format!("t-{n}")).await;
    }
    let one = r#"{"events":[{"event_id":"first","type":"task.created","occurred_at":"2026-03-04T05:06:07Z",
        "experiment_id":"exp_00000000000000000000000001","data":{}}],"cursor":1}"#;
    let scene = Scene::over(world, |gateway| {
        without_push(gateway);
        gateway.fail(Fault::Json(one), |path, _| path.contains("/events?cursor=0&limit=3"));
    })
    .await;
    let mirror = scene.console.live.mirror(&lab.id);
    caught_up(&mirror, 3).await;
    let view = mirror.view();
    let held: Vec<_> = view
        .snapshot()
        .expect("listed")
        .newest_events()
        .map(|(at, _)| at)
        .collect();
    assert_eq!(held, [3], "the last, which tells whether the log is the same");
}

#[tokio::test]
async fn only_who_asks_for_news_takes_that_there_are_none_for_an_answer() {
    let world = World::start().await;
    let lab = world.lab("Not modified").await;
    let gateway = Gateway::before(&world.base, &world.tasks).await;
    let through = admin(gateway.base());
    gateway.fail(Fault::Page(304), |_, _| true);
    let read = through.control().experiments_if_changed(None).await;
    assert!(matches!(read, Err(ClientError::UnexpectedStatus(304))), "{read:?}");
    let known = through.control().experiments_if_changed(Some("\"1\"")).await;
    assert!(matches!(known, Ok(None)), "{known:?}");
    let written = through
        .experiment(&lab.id)
        .mark_ready(&"i-1".parse().expect("an id"))
        .await;
    assert!(
        matches!(written, Err(ClientError::UnexpectedStatus(304))),
        "{written:?}"
    );
}

#[tokio::test]
async fn the_registry_hears_of_an_experiment_that_its_task_store_has_lost() {
    let (scene, lab, mirror) = Scene::long_polled().await;
    let hosting = async |wanted: fn(&Hosting) -> bool| {
        until("what the registry says", async || {
            let view = scene.console.live.registry().view();
            wanted(&view.rows.get(&lab.id)?.hosting).then_some(())
        })
        .await;
    };
    hosting(|hosting| matches!(hosting, Hosting::Hosted(_))).await;
    scene.gateway.fail(Fault::Problem(404, "not-found"), |path, _| {
        path.starts_with("/v0/experiments/")
    });
    lab.ideation("t-4").await;
    hosting(|hosting| *hosting == Hosting::NotHosted).await;
    scene.gateway.heal();
    without_push(&scene.gateway);
    caught_up(&mirror, 4).await;
    hosting(|hosting| matches!(hosting, Hosting::Hosted(_))).await;
}

#[tokio::test]
async fn a_task_store_that_is_silent_holds_up_no_list() {
    /// So many that asking for one after the other would take longer than the test waits.
    const EXPERIMENTS: usize = 170;
    let world = World::start().await;
    for n in 0..EXPERIMENTS {
        world.register(&format!("Number {n}")).await;
    }
    let silent = |gateway: &Gateway| gateway.fail(Fault::Silence, |path, _| path.starts_with("/v0/experiments/"));
    let scene = Scene::over(world, silent).await;
    let view = scene.console.live.registry().view();
    assert_eq!(view.rows.len(), EXPERIMENTS);
    assert_eq!(view.freshness.word(), "live");
    let late = scene.world.register("Late").await;
    until("what is registered meanwhile", async || {
        scene
            .console
            .live
            .registry()
            .view()
            .rows
            .contains_key(&late)
            .then_some(())
    })
    .await;
}
