//! The push streams, read by our own client.

use std::time::Duration;

use futures_util::StreamExt;
use switchboard::client::{Bearer, PushStream, WatchEvent};
use switchboard::protocol::*;

use crate::support::{World, join};

pub async fn next(stream: &mut PushStream) -> WatchEvent {
    let item = tokio::time::timeout(Duration::from_secs(5), stream.next()).await;
    item.expect("in time").expect("not over").expect("well-formed")
}

/// The next thing that is neither the opening nor a heartbeat.
pub async fn news(stream: &mut PushStream) -> WatchEvent {
    loop {
        match next(stream).await {
            WatchEvent::Connected | WatchEvent::Heartbeat => {}
            other => return other,
        }
    }
}

async fn logged(stream: &mut PushStream) -> (Event, u64) {
    match news(stream).await {
        WatchEvent::Logged { event, cursor } => (*event, cursor),
        other => panic!("an event, not {other:?}"),
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_again_and_again_misses_and_doubles_nothing() {
    let world = World::start().await;
    let lab = world.lab("cut").await;
    let writes = async {
        for n in 0..60 {
            let task = lab.ideation(&format!("t-{n}")).await;
            lab.claim(&task.task_id).await;
        }
    };
    let reads = async {
        let mut seen = Vec::new();
        while seen.len() < 120 {
            let mut stream = lab.worker.watch(seen.len() as u64).await.expect("a stream");
            for _ in 0..7.min(120 - seen.len()) {
                let (event, cursor) = logged(&mut stream).await;
                seen.push(event);
                assert_eq!(cursor, seen.len() as u64);
            }
        }
        seen
    };
    let ((), seen) = futures_util::future::join(writes, reads).await;
    assert_eq!(seen, lab.admin.events(0, None).await.expect("the log").events);
}

#[tokio::test]
async fn a_long_backlog_is_replayed_whole() {
    let world = World::start().await;
    let lab = world.lab("backlog").await;
    for n in 0..300 {
        lab.ideation(&format!("t-{n}")).await;
    }
    let mut stream = lab.worker.watch(1).await.expect("a stream");
    for expected in 2..=300 {
        assert_eq!(logged(&mut stream).await.1, expected);
    }
}

#[tokio::test]
async fn a_cursor_beyond_the_log_asks_for_a_new_list() {
    let world = World::start().await;
    let lab = world.lab("beyond").await;
    lab.ideation("t-1").await;
    let mut stream = lab.worker.watch(7).await.expect("a stream");
    assert_eq!(news(&mut stream).await, WatchEvent::Resync);
    lab.ideation("t-2").await;
    assert_eq!(logged(&mut stream).await.1, 2, "then it follows the present");
}

#[tokio::test]
async fn signals_beside_the_log_are_notices() {
    let world = World::start().await;
    let lab = world.lab("signals").await;
    let mut stream = lab.worker.watch(0).await.expect("a stream");
    assert_eq!(next(&mut stream).await, WatchEvent::Connected);
    assert_eq!(
        next(&mut stream).await,
        WatchEvent::Heartbeat,
        "the opening comes at once"
    );
    let (worker, _) = join(&lab.admin, "late").await;
    lab.admin.reissue_credential(&worker).await.expect("reissued");
    let admins = lab.admin.groups_named("admins").await.expect("a list").remove(0);
    lab.admin
        .add_member(&admins.group_id, (&worker).into())
        .await
        .expect("added");
    let mut revisions = Vec::new();
    for (kind, id) in [
        ("worker.registered", worker.to_string()),
        ("worker.credential_reissued", worker.to_string()),
        ("group.changed", admins.group_id.to_string()),
    ] {
        let WatchEvent::Signalled(notice) = news(&mut stream).await else {
            panic!("a notice");
        };
        assert_eq!((notice.kind.as_str(), &notice.id), (kind, &id));
        revisions.push(notice.revision);
    }
    assert!(revisions.is_sorted());
    assert_eq!(
        lab.admin.events(0, None).await.expect("the log").cursor,
        0,
        "the log is untouched"
    );
}

#[tokio::test]
async fn the_registry_is_pushed_too() {
    let world = World::start().await;
    let mut stream = world.admin.control().watch().await.expect("a stream");
    assert_eq!(next(&mut stream).await, WatchEvent::Connected);
    assert_eq!(next(&mut stream).await, WatchEvent::Heartbeat);
    let lab = world.lab("pushed").await;
    lab.orchestrator.terminate("enough").await.expect("terminated");
    for expected in ["experiment.registered", "experiment.seeded", "experiment.state_changed"] {
        let WatchEvent::Signalled(notice) = news(&mut stream).await else {
            panic!("a notice");
        };
        assert_eq!((notice.kind.as_str(), notice.id.as_str()), (expected, lab.id.as_str()));
    }
}

#[tokio::test]
async fn a_reissued_credential_ends_the_streams_that_the_old_one_opened() {
    let world = World::start().await;
    let lab = world.lab("keys").await;
    let mut log = lab.worker.watch(0).await.expect("a stream");
    let control = world.admin.control();
    let (operator, secret) = control
        .register_worker(&RegisterWorker::default())
        .await
        .expect("a worker");
    let bearer = Bearer::new(Actor::Worker(operator.worker_id.clone()), secret);
    let mut registry = world
        .admin
        .with_credential(bearer)
        .control()
        .watch()
        .await
        .expect("a stream");
    for stream in [&mut log, &mut registry] {
        assert_eq!(next(stream).await, WatchEvent::Connected);
        assert_eq!(next(stream).await, WatchEvent::Heartbeat);
    }
    lab.admin.reissue_credential(&lab.worker_id).await.expect("reissued");
    control.reissue_credential(&operator.worker_id).await.expect("reissued");
    for stream in [&mut log, &mut registry] {
        let end = async {
            loop {
                match stream.next().await {
                    Some(Ok(WatchEvent::Heartbeat)) => {}
                    other => return other,
                }
            }
        };
        let end = tokio::time::timeout(Duration::from_secs(10), end)
            .await
            .expect("an end");
        assert!(!matches!(end, Some(Ok(_))), "{end:?}");
    }
}

#[tokio::test]
async fn stopping_ends_open_streams_and_long_polls_soon() {
    let world = World::start().await;
    let lab = world.lab("stop").await;
    let mut log = lab.worker.watch(0).await.expect("a stream");
    let mut registry = world.admin.control().watch().await.expect("a stream");
    next(&mut log).await;
    next(&mut registry).await;
    let took = world.stop().await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    while let Some(item) = tokio::time::timeout(Duration::from_secs(1), log.next())
        .await
        .expect("it ends")
    {
        assert!(matches!(item, Ok(WatchEvent::Heartbeat) | Err(_)), "{item:?}");
    }
}
