//! Lists: whole however long, true for one version, and not sent again to who has them.

use reqwest::{Response, StatusCode};
use serde_json::Value;
use switchboard::protocol::*;

use crate::support::{ADMIN_TOKEN, World, join};

async fn ask(world: &World, id: &ExperimentId, path: &str, seen: Option<&str>) -> Response {
    let url = format!("{}/v0/experiments/{id}{path}", world.base);
    let request = reqwest::Client::new()
        .get(url)
        .header("authorization", format!("Bearer admin:{ADMIN_TOKEN}"))
        .header(EXPERIMENT_HEADER, id.as_str());
    let request = seen
        .into_iter()
        .fold(request, |request, tag| request.header("if-none-match", tag));
    request.send().await.expect("an answer")
}

fn header(response: &Response, name: &str) -> String {
    response.headers()[name].to_str().expect("text").to_owned()
}

#[tokio::test]
async fn a_list_that_has_not_changed_is_not_sent_again() {
    let world = World::start().await;
    let lab = world.lab("lists").await;
    lab.ideation("t-1").await;
    for path in [
        "/tasks",
        "/tasks?state=pending",
        "/ideas",
        "/variants",
        "/workers",
        "/groups",
    ] {
        let first = ask(&world, &lab.id, path, None).await;
        let (tag, cursor) = (header(&first, "etag"), header(&first, CURSOR_HEADER));
        assert_eq!((first.status(), cursor.as_str()), (StatusCode::OK, "1"), "{path}");
        for seen in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}")] {
            let again = ask(&world, &lab.id, path, Some(&seen)).await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path} {seen}");
            assert_eq!(header(&again, "etag"), tag);
            assert_eq!(again.bytes().await.expect("a body").len(), 0);
        }
        let other = ask(&world, &lab.id, path, Some("\"other\"")).await;
        assert_eq!(other.status(), StatusCode::OK, "{path}");
    }

    let tag = header(&ask(&world, &lab.id, "/workers", None).await, "etag");
    join(&lab.admin, "a newcomer, whom no event tells of").await;
    let workers = ask(&world, &lab.id, "/workers", Some(&tag)).await;
    assert_eq!(workers.status(), StatusCode::OK);
    let tag = header(&ask(&world, &lab.id, "/tasks", None).await, "etag");
    lab.ideation("t-2").await;
    let tasks = ask(&world, &lab.id, "/tasks", Some(&tag)).await;
    assert_eq!(
        (tasks.status(), header(&tasks, CURSOR_HEADER).as_str()),
        (StatusCode::OK, "2")
    );
}

#[tokio::test]
async fn long_lists_come_in_pieces_and_whole() {
    let world = World::start().await;
    let lab = world.lab("long").await;
    // Either side of where one piece ends and the next begins, and then several.
    let mut known = Vec::new();
    for until in [255, 256, 257, 700] {
        while known.len() < until {
            let id = format!("t-{}", known.len());
            lab.ideation(&id).await;
            known.push(id);
        }
        let tasks = lab.admin.tasks().await.expect("a list");
        let listed: Vec<_> = tasks.items.iter().map(|task| task.task_id.to_string()).collect();
        assert_eq!(listed, known);
        let log = lab.admin.events(0, None).await.expect("the log");
        assert_eq!((log.events.len(), log.cursor), (until, until as u64));
    }
    let some = lab.admin.events(100, Some(300)).await.expect("a part");
    assert_eq!((some.events.len(), some.cursor), (300, 400));
    assert_eq!(some.events[0].event_id, "evt-000101");
    let none = lab.admin.events(701, None).await.expect("nothing yet");
    assert_eq!((none.events.len(), none.cursor), (0, 701));

    let whole = ask(&world, &lab.id, "/tasks?kind=ideation", None).await;
    assert_eq!(header(&whole, CURSOR_HEADER), "700");
    let body: Value = whole.json().await.expect("JSON");
    assert_eq!(body.as_array().map(Vec::len), Some(700));
}

#[tokio::test]
async fn a_reader_of_a_long_list_sees_one_moment() {
    let world = World::start().await;
    let lab = world.lab("moment").await;
    for n in 0..600 {
        lab.ideation(&format!("t-{n}")).await;
    }
    let mut reply = ask(&world, &lab.id, "/tasks", None).await;
    let cursor = header(&reply, CURSOR_HEADER);
    let first = reply.chunk().await.expect("a piece").expect("not the end");
    // What happens now is of another moment.
    for n in 0..600 {
        lab.claim(&format!("t-{n}").parse().expect("an id")).await;
    }
    let mut body = first.to_vec();
    while let Some(piece) = reply.chunk().await.expect("a piece") {
        body.extend_from_slice(&piece);
    }
    let tasks: Vec<Task> = serde_json::from_slice(&body).expect("a list");
    assert_eq!((tasks.len(), cursor.as_str()), (600, "600"));
    assert!(tasks.iter().all(|task| task.state == TaskState::Pending));
}

#[tokio::test]
async fn heavy_entities_come_a_few_at_a_time_and_whole() {
    let world = World::start().await;
    let lab = world.lab("heavy").await;
    for n in 0..7 {
        let mut idea = lab.idea(&format!("i-{n}"));
        idea.artifacts_uri = format!("data:,{}", "x".repeat(300_000 + n));
        lab.worker.create_idea(&idea).await.expect("drafted");
    }
    let ideas = lab.admin.ideas().await.expect("a list").items;
    let lengths: Vec<_> = ideas.iter().map(|idea| idea.artifacts_uri.len()).collect();
    let expected: Vec<_> = (0..7).map(|n| "data:,".len() + 300_000 + n).collect();
    assert_eq!(lengths, expected);
}
