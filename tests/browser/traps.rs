//! Streams that do not come through, and pages that stay true all the same.

use std::time::{Duration, Instant};

use crate::chromium::Browser;
use crate::console::{Console, Purpose, pages, purpose};
use crate::middlebox::Streams;
use crate::support::Lab;

/// (design: a broken stream is said within this)
const SAID_WITHIN: Duration = Duration::from_secs(3);
const LIVE: &str = "document.getElementById('freshness').dataset.freshness === 'live'";
const WHY: &str = "document.querySelector('#freshness .why').textContent";
const BLOCKED: &str = "The live stream does not get through; this page is refreshed every 5 s.";
const SHARED: &str = "Other windows are live; this one is refreshed every 5 s.";

fn tasks(lab: &Lab) -> String {
    format!("/x/{}/admin/tasks/", lab.id)
}

fn shows(task: &str) -> String {
    format!("document.querySelector('[data-task=\"{task}\"]')?.checkVisibility()")
}

/// Waits until the page has said that it does not follow, and then how it is kept.
async fn until_said(browser: &Browser, what: &str) {
    let took = browser.until(&format!("!({LIVE})")).await;
    println!("{what} is said after {} ms", took.as_millis());
    assert!(took < SAID_WITHIN, "{took:?}");
    browser.until(&format!("{WHY} === '{BLOCKED}'")).await;
    let announced = "document.getElementById('announce').textContent";
    browser.until(&format!("{announced} === 'Polling: {BLOCKED}'")).await;
    assert!(
        browser
            .holds("document.getElementById('freshness').dataset.freshness === 'polling'")
            .await
    );
}

