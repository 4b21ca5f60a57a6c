//! What an operator does, request by request: without a browser, and so as a browser without scripts would.

use std::time::Duration;

use switchboard::protocol::{ExperimentState, ReclaimCause};

use crate::console::{Console, Page, until};
use crate::worlds::Deployment;

/// What htmx sends with a request whose answer replaces `<main>`.
fn into_main(cookie: &str) -> [(&str, &str); 5] {
    [
        ("cookie", cookie),
        ("sec-fetch-site", "same-origin"),
        ("hx-request", "true"),
        ("hx-request-type", "partial"),
        ("hx-target", "main#main"),
    ]
}

#[tokio::test]
async fn nobody_gets_in_without_a_link() {
    let console = Console::start().await;
    let away = console.get("/admin/experiments/?a=b", &[]).await;
    assert_eq!(away.status, 303);
    assert_eq!(
        away.header("location"),
        Some("/signin?next=%2Fadmin%2Fexperiments%2F%3Fa%3Db")
    );
    let htmx = console.get("/admin/experiments/", &[("hx-request", "true")]).await;
    assert_eq!(
        (htmx.status, htmx.header("hx-redirect")),
        (401, Some("/signin?next=%2Fadmin%2Fexperiments%2F"))
    );

    let cookie = console.sign_in().await;
    assert!(cookie.starts_with("eden_web_ui_session="), "{cookie}");
    let page = console.get(&console.sign_in_link(), &[]).await;
    let attributes = page.header("set-cookie").expect("a session cookie");
    assert!(
        attributes.contains("HttpOnly") && attributes.contains("SameSite=Lax"),
        "{attributes}"
    );
    assert!(
        !attributes.contains("operator"),
        "the session can be read: {attributes}"
    );

    let out = console
        .post(
            "/signout",
            &[("cookie", &cookie), ("sec-fetch-site", "same-origin")],
            &[],
        )
        .await;
    assert_eq!((out.status, out.header("location")), (303, Some("/signin")));
    let held = held_after(&cookie, &out, "/signout");
    assert_eq!(held, None, "the browser keeps no session");
    let headers: Vec<_> = held.iter().map(|cookie| ("cookie", cookie.as_str())).collect();
    let away = console.get("/admin/experiments/", &headers).await;
    assert_eq!(
        (away.status, away.header("location")),
        (303, Some("/signin?next=%2Fadmin%2Fexperiments%2F"))
    );
}

/// What a browser that held `cookie`, set for `/`, holds after an answer from `path` (RFC 6265 §5.1.4, §5.3): a cookie
/// is replaced or removed only by one of the same name and path.
fn held_after(cookie: &str, answer: &Page, path: &str) -> Option<String> {
    let (name, _) = cookie.split_once('=').expect("a cookie");
    let default_path = match path.rfind('/') {
        None | Some(0) => "/",
        Some(end) => &path[..end],
    };
    let mut held = Some(cookie.to_owned());
    for set in answer.headers.get_all("set-cookie") {
        let mut parts = set.to_str().expect("text").split(';').map(str::trim);
        let pair = parts.next().unwrap_or_default();
        let attributes: Vec<_> = parts.map(|part| part.split_once('=').unwrap_or((part, ""))).collect();
        let attribute = |wanted: &str| {
            let mut found = attributes.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.next_back().map(|(_, value)| *value)
        };
        if pair.split_once('=').is_none_or(|(set, _)| set != name) || attribute("path").unwrap_or(default_path) != "/" {
            continue;
        }
        let seconds = attribute("max-age").map(|seconds| seconds.parse::<i64>().expect("seconds"));
        held = seconds.is_none_or(|left| left > 0).then(|| pair.to_owned());
    }
    held
}

