//! What is kept in memory: mirrors within their budget, and whole entities read once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use switchboard::live::{Hosting, Mirror, RegistryRow};
use switchboard::protocol::*;

use crate::console::{Console, until};
use crate::support::Lab;

/// An experiment with something in it.
async fn lab(console: &Console, name: &str) -> Lab {
    let lab = Lab::begin(&console.admin, name, console.clock.clone()).await;
    for n in 0..20 {
        lab.ideation(&format!("ideate-{n}")).await;
    }
    lab
}

async fn view(console: &Console, id: &ExperimentId) {
    let mirror = console.live.mirror(id);
    until("the list", async || mirror.view().snapshot().map(drop)).await;
    // Whoever is next comes later, and after that long nobody is taken for still looking.
    console.clock.advance(Duration::from_secs(11));
}

/// Follows every experiment, as far as there is room.
fn follow_all(console: &Console) -> Vec<Arc<Mirror>> {
    let view = console.live.registry().view();
    console.live.follow(view.rows.keys().rev())
}

fn followed(console: &Console, id: &ExperimentId) -> bool {
    console.live.existing_mirror(id).is_some()
}

#[tokio::test]
async fn beyond_the_budget_the_least_recently_viewed_mirror_goes_and_comes_back_when_viewed() {
    let console = Console::with_mirrors_of(1).await;
    let cookie = console.sign_in().await;
    let (first, second) = (lab(&console, "First").await, lab(&console, "Second").await);
    view(&console, &first.id).await;
    view(&console, &second.id).await;
    until("room", async || (!followed(&console, &first.id)).then_some(())).await;

    let page = console
        .get(&format!("/x/{}/admin/tasks/", first.id), &[("cookie", &cookie)])
        .await;
    assert_eq!(page.status, 200);
    assert_eq!(page.texts("tbody tr").len(), 20, "what was let go of is there again");
    until("room", async || (!followed(&console, &second.id)).then_some(())).await;
    assert!(
        followed(&console, &first.id),
        "whoever asked for a page is looking at it"
    );
}

#[tokio::test]
async fn what_is_being_viewed_stays_however_heavy() {
    let console = Console::with_mirrors_of(1).await;
    let (watched, other) = (lab(&console, "Watched").await, lab(&console, "Other").await);
    let viewer = console.live.mirror(&watched.id).viewer();
    view(&console, &watched.id).await;
    view(&console, &other.id).await;
    // It grows, so that there is less room yet.
    watched.ideation("one-more").await;
    until("room", async || (!followed(&console, &other.id)).then_some(())).await;
    assert!(followed(&console, &watched.id));
    drop(viewer);
    view(&console, &other.id).await;
    until("room", async || (!followed(&console, &watched.id)).then_some(())).await;
}

#[tokio::test]
async fn a_fleet_is_listed_a_few_at_a_time_and_only_while_there_is_room() {
    const HOSTED: usize = 9;
    for (bytes, expected) in [(u64::MAX, HOSTED), (1, 4)] {
        let console = Console::with_mirrors_of(bytes).await;
        for n in 0..HOSTED {
            lab(&console, &format!("Number {n}")).await;
        }
        until("what is hosted", async || {
            let view = console.live.registry().view();
            let is_hosted = |row: &&Arc<RegistryRow>| matches!(row.hosting, Hosting::Hosted(_));
            (view.rows.values().filter(is_hosted).count() == HOSTED).then_some(())
        })
        .await;
        assert_eq!(follow_all(&console).len(), 4);
        assert_eq!(follow_all(&console).len(), 4, "none of them is listed yet");
        let mut most = 0;
        until("all that there is room for", async || {
            let hosted = follow_all(&console);
            most = most.max(hosted.len());
            let listed = hosted.iter().all(|mirror| mirror.view().snapshot().is_some());
            (listed && hosted.len() == expected && follow_all(&console).len() == expected).then_some(())
        })
        .await;
        assert_eq!(most, expected);
    }
}

