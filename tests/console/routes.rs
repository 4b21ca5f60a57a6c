//! The route table: `docs/routes.md` says what it says, and what is not in it is not answered.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use switchboard::web::{Answer, routes};

use crate::worlds::Deployment;

const HEAD: &str = "\
# Routes

Every path of the console, from its route table. `UPDATE_DOCS=1 cargo test --test console routes::` rewrites this page.

*Administrator* routes are for members of the group `admins`; in an outage those who were members shortly before it may read. *Monitor* is a
monitoring system that shows the metrics token, or an operator. *Activity* makes a session last longer.

| method | path | for | answers with | activity |
|---|---|---|---|---|
";

fn document() -> String {
    let mut text = HEAD.to_owned();
    for route in routes() {
        let answer = match route.answer {
            Answer::Page => "a page",
            Answer::BarePath => "a redirect to the active experiment",
            Answer::Redirect => "a redirect",
            Answer::Write => "the outcome of a form",
            Answer::Stream => "a stream of events",
            Answer::Machine => "text for programs",
            Answer::Files => "the files below it",
        };
        let (pattern, activity) = (route.pattern, if route.is_activity { "yes" } else { "no" });
        writeln!(
            text,
            "| {} | `{pattern}` | {} | {answer} | {activity} |",
            route.method, route.audience
        )
        .expect("a text grows");
    }
    text
}

#[test]
fn the_document_lists_the_route_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/routes.md");
    let expected = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).expect("written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/routes.md is old: run UPDATE_DOCS=1 cargo test --test console routes::"
    );
}

#[tokio::test]
async fn a_path_with_an_empty_part_names_no_page() {
    let world = Deployment::start().await;
    world.known(&world.busy.id).await;
    let cookie = world.console.sign_in().await;
    let below = format!("/x/{}/admin", world.busy.id);
    for path in [
        "/x//",
        "/x//live",
        "/x//admin/tasks/",
        "/x//admin/seed",
        "/admin/tasks//",
        "/admin/control/workers//",
        &format!("{below}/tasks//"),
        &format!("{below}/ideas//"),
        &format!("{below}/variants//"),
    ] {
        for method in ["GET", "POST"] {
            let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
            let page = world.console.ask(method, path, &headers).await;
            assert_eq!(page.status, 404, "{method} {path}: {}", page.body);
        }
    }
}
