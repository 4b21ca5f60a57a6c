//! How true a page is, as it is told: in the bar, above what is old, in a header, and to a monitoring system.

use crate::browser::Browser;
use crate::console::{Console, METRICS_TOKEN, Page, Setup, until};
use crate::proxy::Proxy;
use crate::support::Lab;

async fn outage() -> (Console, Proxy, Lab, Browser) {
    let (console, proxy) = Console::behind_a_proxy().await;
    let lab = Lab::begin(&console.admin, "Line of sight", console.clock.clone()).await;
    lab.ideation("ideate-1").await;
    let browser = Browser::by_link(console.base(), &console.sign_in_link()).await;
    let mirror = console.live.mirror(&lab.id);
    until("the feed", async || {
        (mirror.view().freshness.word() == "live").then_some(())
    })
    .await;
    (console, proxy, lab, browser)
}

async fn stale(browser: &Browser, path: &str) -> Page {
    until("staleness", async || {
        let page = browser.get(path).await;
        (!page.texts("[data-freshness=stale]").is_empty()).then_some(page)
    })
    .await
}

#[tokio::test]
async fn a_page_says_how_true_it_is() {
    let (_console, proxy, lab, browser) = outage().await;
    let path = format!("/x/{}/admin/tasks/", lab.id);
    let live = browser.get(&path).await;
    assert_eq!(live.header("switchboard-freshness"), Some("live;by=push"));
    assert_eq!(live.attributes("#freshness", "data-freshness"), ["live"]);
    assert_eq!(
        live.texts("#region-staleness"),
        [""],
        "the notice has a place, and nothing to say"
    );

    proxy.cut();
    let page = stale(&browser, &path).await;
    assert_eq!(page.status, 200);
    let header = page.header("switchboard-freshness").expect("a header");
    // The clock stands still, so the instant is known.
    assert!(header.starts_with("stale;since=@"), "{header}");
    let notice = page.texts("#region-staleness").concat();
    assert!(
        notice.contains("Not live") && notice.contains("does not answer"),
        "{notice}"
    );
    assert_eq!(page.attributes("#region-staleness time", "data-when"), ["age"]);
    assert_eq!(
        page.attributes("tr[data-task]", "data-task"),
        ["ideate-1"],
        "what was known is shown"
    );
    let region = browser.region(&path, "staleness").await;
    assert!(region.body.contains("Not live"), "{}", region.body);

    proxy.heal();
    until("life", async || {
        let page = browser.get(&path).await;
        (page.header("switchboard-freshness") == Some("live;by=push")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_monitoring_system_reads_the_same() {
    let (console, proxy, lab, browser) = outage().await;
    let shown = |token: &str| format!("Bearer {token}");
    let with = async |bearer: &str| console.get("/metrics", &[("authorization", bearer)]).await;
    let figures = async || with(&shown(METRICS_TOKEN)).await;
    let page = figures().await;
    assert_eq!(page.status, 200, "no session is needed");
    assert_eq!(browser.get("/metrics").await.status, 200, "and a session is enough");
    for bearer in [
        "",
        METRICS_TOKEN,
        &shown(""),
        &shown("another"),
        &shown(&METRICS_TOKEN[1..]),
    ] {
        assert_eq!(with(bearer).await.status, 303, "{bearer:?} leads to the sign-in page");
    }
    let elsewhere = console
        .get("/admin/experiments/", &[("authorization", &shown(METRICS_TOKEN))])
        .await;
    assert_eq!(elsewhere.status, 303, "it opens nothing else");
    let id = &lab.id;
    let has = |page: &Page, line: &str| page.body.lines().any(|found| found == line);
    for line in [
        format!("switchboard_feed_state{{experiment_id=\"{id}\",state=\"live\"}} 1.0"),
        format!("switchboard_feed_state{{experiment_id=\"{id}\",state=\"stale\"}} 0.0"),
        format!("switchboard_feed_by{{experiment_id=\"{id}\",by=\"push\"}} 1.0"),
        "switchboard_feed_state{experiment_id=\"\",state=\"live\"} 1.0".to_owned(),
        format!("switchboard_mirror_rows{{experiment_id=\"{id}\",kind=\"tasks\"}} 1.0"),
        format!("switchboard_mirror_lists_total{{experiment_id=\"{id}\"}} 1"),
        format!("switchboard_feed_breaks_total{{experiment_id=\"{id}\"}} 0"),
        "# EOF".to_owned(),
    ] {
        assert!(has(&page, &line), "{line} in\n{}", page.body);
    }
    assert!(!page.body.contains("Line of sight"), "no name is told");

    proxy.cut();
    stale(&browser, &format!("/x/{id}/")).await;
    console.clock.advance(std::time::Duration::from_secs(90));
    let page = figures().await;
    for line in [
        format!("switchboard_feed_state{{experiment_id=\"{id}\",state=\"stale\"}} 1.0"),
        format!("switchboard_feed_silence_seconds{{experiment_id=\"{id}\"}} 90.0"),
        format!("switchboard_feed_breaks_total{{experiment_id=\"{id}\"}} 1"),
    ] {
        assert!(has(&page, &line), "{line} in\n{}", page.body);
    }
}

#[tokio::test]
async fn a_write_into_an_outage_is_refused_at_once_and_nothing_typed_is_lost() {
    let (console, proxy, _lab, browser) = outage().await;
    proxy.cut();
    stale(&browser, "/admin/experiments/").await;
    let passed = proxy.requests().len();
    let form = [
        ("name", "Second sight"),
        ("config_uri", "file:///etc/eden/second.yaml"),
        ("request_id", "1"),
    ];
    let page = browser.post("/admin/experiments/register", &form).await;
    assert_eq!(page.status, 503);
    let said = page.texts("main .notice").concat();
    assert!(
        said.contains("Nothing was changed") && said.contains("does not answer"),
        "{said}"
    );
    assert_eq!(page.attributes("input[name=name]", "value"), ["Second sight"]);
    assert_eq!(
        page.attributes("input[name=config_uri]", "value"),
        ["file:///etc/eden/second.yaml"]
    );
    assert!(
        proxy.requests()[passed..]
            .iter()
            .all(|request| request.method != "POST"),
        "it was not tried"
    );

    proxy.heal();
    // The same form goes through once the server is back, since it was never sent.
    let page = until("the server", async || {
        let page = browser.post("/admin/experiments/register", &form).await;
        (page.status != 503).then_some(page)
    })
    .await;
    assert_eq!(page.status, 303, "{}", page.body);
    let entries = console.admin.control().experiments().await.expect("a list");
    let named = entries
        .iter()
        .filter(|entry| entry.name.as_ref().is_some_and(|name| name.as_str() == "Second sight"));
    assert_eq!(named.count(), 1);
}

#[tokio::test]
async fn what_was_seen_survives_a_restart_and_is_old_until_the_feed_speaks() {
    let (console, proxy) = Console::behind_a_proxy().await;
    let lab = Lab::begin(&console.admin, "Long memory", console.clock.clone()).await;
    let claimed = lab.ideation("ideate-1").await;
    lab.claim(&claimed.task_id).await;
    lab.ideation("ideate-2").await;
    let scratch = tempfile::tempdir().expect("a directory");
    let shelf = scratch.path().join("snapshots");
    let keeping = |setup: &mut Setup| setup.snapshots = Some(shelf.clone());

    let first = console.beside(keeping).await;
    let browser = Browser::by_link(first.base(), &first.sign_in_link()).await;
    let path = format!("/x/{}/admin/tasks/", lab.id);
    let shown = until("both tasks", async || {
        let page = browser.get(&path).await;
        (page.attributes("tr[data-task]", "data-task").len() == 2).then_some(page)
    })
    .await;
    first.stop().await;

    // While the console is away something happens, and then the servers go too.
    lab.ideation("ideate-3").await;
    proxy.cut();
    let second = console.beside(keeping).await;
    let browser = Browser::by_link(second.base(), &second.sign_in_link()).await;
    let page = browser.get(&path).await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert_eq!(page.attributes("#freshness", "data-freshness"), ["stale"]);
    let cells = |page: &Page| page.texts("tr[data-task] td");
    assert_eq!(cells(&page), cells(&shown), "as it was, to the last cell");
    assert_eq!(page.texts(".switch-name"), ["Long memory"], "the registry is known too");
    proxy.take_requests();

    proxy.heal();
    until("the third task", async || {
        let page = browser.get(&path).await;
        let is_live = page.header("switchboard-freshness") == Some("live;by=push");
        (is_live && page.attributes("tr[data-task]", "data-task").len() == 3).then_some(())
    })
    .await;
    let requests = proxy.requests();
    let listed = requests.iter().filter(|request| request.target.ends_with("/tasks"));
    assert_eq!(listed.count(), 0, "it went on from where it was, and listed nothing");
    assert_eq!(second.live.mirror(&lab.id).follow_stats().lists(), 0);
    second.stop().await;

    // What is damaged is as if it were not there.
    for file in std::fs::read_dir(&shelf).expect("the shelf").flatten() {
        let mut bytes = std::fs::read(file.path()).expect("a file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        std::fs::write(file.path(), bytes).expect("damaged");
    }
    let third = console.beside(keeping).await;
    let browser = Browser::by_link(third.base(), &third.sign_in_link()).await;
    until("all of it", async || {
        let page = browser.get(&path).await;
        (page.attributes("tr[data-task]", "data-task").len() == 3).then_some(())
    })
    .await;
    assert_eq!(third.live.mirror(&lab.id).follow_stats().lists(), 1);
}

#[tokio::test]
async fn a_page_is_not_loaded_anew_for_what_is_not_known_yet() {
    let (console, proxy) = Console::behind_a_proxy().await;
    let lab = Lab::begin(&console.admin, "Line of sight", console.clock.clone()).await;
    let browser = Browser::by_link(console.base(), &console.sign_in_link()).await;
    until("the registry", async || {
        let page = browser.get("/admin/experiments/").await;
        (page.texts(".switch-name") == ["Line of sight"]).then_some(())
    })
    .await;
    proxy.cut();
    let path = format!("/x/{}/admin/tasks/", lab.id);
    assert_eq!(browser.get(&path).await.status, 503, "nothing of it is known");
    for region in ["pending", "tasks"] {
        let answer = browser.region(&path, region).await;
        assert_eq!((answer.status, answer.header("hx-refresh")), (503, None), "{region}");
    }
    for region in ["switcher", "freshness", "staleness", "fault"] {
        assert_eq!(browser.region(&path, region).await.status, 200, "{region}");
    }
}
