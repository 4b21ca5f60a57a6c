//! The mirror against a feed that breaks: whatever is cut, it ends equal to a fresh list.

use std::time::Duration;

use switchboard::live::Snapshot;
use switchboard::protocol::*;

use crate::console::{Console, until};
use crate::support::{Lab, States, states};

fn mirrored(snapshot: &Snapshot) -> States {
    snapshot
        .tasks_newest_first()
        .map(|task| (task.id.to_string(), task.state.to_string()))
        .chain(
            snapshot
                .ideas()
                .map(|idea| (idea.id.to_string(), idea.state.to_string())),
        )
        .chain(
            snapshot
                .variants()
                .map(|variant| (variant.id.to_string(), variant.status.to_string())),
        )
        .collect()
}

/// Waits until the mirror has consumed the whole log, and checks all it holds against it.
async fn assert_equal_to_a_fresh_list(console: &Console, id: &ExperimentId) {
    let experiment = console.admin.experiment(id);
    let log = experiment.events(0, None).await.expect("the log");
    let mirror = console.live.mirror(id);
    let view = until("the end of the log", async || {
        let view = mirror.view();
        view.snapshot().is_some_and(|s| s.cursor == log.cursor).then_some(view)
    })
    .await;
    let snapshot = view.snapshot().expect("a picture");
    assert_eq!(mirrored(snapshot), states(&experiment).await);
    let mut held: Vec<_> = snapshot
        .newest_events()
        .map(|(at, event)| (at, event.event_id.clone()))
        .collect();
    held.reverse();
    let told: Vec<_> = (1..).zip(log.events.into_iter().map(|event| event.event_id)).collect();
    assert_eq!(held, told[told.len() - held.len()..], "nothing missed, nothing doubled");
    let tasks = experiment.tasks().await.expect("tasks").items;
    for state in TaskState::ALL {
        let counted = tasks.iter().filter(|task| task.state == *state).count() as u64;
        assert_eq!(snapshot.counts.in_state(*state), counted, "{state}");
    }
}

#[tokio::test]
async fn a_feed_that_is_cut_again_and_again_misses_and_doubles_nothing() {
    let (console, proxy) = Console::behind_a_proxy().await;
    let lab = Lab::begin(&console.admin, "Brittle line", console.clock.clone()).await;
    let mirror = console.live.mirror(&lab.id);
    until("the first list", async || mirror.view().snapshot().map(drop)).await;
    for round in 0..24 {
        for step in 0..6 {
            let task = lab.ideation(&format!("ideate-{round}-{step}")).await;
            if step % 2 == 0 {
                lab.claim(&task.task_id).await;
            }
            // Cut between any two events: before, amid and after a burst.
            if step == round % 6 {
                proxy.cut();
            }
        }
        if round % 3 != 0 {
            lab.orchestrator
                .reclaim(
                    &format!("ideate-{round}-0").parse().expect("an id"),
                    ReclaimCause::Operator,
                )
                .await
                .expect("reclaimed");
        }
        proxy.heal();
        // Every other round the line is cut again before the mirror had the time to come back.
        if round % 2 == 0 {
            until("the line", async || {
                (mirror.view().freshness.word() == "live").then_some(())
            })
            .await;
        }
    }
    assert_equal_to_a_fresh_list(&console, &lab.id).await;
}

#[tokio::test]
async fn a_long_absence_is_caught_up_in_one_piece() {
    let (console, proxy) = Console::behind_a_proxy().await;
    let lab = Lab::begin(&console.admin, "Long night", console.clock.clone()).await;
    let mirror = console.live.mirror(&lab.id);
    until("the first list", async || mirror.view().snapshot().map(drop)).await;
    proxy.cut();
    until("staleness", async || {
        (mirror.view().freshness.word() == "stale").then_some(())
    })
    .await;
    // More events than a picture holds, about more entities than are read one by one.
    for n in 0..600 {
        lab.ideation(&format!("ideate-{n}")).await;
    }
    console.clock.advance(Duration::from_secs(3600));
    let seen = mirror.view().snapshot().expect("the old picture").counts.total();
    assert_eq!(seen, 0, "what was known stays as it was");
    proxy.heal();
    assert_equal_to_a_fresh_list(&console, &lab.id).await;
    until("the line", async || {
        (mirror.view().freshness.word() == "live").then_some(())
    })
    .await;
}

#[tokio::test]
async fn looking_costs_the_backend_nothing_while_nothing_changes() {
    let (console, proxy) = Console::behind_a_proxy().await;
    let lab = Lab::begin(&console.admin, "Quiet lake", console.clock.clone()).await;
    let cookie = console.sign_in().await;
    let path = format!("/x/{}/admin/tasks/", lab.id);
    let mirror = console.live.mirror(&lab.id);
    until("the line", async || {
        (mirror.view().freshness.word() == "live").then_some(())
    })
    .await;
    console.get(&path, &[("cookie", &cookie)]).await;
    proxy.take_requests();
    for view in 0..50 {
        let page = console
            .get(&format!("{path}?page={}", view + 1), &[("cookie", &cookie)])
            .await;
        assert_eq!(page.status, 200);
    }
    assert_eq!(proxy.take_requests(), []);
}

#[tokio::test]
async fn an_experiment_seeded_elsewhere_appears_by_itself() {
    let console = Console::start().await;
    let id = crate::support::register(&console.admin, "Late starter").await;
    let mirror = console.live.mirror(&id);
    until("the answer that it is not hosted", async || {
        matches!(mirror.view().phase, switchboard::live::Phase::NotHosted).then_some(())
    })
    .await;
    let seed = SeedRequest {
        config: crate::support::CONFIG.to_owned(),
        base_commit_sha: None,
    };
    console.admin.control().seed(&id, &seed).await.expect("seeded");
    until("the experiment", async || mirror.view().snapshot().map(drop)).await;
}

#[tokio::test]
async fn what_waits_to_be_seeded_recovers_from_an_outage_too() {
    let (console, proxy) = Console::behind_a_proxy().await;
    let id = crate::support::register(&console.admin, "Patient").await;
    let mirror = console.live.mirror(&id);
    let is = |word: &'static str| {
        let mirror = mirror.clone();
        async move || (mirror.view().freshness.word() == word).then_some(())
    };
    until("the first answer", is("polling")).await;
    proxy.cut();
    mirror.wake();
    until("staleness", is("stale")).await;
    proxy.heal();
    until("the answer again", is("polling")).await;
}