#[tokio::test]
async fn another_site_cannot_write() {
    let world = Deployment::start().await;
    let console = &world.console;
    let cookie = console.sign_in().await;
    let path = format!("/admin/experiments/{}/select", world.empty.id);
    for origin in [
        ("sec-fetch-site", "cross-site"),
        ("origin", "http://elsewhere.example"),
        ("x-none", ""),
    ] {
        let refused = console.post(&path, &[("cookie", &cookie), origin], &[]).await;
        assert_eq!(refused.status, 403, "{origin:?}");
        assert!(refused.header("set-cookie").is_none());
    }
    let taken = console
        .post(&path, &[("cookie", &cookie), ("sec-fetch-site", "same-origin")], &[])
        .await;
    assert_eq!(taken.status, 303);
}

#[tokio::test]
async fn what_is_no_experiment_is_passed_on_to_nobody() {
    let console = Console::start().await;
    let cookie = console.sign_in().await;
    until("the registry", async || {
        console.live.registry().view().listed.then_some(())
    })
    .await;
    for id in [
        "nonsense",
        "exp_0",
        "exp_00000000000000000000000000",
        "..%2F..%2Fv0",
        "EXP_00000000000000000000000000",
    ] {
        for rest in ["", "admin/tasks/", "live"] {
            let page = console.get(&format!("/x/{id}/{rest}"), &[("cookie", &cookie)]).await;
            assert_eq!(page.status, 404, "{id} {rest}");
        }
        if let Ok(id) = id.parse() {
            assert!(console.live.existing_mirror(&id).is_none(), "{id} is followed");
        }
    }
}