/// That a page without a stream shows what happens, and follows again once there is one.
async fn refreshed_and_then_live(console: &Console, browser: &Browser, lab: &Lab, n: usize) {
    lab.ideation(&format!("a-{n}")).await;
    let took = browser.until(&shows(&format!("a-{n}"))).await;
    println!("without a stream a change shows after {} ms", took.as_millis());
    assert!(browser.holds(&format!("{WHY} === '{BLOCKED}'")).await);

    console.streams.set(Streams::Pass);
    let took = browser.within(Duration::from_secs(15), LIVE).await;
    println!("a stream that comes through is live after {} ms", took.as_millis());
    assert!(!browser.holds("document.getElementById('freshness').dataset.kept").await);
    console.streaming(browser).await;
    console.front.take_requests();
    lab.ideation(&format!("b-{n}")).await;
    let took = browser.until(&shows(&format!("b-{n}"))).await;
    assert!(took < Duration::from_secs(3), "by the stream: {took:?}");
    assert!(browser.holds("window.__same === 1").await);
    assert_eq!(pages(&console.front.take_requests()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_connection_that_is_refused_or_none_of_ours_is_said_and_tried_again() {
    let console = Console::start().await;
    let lab = console.world.lab("alpha").await;
    let browser = console.browser().await;
    for (n, answer) in [Streams::Refuse, Streams::SignIn].into_iter().enumerate() {
        console.streams.set(answer);
        browser.open(&tasks(&lab)).await;
        browser.js("window.__same = 1").await;
        until_said(&browser, &format!("{answer:?}")).await;
        refreshed_and_then_live(&console, &browser, &lab, n).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_comes_between_is_no_stream() {
    let console = Console::start().await;
    let lab = console.world.lab("alpha").await;
    let browser = console.browser().await;
    console.show(&browser, &tasks(&lab)).await;
    browser.js("window.__same = 1").await;
    console.front.take_requests();
    console.streams.set(Streams::SignIn);
    until_said(&browser, "a page for a stream").await;
    // It is asked now and then, not all the time.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let requests = console.front.take_requests();
    let streams = requests
        .iter()
        .filter(|request| purpose(request) == Purpose::Stream)
        .count();
    assert!(streams <= 8, "{streams} attempts: {requests:#?}");
    refreshed_and_then_live(&console, &browser, &lab, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_keeps_streams_back_is_said_and_made_up_for() {
    let console = Console::start().await;
    let lab = console.world.lab("alpha").await;
    let browser = console.browser().await;
    for (n, how) in [Streams::Hold, Streams::HoldAll].into_iter().enumerate() {
        console.streams.set(how);
        browser.open(&tasks(&lab)).await;
        browser.js("window.__same = 1").await;
        until_said(&browser, &format!("{how:?}")).await;
        // From page to page it stays so.
        browser.click("#rail a[data-go=i]").await;
        browser
            .until("document.querySelector('h1').innerText === 'Ideas'")
            .await;
        assert!(browser.holds(&format!("{WHY} === '{BLOCKED}'")).await);
        browser.click("#rail a[data-go=t]").await;
        browser
            .until("document.querySelector('h1').innerText === 'Tasks'")
            .await;
        refreshed_and_then_live(&console, &browser, &lab, n).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_has_waited_long_comes_back_within_seconds() {
    let console = Console::start().await;
    let lab = console.world.lab("alpha").await;
    let browser = console.browser().await;
    console.show(&browser, &tasks(&lab)).await;
    browser
        .js("window.__failures = 0; document.addEventListener('htmx:sse:error', () => { window.__failures += 1 })")
        .await;
    console.front.cut();
    browser.until("window.__failures >= 2").await;
    // As after an hour.
    browser
        .js("document.getElementById('live')._htmx.sse.attempt = 40; window.__failures = 0")
        .await;
    browser.within(Duration::from_secs(20), "window.__failures").await;
    lab.ideation("a-1").await;
    console.front.heal();
    let took = browser.until(LIVE).await;
    println!("after a long outage it is live after {} ms", took.as_millis());
    assert!(took < Duration::from_secs(7), "{took:?}");
    browser.until(&shows("a-1")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_windows_load_and_follow_over_few_connections() {
    const WINDOWS: usize = 8;
    let console = Console::start().await;
    let lab = console.world.lab("alpha").await;
    lab.ideation("a-1").await;
    let browser = console.browser().await;
    browser.open(&tasks(&lab)).await;
    let mut windows = vec![browser.window().await];
    while windows.len() < WINDOWS {
        windows.push(browser.new_window().await);
        browser.open(&tasks(&lab)).await;
        browser.until(&shows("a-1")).await;
    }
    let open = || {
        let requests = console.front.requests();
        let streams = requests.iter().filter(|r| purpose(r) == Purpose::Stream);
        streams.filter(|stream| console.front.is_open(stream)).count()
    };
    let following = async |windows: &[_]| {
        let mut following = Vec::new();
        for window in windows {
            browser.turn_to(window).await;
            // In one look: a window may change between two.
            let state = format!("(({LIVE}) ? 'live' : {WHY})");
            match browser.text(&state).await.as_str() {
                "live" => following.push(window.clone()),
                why => assert_eq!(why, SHARED),
            }
        }
        following
    };
    let settled = async |windows: &[_]| {
        let deadline = Instant::now() + Duration::from_secs(15);
        loop {
            let now = following(windows).await;
            if now.len() == 4 && open() == 4 {
                return now;
            }
            assert!(Instant::now() < deadline, "{} follow, {} streams", now.len(), open());
        }
    };
    let mut four = settled(&windows).await;

    let task = lab.ideation("a-2").await;
    for window in &windows {
        browser.turn_to(window).await;
        browser.until(&shows("a-2")).await;
    }
    // A window that goes leaves its stream to another.
    let goes = four.swap_remove(0);
    browser.turn_to(&goes).await;
    browser.close().await;
    windows.retain(|window| *window != goes);
    settled(&windows).await;
    lab.claim(&task.task_id).await;
    for window in &windows {
        browser.turn_to(window).await;
        browser
            .until("document.querySelector('[data-task=\"a-2\"]').innerText.includes('claimed')")
            .await;
    }
}
