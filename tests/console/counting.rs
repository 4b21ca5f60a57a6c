//! What looking costs the servers behind: nothing, however many look.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use switchboard::clock::Clock;
use switchboard::live::Mirror;
use switchboard::protocol::*;

use crate::console::{Setup, until};
use crate::life::Life;
use crate::proxy::Request;
use crate::server::{self, Lacks, Scene, Server};
use crate::support::{Lab, join, register};
use crate::viewers::{Viewer, pages, view};

/// A scene with one experiment in which one life was lived.
async fn lived(lacks: Lacks, change: impl FnOnce(&mut Setup)) -> (Scene, Lab) {
    let scene = Scene::set_up(Server::start(lacks).await, Clock::default(), change).await;
    let lab = Lab::begin(&scene.console.admin, "Quiet lake", Clock::default()).await;
    let mut life = Life {
        orchestrator: lab.orchestrator.clone(),
        worker: lab.worker.clone(),
        witness: (),
    };
    life.live("0").await.expect("lived");
    scene.console.listed(&lab.id).await;
    (scene, lab)
}

async fn caught_up(mirror: &Mirror, lab: &Lab) {
    let cursor = lab.admin.log_length().await.expect("the log's length");
    until("the end of the log", async || {
        let view = mirror.view();
        (view.freshness.word() == "live" && view.snapshot()?.cursor == cursor).then_some(())
    })
    .await;
}

fn lines(requests: &[Request]) -> Vec<String> {
    requests.iter().map(|r| format!("{} {}", r.method, r.target)).collect()
}

/// Every page that there is something to show on, the deployment's included.
async fn all_pages(scene: &Scene, lab: &Lab) -> Vec<String> {
    let mut all = pages(&lab.id);
    all.push("/admin/experiments/".to_owned());
    all.push(format!("/admin/experiments/{}/unregister", lab.id));
    all.extend(registry_pages(scene).await);
    all
}

/// The pages of the deployment's own workers and groups.
async fn registry_pages(scene: &Scene) -> Vec<String> {
    let control = scene.console.admin.control();
    let worker = control.workers().await.expect("a list").remove(0).worker_id;
    let group = RegisterGroup {
        name: Some("admins".to_owned()),
        members: vec![(&worker).into()],
    };
    let group = control.register_group(&group).await.expect("a group").group_id;
    vec![
        "/admin/control/workers/".to_owned(),
        format!("/admin/control/workers/{worker}/"),
        "/admin/control/groups/".to_owned(),
        format!("/admin/control/groups/{group}/"),
    ]
}

/// Views everything until nothing more is asked for the first time, and then again; what the second views asked.
async fn asked_by_second_views(scene: &Scene, lab: &Lab) -> Vec<String> {
    let all = all_pages(scene, lab).await;
    let cookie = scene.console.sign_in().await;
    for path in &all {
        view(&scene.console, path, &cookie).await;
    }
    caught_up(&scene.console.live.mirror(&lab.id), lab).await;
    for path in &all {
        view(&scene.console, path, &cookie).await;
    }
    scene.line.take_requests();
    for _ in 0..3 {
        for path in &all {
            view(&scene.console, path, &cookie).await;
        }
        // The ways in, and what is no page.
        for path in ["/", "/admin/tasks/?state=pending", "/x/by-name/Quiet%20lake"] {
            let answer = scene.console.get(path, &[("cookie", &cookie)]).await;
            assert_eq!(answer.status, 303, "{path}: {}", answer.body);
        }
    }
    lines(&scene.line.take_requests())
}

#[tokio::test]
async fn looking_at_any_page_costs_nothing_while_a_feed_stands() {
    let (scene, lab) = lived(server::nothing, |_| {}).await;
    assert_eq!(asked_by_second_views(&scene, &lab).await, [""; 0]);
}

#[tokio::test]
async fn where_the_log_is_polled_the_one_pending_poll_is_all_that_is_asked() {
    let (scene, lab) = lived(server::push_of_logs, |_| {}).await;
    let length = lab.admin.log_length().await.expect("the log's length");
    let asked = asked_by_second_views(&scene, &lab).await;
    let poll = format!("GET /v0/experiments/{}/events/subscribe?cursor={length}&", lab.id);
    assert!(asked.len() <= 1, "{asked:#?}");
    assert!(asked.iter().all(|line| line.starts_with(&poll)), "{asked:#?}");
}