#[tokio::test]
async fn a_switch_keeps_the_page_and_what_filters_still_apply() {
    let world = Deployment::start().await;
    let console = &world.console;
    let cookie = console.sign_in().await;
    let (from, to) = (&world.busy.id, &world.empty.id);
    let next = format!("/x/{from}/admin/tasks/?state=pending&worker={}", world.busy.worker_id);
    let select = format!("/admin/experiments/{to}/select");
    let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];

    let plain = console.post(&select, &headers, &[("next", &next)]).await;
    let location = format!("/x/{to}/admin/tasks/?state=pending");
    assert_eq!((plain.status, plain.header("location")), (303, Some(location.as_str())));
    let selected = plain
        .header("set-cookie")
        .expect("the selection")
        .split(';')
        .next()
        .expect("a cookie")
        .to_owned();
    let home = console
        .get("/admin/tasks/?state=pending", &[("cookie", &selected)])
        .await;
    assert_eq!(home.header("location"), Some(location.as_str()));

    let current = format!("http://console{next}");
    let htmx = [&into_main(&cookie)[..], &[("hx-current-url", &current)]].concat();
    let swapped = console.post(&select, &htmx, &[("next", &next)]).await;
    assert_eq!(
        (swapped.status, swapped.header("hx-push-url")),
        (200, Some(location.as_str()))
    );
    assert_eq!(swapped.attributes("main#main", "data-experiment"), [to.as_str()]);
    assert!(
        swapped.body.contains(r##"<hx-partial hx-target="#bar""##),
        "the bar changes with it"
    );
    assert!(
        swapped
            .body
            .contains(&format!(r#"hx-sse:connect="/x/{to}/live?since="#)),
        "the stream changes with it"
    );
    assert!(!swapped.body.contains("<html"), "no document inside a region");
}

#[tokio::test]
async fn a_switch_to_what_is_not_seeded_brings_the_page_that_seeds_it() {
    let world = Deployment::start().await;
    let console = &world.console;
    let cookie = console.sign_in().await;
    let id = &world.unseeded;
    let select = format!("/admin/experiments/{id}/select");
    let htmx = into_main(&cookie);
    let page = console.post(&select, &htmx, &[("next", "/admin/experiments/")]).await;
    assert_eq!(
        (page.status, page.header("hx-push-url")),
        (409, Some(format!("/x/{id}/").as_str()))
    );
    assert_eq!(page.attributes("form.seed", "action"), [format!("/x/{id}/admin/seed")]);
}

#[tokio::test]
async fn an_unchanged_region_is_not_sent_again() {
    let world = Deployment::start().await;
    world.known(&world.busy.id).await;
    let console = &world.console;
    let cookie = console.sign_in().await;
    let path = format!("/x/{}/admin/tasks/", world.busy.id);
    let region = async |etag: &str| {
        let headers = [
            ("cookie", cookie.as_str()),
            ("hx-request", "true"),
            ("hx-request-type", "partial"),
            ("hx-target", "section#region-tasks"),
            ("if-none-match", etag),
        ];
        console.get(&path, &headers).await
    };
    let first = region("").await;
    let etag = first.header("etag").expect("a tag").to_owned();
    assert_eq!(region(&etag).await.status, 304);
    world
        .busy
        .orchestrator
        .reclaim(&"ideate-2".parse().expect("an id"), ReclaimCause::Operator)
        .await
        .expect("reclaimed");
    world.known(&world.busy.id).await;
    let changed = region(&etag).await;
    assert_eq!(changed.status, 200);
    assert_eq!(changed.attributes("tr[data-task=ideate-2]", "id"), ["task-ideate-2"]);
}

#[tokio::test]
async fn filters_sorting_and_paging_are_in_the_address() {
    let world = Deployment::start().await;
    world.known(&world.busy.id).await;
    let console = &world.console;
    let cookie = console.sign_in().await;
    let rows = async |query: &str| {
        let path = format!("/x/{}/admin/tasks/{query}", world.busy.id);
        console
            .get(&path, &[("cookie", &cookie)])
            .await
            .attributes("tr[data-task]", "data-task")
    };
    assert_eq!(rows("").await.len(), 8);
    assert_eq!(rows("?state=claimed").await, ["ideate-2"]);
    assert_eq!(rows("?kind=evaluation&state=failed").await, ["evaluate-bad"]);
    assert_eq!(
        rows(&format!("?worker={}&state=submitted", world.busy.worker_id)).await,
        ["ideate-3"]
    );
    assert_eq!(
        rows("?sort=created&dir=asc&per=2&page=2").await,
        ["evaluate-good", "execute-bad"]
    );
    assert_eq!(
        rows("?state=nonsense&page=99&per=3").await,
        ["execute-good", "ideate-1"]
    );
    assert_eq!(
        rows("?worker=wkr_00000000000000000000000000").await,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn the_log_is_paged_by_cursor() {
    let world = Deployment::start().await;
    world.known(&world.busy.id).await;
    let console = &world.console;
    let cookie = console.sign_in().await;
    let log = console
        .admin
        .experiment(&world.busy.id)
        .events(0, None)
        .await
        .expect("the log")
        .events;
    let mut path = format!("/x/{}/admin/events/?per=7", world.busy.id);
    let mut seen = Vec::new();
    loop {
        let page = console.get(&path, &[("cookie", &cookie)]).await;
        seen.extend(page.attributes("tr[data-event]", "data-event"));
        let links = page
            .texts("nav.pager a")
            .into_iter()
            .zip(page.attributes("nav.pager a", "href"));
        match links.into_iter().find(|(text, _)| text == "Older") {
            Some((_, older)) => path = format!("/x/{}/admin/events/{older}", world.busy.id),
            None => break,
        }
    }
    seen.reverse();
    assert_eq!(seen, log.into_iter().map(|event| event.event_id).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_stream_names_what_changed_and_tells_a_returning_reader_what_it_missed() {
    let world = Deployment::start().await;
    world.known(&world.busy.id).await;
    let console = &world.console;
    let cookie = console.sign_in().await;
    let page = console
        .get(&format!("/x/{}/admin/tasks/", world.busy.id), &[("cookie", &cookie)])
        .await;
    let live = page.attributes("#live", "hx-sse:connect").pop().expect("a stream");

    world
        .busy
        .orchestrator
        .reclaim(&"ideate-2".parse().expect("an id"), ReclaimCause::Operator)
        .await
        .expect("reclaimed");
    world.known(&world.busy.id).await;
    let mut stream = console.stream(&live, &cookie).await;
    let first = frame(&mut stream).await;
    assert!(
        first.contains("event:changed\ndata:tasks ") && !first.contains("ideas"),
        "{first}"
    );

    let elsewhere = live.replace("since=", "since=f");
    let mut stream = console.stream(&elsewhere, &cookie).await;
    let told = frame(&mut stream).await;
    assert_eq!(told.matches("event:").count(), 1, "{told}");
    assert!(
        told.contains("event:resync\n"),
        "at an unknown position everything may have changed: {told}"
    );
}

async fn frame(stream: &mut reqwest::Response) -> String {
    let bytes = stream.chunk().await.expect("the stream goes on").expect("a frame");
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[tokio::test]
async fn termination_shows_from_the_experiments_own_log() {
    let world = Deployment::start().await;
    world.known(&world.busy.id).await;
    world.busy.orchestrator.terminate("enough").await.expect("terminated");
    let (live, id) = (&world.console.live, &world.busy.id);
    let state = || {
        live.mirror(id)
            .view()
            .snapshot()
            .map(|snapshot| snapshot.experiment.state)
    };
    until("termination", async || {
        (state() == Some(ExperimentState::Terminated)).then_some(())
    })
    .await;
    let row = || live.registry().view().rows.get(id).and_then(|row| row.state());
    until("the registry's word of it", async || {
        (row() == Some(ExperimentState::Terminated)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn pages_outlive_the_backend_and_say_how_old_they_are() {
    let world = Deployment::start().await;
    world.known(&world.busy.id).await;
    let console = &world.console;
    let cookie = console.sign_in().await;
    console.clock.advance(Duration::from_secs(600));
    console.lose_backend().await;
    let mirror = console.live.mirror(&world.busy.id);
    until("staleness", async || {
        (mirror.view().freshness.word() == "stale").then_some(())
    })
    .await;
    let page = console
        .get(&format!("/x/{}/admin/tasks/", world.busy.id), &[("cookie", &cookie)])
        .await;
    assert_eq!(page.status, 200);
    assert_eq!(page.attributes("tr[data-task]", "data-task").len(), 8);
    assert_eq!(page.attributes("#freshness", "data-freshness"), ["stale"]);
    let since = page
        .attributes("#freshness time", "datetime")
        .pop()
        .expect("since when");
    assert_eq!(since, mirror.last_heard().to_string());
}

#[tokio::test]
async fn a_refused_form_keeps_what_was_typed_and_a_page_that_stays_true() {
    let world = Deployment::start().await;
    let console = &world.console;
    let cookie = console.sign_in().await;
    let id = &world.unseeded;
    let typed = "parallel_variants: none at all <b>";
    let body = format!(
        "--edge\r\nContent-Disposition: form-data; name=\"config\"\r\n\r\n{typed}\r\n\
         --edge\r\nContent-Disposition: form-data; name=\"base_commit_sha\"\r\n\r\nabc\r\n--edge--\r\n"
    );
    let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let page = console
        .post_multipart(&format!("/x/{id}/admin/seed"), &headers, "edge", body)
        .await;
    assert_eq!(page.status, 422, "{}", page.body);
    assert_eq!(page.texts("textarea#config"), [typed]);
    assert_eq!(page.attributes("input#base_commit_sha", "value"), ["abc"]);
    assert_eq!(
        page.texts("#config-error").len() + page.texts("#base_commit_sha-error").len(),
        2
    );
    assert_eq!(
        page.texts("#config-error li"),
        [
            "line 1, column 1: evaluation_schema is required",
            "line 1, column 1: objective is required",
            "line 1, column 20: parallel_variants must be a whole number of at least 1, not \"none at all <b>\"",
        ]
    );
    let asked_later = page.attributes("main", "data-page");
    assert_eq!(
        asked_later,
        [format!("/x/{id}/")],
        "what the page asks for later can be read"
    );
    let reload = console
        .get(&format!("/x/{id}/admin/seed"), &[("cookie", &cookie)])
        .await;
    assert_eq!(
        (reload.status, reload.header("location")),
        (303, Some(format!("/x/{id}/").as_str()))
    );
}

#[tokio::test]
async fn a_body_too_large_is_refused_before_it_is_read() {
    let console = Console::start().await;
    let huge = "x".repeat(600 * 1024);
    assert_eq!(console.post("/signin", &[], &[("token", &huge)]).await.status, 413);
    assert_eq!(console.post("/signin", &[], &[("token", "short")]).await.status, 403);
}
