//! Ten thousand registered experiments: a page is as large as with four, and every experiment is found.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use switchboard::protocol::*;

use crate::console::{Console, Page, cookie_of};
use crate::support::Lab;

const REGISTERED: usize = 10_000;
/// How many registrations are under way at a time.
const PARALLEL: usize = 256;
/// The most entries of the switcher.
const LISTED: usize = 20;

async fn register(console: &Console, name: String) -> ExperimentId {
    let request = RegisterExperiment {
        config_uri: "file:///experiment.yaml".to_owned(),
        name: Some(name),
        experiment_id: None,
    };
    let entry = console.admin.control().register(&request).await.expect("registered");
    entry.experiment_id
}

async fn listed(console: &Console, total: usize) {
    let registry = console.live.registry();
    let begin = Instant::now();
    while registry.view().rows.len() < total {
        assert!(begin.elapsed() < Duration::from_secs(60), "the registry is not listed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The page without the entries of the switcher, whose names differ.
fn bytes_beside_entries(page: &Page) -> usize {
    let mut length = page.body.len();
    let mut rest = page.body.as_str();
    while let Some(at) = rest.find("<button id=\"switch-") {
        let end = rest[at..].find("</button>").expect("an end") + "</button>".len();
        length -= end;
        rest = &rest[at + end..];
    }
    length
}

/// The overview of a console with so many experiments.
async fn overview_of(console: &Console, experiments: usize) -> Page {
    let lab = Lab::begin(&console.admin, "Number 0", console.clock.clone()).await;
    for n in 1..experiments {
        register(console, format!("Number {n}")).await;
    }
    listed(console, experiments).await;
    let cookie = console.sign_in().await;
    let page = console.get(&format!("/x/{}/", lab.id), &[("cookie", &cookie)]).await;
    assert_eq!(page.attributes("#switcher-entries button", "id").len(), experiments);
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_experiments_cost_a_page_what_four_do() {
    let few = overview_of(&Console::start().await, 4).await;
    // The console that shows them starts once they are registered, since each registration is read by a console that runs.
    let mut control_plane = None;
    let idle = Console::start_with(|access| control_plane = access.control_plane.take()).await;
    let lab = Lab::begin(&idle.admin, "Number 0", idle.clock.clone()).await;
    let begin = Instant::now();
    let registering = stream::iter(1..REGISTERED - 1).map(|n| register(&idle, format!("Number {n}")));
    registering.buffer_unordered(PARALLEL).count().await;
    let last = register(&idle, "The Last".to_owned()).await;
    println!("registered in {:?}", begin.elapsed());
    let begin = Instant::now();
    let console = idle.beside(|setup| setup.access.control_plane = control_plane).await;
    listed(&console, REGISTERED).await;
    println!("listed in {:?}", begin.elapsed());
    let cookie = console.sign_in().await;
    let headers = [("cookie", cookie.as_str())];
    let overview = format!("/x/{}/", lab.id);

    let many = console.get(&overview, &headers).await;
    assert_eq!(many.attributes("#switcher-entries button", "id").len(), LISTED);
    assert!(many.texts(".switcher-foot").concat().contains("20 of 10\u{202f}000"));
    let (few, many) = (bytes_beside_entries(&few), bytes_beside_entries(&many));
    assert!(many.abs_diff(few) < 400, "{few} bytes with 4, {many} with 10,000");

    // The page of experiments.
    let all = "/admin/experiments/";
    let begin = Instant::now();
    let page = console.get(all, &headers).await;
    println!("the page of experiments took {:?}", begin.elapsed());
    assert_eq!(page.texts("tbody tr").len(), 100);
    assert!(page.texts(".pager p").concat().contains("1–100 of 10\u{202f}000"));
    let page = console.get(&format!("{all}?per=9999&page=20"), &headers).await;
    assert_eq!(page.texts("tbody tr").len(), 500);
    let page = console
        .get(&format!("{all}?q=number+99&sort=name&dir=asc&per=2"), &headers)
        .await;
    let names = page.texts("tbody tr a.name");
    assert_eq!(names, ["Number 99", "Number 990"]);
    assert!(
        page.texts(".pager p").concat().contains("of 110"),
        "99, 99x, 99xx without 9999"
    );

    // The search of the switcher.
    let part = [
        ("cookie", cookie.as_str()),
        ("hx-request", "true"),
        ("hx-request-type", "partial"),
        ("hx-target", "div#switcher-found"),
    ];
    let begin = Instant::now();
    let found = console.get("/switch?q=NUMBER%2042", &part).await;
    println!("the search took {:?}", begin.elapsed());
    assert_eq!(found.header("set-cookie"), None);
    assert_eq!(found.texts("button").len(), LISTED);
    assert!(
        found.texts("p").concat().contains("20 of 111 matches"),
        "{}",
        found.body
    );
    let found = console.get("/switch?q=last", &part).await;
    assert_eq!(found.texts(".switch-name"), ["The Last"]);
    let select = format!("/admin/experiments/{last}/select");
    assert_eq!(found.attributes("button", "formaction").concat(), select);

    // Those that were selected last are listed in this browser and in no other.
    let same_origin = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let oldest = register_order(&console, 1);
    let switched = console
        .post(&format!("/admin/experiments/{oldest}/select"), &same_origin, &[])
        .await;
    let cookie = cookie_of(&switched).expect("a session that knows");
    let same_origin = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let switched = console.post(&select, &same_origin, &[("next", &overview)]).await;
    assert_eq!(switched.header("location"), Some(format!("/x/{last}/").as_str()));
    let cookie = cookie_of(&switched).expect("a session that knows");
    let own = console.get(&overview, &[("cookie", &cookie)]).await;
    assert_eq!(own.header("set-cookie"), None, "looking changes nothing");
    let expected = [&lab.id, &last, &oldest].map(|id| format!("switch-{id}"));
    assert_eq!(own.attributes("#switcher-entries button", "id")[..3], expected);
    let other = console.get(&overview, &headers).await;
    assert!(
        !other
            .attributes("#switcher-entries button", "id")
            .contains(&expected[2])
    );
}

/// The experiment that was registered as the n-th.
fn register_order(console: &Console, n: usize) -> ExperimentId {
    let view = console.live.registry().view();
    view.rows.keys().nth(n).expect("registered").clone()
}