#[tokio::test]
async fn what_is_let_go_of_is_kept_on_disk() {
    let console = Console::start().await;
    let (first, second) = (lab(&console, "First").await, lab(&console, "Second").await);
    let scratch = tempfile::tempdir().expect("a directory");
    let shelf = scratch.path().join("snapshots");
    let small = console
        .beside(|setup| {
            setup.mirror_bytes = 1;
            setup.snapshots = Some(shelf.clone());
        })
        .await;
    view(&small, &first.id).await;
    view(&small, &second.id).await;
    until("room", async || (!followed(&small, &first.id)).then_some(())).await;
    let file = shelf.join(format!("{}.json.gz", first.id));
    until("the file", async || file.exists().then_some(())).await;
}

#[tokio::test]
async fn a_mirror_weighs_more_with_more_in_it() {
    let console = Console::start().await;
    let lab = lab(&console, "Growing").await;
    view(&console, &lab.id).await;
    let mirror = console.live.mirror(&lab.id);
    let before = mirror.weight();
    for n in 20..40 {
        lab.ideation(&format!("ideate-{n}")).await;
    }
    until("the new ones", async || {
        (mirror.view().snapshot()?.counts.total() == 40).then_some(())
    })
    .await;
    let grown = mirror.weight() - before;
    // A task with its events and its places in the indexes.
    assert!((20 * 500..20 * 10_000).contains(&grown), "{grown}");
}

#[tokio::test]
async fn however_many_ask_for_one_entity_it_is_read_once() {
    let (console, proxy) = Console::behind_a_proxy().await;
    let lab = Lab::begin(&console.admin, "Stampede", console.clock.clone()).await;
    let idea = lab.worker.create_idea(&lab.idea("i-1")).await.expect("drafted");
    view(&console, &lab.id).await;
    let mirror = console.live.mirror(&lab.id);
    let client = console.live.client(&lab.id).expect("an address");
    let row = until("the idea", async || {
        mirror.view().snapshot()?.idea(&idea.idea_id).cloned()
    })
    .await;
    proxy.take_requests();

    let ask = || {
        console
            .live
            .details()
            .idea(&mirror, Ok(client.clone()), &row.id, row.revision)
    };
    let answers = join_all((0..50).map(|_| ask())).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.as_ref().is_ok_and(|read| **read == idea))
    );
    let asked = |proxy: &crate::proxy::Proxy| {
        let about = |request: &crate::proxy::Request| request.target.ends_with("/ideas/i-1");
        proxy.take_requests().iter().filter(|request| about(request)).count()
    };
    assert_eq!(asked(&proxy), 1);
    ask().await.expect("held");
    assert_eq!(asked(&proxy), 0, "what is held is not asked for");

    lab.worker.mark_ready(&idea.idea_id).await.expect("ready");
    let row = until("the change", async || {
        let row = mirror.view().snapshot()?.idea(&idea.idea_id).cloned()?;
        (row.state == IdeaState::Ready).then_some(row)
    })
    .await;
    proxy.take_requests();
    let ask = || {
        console
            .live
            .details()
            .idea(&mirror, Ok(client.clone()), &row.id, row.revision)
    };
    let answers = join_all((0..50).map(|_| ask())).await;
    let is_ready = |read: &Idea| read.state == IdeaState::Ready;
    assert!(
        answers
            .iter()
            .all(|answer| answer.as_ref().is_ok_and(|read| is_ready(read)))
    );
    assert_eq!(asked(&proxy), 1);
}

#[tokio::test]
async fn the_filters_of_a_workers_list_count_that_workers_tasks() {
    let console = Console::start().await;
    let cookie = console.sign_in().await;
    let lab = lab(&console, "Busy").await;
    for n in 0..3 {
        lab.claim(&format!("ideate-{n}").parse().expect("an id")).await;
    }
    let path = format!("/x/{}/admin/tasks/?worker={}&sort=state", lab.id, lab.worker_id);
    let counts = until("the claims", async || {
        let page = console.get(&path, &[("cookie", &cookie)]).await;
        (page.texts("tbody tr").len() == 3).then(|| page.texts(".chips .chip-count"))
    })
    .await;
    // Kinds (any, ideation, execution, evaluation), states (any, pending, claimed, ...), workers (any, this one).
    let expected = ["3", "3", "0", "0", "3", "0", "3", "0", "0", "0", "20", "3"];
    assert_eq!(counts, expected);
}