/// What `viewers` open pages and as many views after each event cost, by path; polls that the server holds are counted
/// by the position that they wait at. Those that wait at the first and at the last position are not: each may be sent just
/// before or just after the counting.
async fn cost_of(viewers: usize, lacks: Lacks) -> BTreeMap<String, usize> {
    let (scene, lab) = lived(lacks, |_| {}).await;
    let mirror = scene.console.live.mirror(&lab.id);
    let cookie = scene.console.sign_in().await;
    let all = pages(&lab.id);
    caught_up(&mirror, &lab).await;
    let first = lab.admin.log_length().await.expect("the log's length");
    scene.line.take_requests();
    let mut open = Vec::new();
    for path in all.iter().cycle().take(viewers) {
        open.push(Viewer::open(&scene.console, path, &cookie).await);
    }
    let idea = lab.idea("i-late");
    let task = "t-late".parse::<TaskId>().expect("an id");
    // Each is one event, so that none is read twice because it fell into two batches.
    for step in 0..5 {
        match step {
            0 => drop(lab.ideation("t-late").await),
            1 => lab.claim(&task).await,
            2 => drop(lab.worker.create_idea(&idea).await.expect("drafted")),
            3 => lab.worker.mark_ready(&idea.idea_id).await.expect("ready"),
            _ => {
                let reclaimed = lab.orchestrator.reclaim(&task, ReclaimCause::Operator).await;
                reclaimed.expect("reclaimed");
            }
        }
        for viewer in &mut open {
            viewer.told("events").await;
        }
        caught_up(&mirror, &lab).await;
        for path in all.iter().cycle().take(viewers.max(all.len())) {
            view(&scene.console, path, &cookie).await;
        }
    }
    let last = lab.admin.log_length().await.expect("the log's length");
    let mut cost = BTreeMap::new();
    for line in lines(&scene.line.take_requests()) {
        let line = line.replace(lab.id.as_str(), "{E}");
        // The registry asks by itself what is hosted, as soon as it has heard of it.
        if matches!(
            line.as_str(),
            "GET /v0/experiments/{E}" | "GET /v0/experiments/{E}/config"
        ) {
            continue;
        }
        if [first, last]
            .iter()
            .any(|at| line.contains(&format!("/subscribe?cursor={at}&")))
        {
            continue;
        }
        let count = cost.entry(line.clone()).or_default();
        *count = if line.contains("/subscribe?") { 1 } else { *count + 1 };
    }
    cost
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_viewers_cost_the_servers_what_one_does() {
    for lacks in [server::nothing, server::push_of_logs] as [Lacks; 2] {
        let (one, many) = (cost_of(1, lacks).await, cost_of(200, lacks).await);
        assert_eq!(one, many);
        println!("{} requests for 1 and for 200", one.values().sum::<usize>());
    }
}

#[tokio::test]
async fn ten_open_pages_over_servers_without_push_cost_a_poll_and_the_registrys_list() {
    const EVERY: Duration = Duration::from_millis(100);
    let (scene, lab) = lived(server::push, |_| {}).await;
    let mirror = scene.console.live.mirror(&lab.id);
    let cookie = scene.console.sign_in().await;
    let mut open = Vec::new();
    for path in pages(&lab.id)
        .iter()
        .take(9)
        .map(String::as_str)
        .chain(["/admin/experiments/"])
    {
        open.push(Viewer::open(&scene.console, path, &cookie).await);
    }
    caught_up(&mirror, &lab).await;
    let page = view(&scene.console, &open[0].path, &cookie).await;
    assert_eq!(page.header("switchboard-freshness"), Some("live;by=long-poll"));
    let page = view(&scene.console, "/admin/experiments/", &cookie).await;
    assert_eq!(page.header("switchboard-freshness"), Some("polling;every=1"));

    // Nothing happens for as long as it takes to list so often.
    const LISTS: usize = 12;
    let begin = Instant::now();
    scene.line.take_requests();
    let (polls, list) = (
        format!("GET /v0/experiments/{}/events/subscribe", lab.id),
        "GET /v0/control/experiments",
    );
    let is_list = |line: &String| line.as_str() == list;
    // Now and then a server that did not push is asked whether it does by now.
    let probe = "GET /v0/control/events";
    let asked = until("a number of lists", async || {
        let asked = lines(&scene.line.requests());
        (asked.iter().filter(|line| is_list(line)).count() >= LISTS).then_some(asked)
    })
    .await;
    assert!(begin.elapsed() >= EVERY * (LISTS as u32 - 1), "{:?}", begin.elapsed());
    let other: Vec<_> = asked.iter().filter(|line| !is_list(line)).collect();
    assert!(
        other.iter().all(|line| line.starts_with(&polls) || *line == probe),
        "{other:#?}"
    );
    assert!(other.iter().filter(|line| *line == &probe).count() <= 1, "{other:#?}");

    // A change is told by the poll that waits for it, and costs one read and the next poll.
    let length = lab.admin.log_length().await.expect("the log's length");
    scene.line.take_requests();
    lab.ideation("t-late").await;
    for viewer in open.iter_mut().take(9) {
        viewer.told("tasks").await;
    }
    let page = view(&scene.console, &format!("/x/{}/admin/tasks/", lab.id), &cookie).await;
    assert_eq!(page.attributes("[data-task=t-late]", "data-task"), ["t-late"]);
    caught_up(&mirror, &lab).await;
    let next = format!("{polls}?cursor={}&", length + 1);
    let asked = until("the next poll", async || {
        let asked = lines(&scene.line.requests());
        asked.iter().any(|line| line.starts_with(&next)).then_some(asked)
    })
    .await;
    let other: Vec<_> = asked
        .iter()
        .filter(|line| !is_list(line) && *line != probe && !line.starts_with(&next))
        .collect();
    assert_eq!(other, [&format!("GET /v0/experiments/{}/tasks/t-late", lab.id)]);
}

#[tokio::test]
async fn a_late_worker_and_a_new_experiment_are_told_without_a_view_being_asked_for_them() {
    let (scene, lab) = lived(server::nothing, |_| {}).await;
    let cookie = scene.console.sign_in().await;
    let mut viewer = Viewer::open(&scene.console, &format!("/x/{}/", lab.id), &cookie).await;
    caught_up(&scene.console.live.mirror(&lab.id), &lab).await;
    join(&lab.admin, "late").await;
    viewer.told("experiment").await;
    register(&scene.console.admin, "Another").await;
    viewer.told("registry").await;
}
