//! From one experiment to another.

use std::time::{Duration, Instant};

use fantoccini::key::Key;

use crate::chromium::Browser;
use crate::console::{Console, Purpose, pages, purpose};
use crate::proxy::Request;

const ROWS: &str = "[...document.querySelectorAll('[data-task]')].map((row) => row.dataset.task).join()";

async fn rows(browser: &Browser, expected: &str) {
    browser.until(&format!("{ROWS} === '{expected}'")).await;
}

/// Waits until a page has asked for one of its regions.
async fn until_asked(console: &Console, page: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let asked = |requests: Vec<Request>| {
        requests
            .iter()
            .any(|r| purpose(r) == Purpose::Region && r.target == page)
    };
    while !asked(console.front.requests()) {
        assert!(Instant::now() < deadline, "{page} does not follow");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn shows(experiment: &impl std::fmt::Display) -> String {
    format!("document.body.dataset.experiment === '{experiment}'")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_is_one_request_and_changes_everything() {
    let console = Console::start().await;
    let a = console.world.lab("alpha").await;
    let b = console.world.lab("beta").await;
    a.ideation("a-1").await;
    let claimed = b.ideation("b-0").await;
    b.claim(&claimed.task_id).await;
    b.ideation("b-1").await;
    let browser = console.browser().await;
    let page = |id: &dyn std::fmt::Display| format!("/x/{id}/admin/tasks/?state=pending");
    // Both are followed already; otherwise the badge of the other one changes once more when its first list is read.
    console.show(&browser, &page(&b.id)).await;
    console.show(&browser, &page(&a.id)).await;
    rows(&browser, "a-1").await;
    let left = console
        .front
        .requests()
        .into_iter()
        .find(|r| purpose(r) == Purpose::Stream)
        .expect("a stream");

    browser.js("window.__same = 1").await;
    browser.click("#switcher > summary").await;
    browser.until("document.activeElement.id === 'switcher-filter'").await;
    browser.press("bet").await;
    browser
        .until("document.querySelectorAll('#switcher-entries button:not([hidden])').length === 1")
        .await;
    browser.press(&char::from(Key::Down).to_string()).await;
    browser
        .until(&format!("document.activeElement.id === 'switch-{}'", b.id))
        .await;
    console.front.take_requests();
    let begin = Instant::now();
    browser.press(&char::from(Key::Enter).to_string()).await;
    browser.until(&shows(&b.id)).await;
    println!(
        "the other experiment shows {} ms after Enter",
        begin.elapsed().as_millis()
    );
    rows(&browser, "b-1").await;
    assert_eq!(browser.path().await, page(&b.id));
    assert!(
        browser
            .holds("window.__same === 1 && !document.getElementById('switcher').open")
            .await
    );
    assert_eq!(
        browser.text("document.querySelector('.switcher-name').innerText").await,
        "beta"
    );
    assert!(browser.text("document.title").await.contains("beta"));

    console.streaming(&browser).await;
    let asked = console.front.take_requests();
    assert_eq!(pages(&asked), [format!("POST /admin/experiments/{}/select", b.id)]);
    let streams: Vec<_> = asked.iter().filter(|r| purpose(r) == Purpose::Stream).collect();
    assert_eq!(streams.len(), 1, "{streams:#?}");
    assert!(streams[0].target.starts_with(&format!("/x/{}/live", b.id)));
    assert_eq!(asked.len(), 2, "nothing else is asked: {asked:#?}");
    assert!(
        !console.front.is_open(&left),
        "the stream of the experiment left is closed"
    );

    a.ideation("a-2").await;
    b.ideation("b-2").await;
    rows(&browser, "b-2,b-1").await;
    assert!(
        console
            .front
            .take_requests()
            .iter()
            .all(|r| r.target.contains(b.id.as_str()))
    );

    browser.back().await;
    browser.until(&shows(&a.id)).await;
    assert_eq!(browser.path().await, page(&a.id));
    rows(&browser, "a-2,a-1").await;
    console.streaming(&browser).await;
    a.ideation("a-3").await;
    b.ideation("b-3").await;
    rows(&browser, "a-3,a-2,a-1").await;
    assert_eq!(
        browser.text("document.querySelector('.switcher-name').innerText").await,
        "alpha"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_windows_are_independent() {
    let console = Console::start().await;
    let a = console.world.lab("alpha").await;
    let b = console.world.lab("beta").await;
    a.ideation("a-1").await;
    b.ideation("b-1").await;
    let browser = console.browser().await;
    let tasks = |id: &dyn std::fmt::Display| format!("/x/{id}/admin/tasks/");
    let first = browser.window().await;
    console.show(&browser, &tasks(&a.id)).await;
    let second = browser.new_window().await;
    console.show(&browser, &tasks(&b.id)).await;

    console.front.take_requests();
    a.ideation("a-2").await;
    b.ideation("b-2").await;
    rows(&browser, "b-2,b-1").await;
    // The other one keeps itself up to date while nobody has turned to it.
    until_asked(&console, &tasks(&a.id)).await;
    browser.turn_to(&first).await;
    rows(&browser, "a-2,a-1").await;

    // The first goes where the second is; the second has chosen nothing else.
    browser.click("#switcher > summary").await;
    browser.click(&format!("#switch-{}", b.id)).await;
    browser.until(&shows(&b.id)).await;
    browser.click("#switcher > summary").await;
    browser.click(&format!("#switch-{}", a.id)).await;
    browser.until(&shows(&a.id)).await;
    browser.turn_to(&second).await;
    assert!(browser.holds(&shows(&b.id)).await);
    browser.reload().await;
    browser.until(&shows(&b.id)).await;
    assert_eq!(browser.path().await, tasks(&b.id));
    console.streaming(&browser).await;
    b.ideation("b-3").await;
    rows(&browser, "b-3,b-2,b-1").await;
    browser.turn_to(&first).await;
    rows(&browser, "a-2,a-1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_tab_rests_and_catches_up() {
    let console = Console::start().await;
    let a = console.world.lab("alpha").await;
    a.ideation("a-1").await;
    let browser = console.browser().await;
    let tasks = format!("/x/{}/admin/tasks/", a.id);
    let first = browser.window().await;
    console.show(&browser, &tasks).await;
    let stream = console
        .front
        .requests()
        .into_iter()
        .find(|r| purpose(r) == Purpose::Stream)
        .expect("a stream");
    browser.js("window.__same = 1").await;

    browser.new_tab().await;
    browser.open("/admin/experiments/").await;
    let deadline = Instant::now() + Duration::from_secs(10);
    while console.front.is_open(&stream) {
        assert!(Instant::now() < deadline, "a page that nobody sees keeps its stream");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    a.ideation("a-2").await;
    browser.turn_to(&first).await;
    rows(&browser, "a-2,a-1").await;
    assert!(browser.holds("window.__same === 1").await);
    console.front.take_requests();
    a.ideation("a-3").await;
    rows(&browser, "a-3,a-2,a-1").await;
    assert_eq!(pages(&console.front.take_requests()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_that_is_not_listed_is_found_by_the_console() {
    let console = Console::start().await;
    let first = console.world.lab("wanted first").await;
    let second = console.world.lab("second wanted").await;
    for n in 0..24 {
        console.world.register(&format!("number {n}")).await;
    }
    let browser = console.browser().await;
    let overview = format!("/x/{}/", second.id);
    console.show(&browser, &overview).await;
    assert!(
        browser
            .holds("document.querySelectorAll('#switcher-entries > button').length === 20")
            .await
    );

    // What is listed is filtered at once, and replaced by the answer.
    browser.press("s").await;
    browser.until("document.activeElement.id === 'switcher-filter'").await;
    console.front.take_requests();
    browser.press("WANTED").await;
    let found = "[...document.querySelectorAll('#switcher-found .switch-name')].map((name) => name.innerText).join()";
    browser
        .until(&format!("{found} === 'wanted first,second wanted'"))
        .await;
    let asked = console.front.take_requests();
    let asked: Vec<_> = asked.iter().map(|request| request.target.as_str()).collect();
    assert_eq!(asked, ["/switch?q=wanted"]);
    assert!(
        browser
            .holds("[...document.querySelectorAll('#switcher-entries > button')].every((entry) => entry.hidden)")
            .await
    );

    // A refresh of the list takes away neither what was typed nor what was found.
    browser
        .js("window.__found = document.querySelector('#switcher-found button')")
        .await;
    console.world.register("number 24").await;
    browser
        .until("document.querySelector('.switcher-foot').innerText.includes('20 of 27')")
        .await;
    assert_eq!(browser.text(found).await, "wanted first,second wanted");
    assert!(
        browser
            .holds("window.__found.isConnected && document.activeElement.value === 'WANTED' && !window.__found.closest('[hidden]')")
            .await
    );
    browser.press(&char::from(Key::Down).to_string()).await;
    browser.until("document.activeElement === window.__found").await;
    browser.press(&char::from(Key::Up).to_string()).await;
    browser.until("document.activeElement.id === 'switcher-filter'").await;

    // Enter, pressed before the answer, waits for it.
    let select_all = "document.activeElement.select()";
    browser.js(select_all).await;
    console.front.take_requests();
    browser.press(&format!("wanted f{}", char::from(Key::Enter))).await;
    browser.until(&shows(&first.id)).await;
    assert_eq!(browser.path().await, format!("/x/{}/", first.id));
    let asked = console.front.take_requests();
    let posts = asked.iter().filter(|request| request.method == "POST").count();
    assert_eq!(posts, 1, "{asked:#?}");

    // It was switched to, so it is listed now, after the present one; and so it stays when another is present.
    console.show(&browser, &overview).await;
    let ids =
        "[...document.querySelectorAll('#switcher-entries > button')].slice(0, 2).map((entry) => entry.id).join()";
    assert_eq!(
        browser.text(ids).await,
        format!("switch-{},switch-{}", second.id, first.id)
    );

    browser.press("s").await;
    browser.until("document.activeElement.id === 'switcher-filter'").await;
    browser.press("nothing like it").await;
    browser
        .until("document.querySelector('#switcher-found')?.innerText === 'No experiment matches.'")
        .await;
    browser.press(&char::from(Key::Enter).to_string()).await;
    browser.js(select_all).await;
    browser.press(&char::from(Key::Backspace).to_string()).await;
    browser
        .until("document.querySelectorAll('#switcher-entries > button:not([hidden])').length === 20")
        .await;
    assert!(browser.holds(&shows(&second.id)).await);
}
