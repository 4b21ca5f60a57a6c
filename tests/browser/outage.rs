//! What is broken is said.

use std::time::Duration;

use crate::chromium::Browser;
use crate::console::{Console, pages};

/// (design: a broken stream is said within this)
const SAID_WITHIN: Duration = Duration::from_secs(3);
const AGE: &str = "document.querySelector('#freshness time').innerText";

fn badge(word: &str) -> String {
    format!("document.getElementById('freshness').dataset.freshness === '{word}'")
}

fn announced(begin: &str) -> String {
    format!("document.getElementById('announce').textContent.startsWith('{begin}')")
}

fn claimed(task: &str) -> String {
    format!("document.querySelector('[data-task=\"{task}\"]').innerText.includes('claimed')")
}

/// Waits until the badge has told two ages, the second greater.
async fn age_grows(browser: &Browser) {
    let first = format!("parseInt({AGE})");
    browser.until(&format!("{first} >= 1")).await;
    let then = browser.text(&format!("String({first})")).await;
    browser.until(&format!("{first} > {then}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_stream_is_said_and_made_up_for() {
    let console = Console::start().await;
    let lab = console.world.lab("alpha").await;
    let [first, second] = [lab.ideation("a-1").await, lab.ideation("a-2").await];
    let browser = console.browser().await;
    console.show(&browser, &format!("/x/{}/admin/tasks/", lab.id)).await;
    browser.js("window.__same = 1").await;
    console.front.take_requests();

    console.front.cut();
    let took = browser.until(&badge("stale")).await;
    println!("a cut stream is said after {} ms", took.as_millis());
    assert!(took < SAID_WITHIN, "{took:?}");
    lab.claim(&first.task_id).await;
    age_grows(&browser).await;
    assert!(!browser.holds(&claimed("a-1")).await);
    console.front.heal();
    let took = browser.until(&badge("live")).await;
    println!("a healed stream is live after {} ms", took.as_millis());
    browser.until(&claimed("a-1")).await;
    console.streaming(&browser).await;

    // A line that is open and silent is no better. It takes longest to find out right after a beat.
    browser
        .js("window.__beats = 0; document.addEventListener('beat', () => { window.__beats += 1 })")
        .await;
    browser.until("window.__beats").await;
    console.front.mute();
    let took = browser.until(&badge("stale")).await;
    println!("a mute stream is said after {} ms", took.as_millis());
    assert!(took < SAID_WITHIN, "{took:?}");
    lab.claim(&second.task_id).await;
    age_grows(&browser).await;
    console.front.heal();
    browser.until(&badge("live")).await;
    browser.until(&claimed("a-2")).await;

    assert!(browser.holds("window.__same === 1").await);
    assert_eq!(pages(&console.front.take_requests()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn times_stand_still_while_the_page_does() {
    let console = Console::start().await;
    let lab = console.world.lab("alpha").await;
    lab.ideation("a-1").await;
    let browser = console.browser().await;
    console.show(&browser, &format!("/x/{}/admin/tasks/", lab.id)).await;
    let time = "document.querySelector('[data-task=\"a-1\"] time').innerText";
    let passes = async || {
        let now = browser.text(time).await;
        browser.until(&format!("{time} !== '{now}'")).await;
    };
    passes().await;
    // The line to the console, and the console's own to the backend.
    for line in [&console.front, &console.back] {
        line.cut();
        browser.until(&badge("stale")).await;
        // One second at most until the times stand where the page was true last.
        age_grows(&browser).await;
        let then = browser.text(time).await;
        age_grows(&browser).await;
        age_grows(&browser).await;
        assert_eq!(browser.text(time).await, then);
        line.heal();
        browser.until(&badge("live")).await;
        passes().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_answer_while_the_backend_is_gone() {
    let console = Console::start().await;
    let lab = console.world.lab("alpha").await;
    let task = lab.ideation("a-1").await;
    let browser = console.browser().await;
    let tasks = format!("/x/{}/admin/tasks/", lab.id);
    console.show(&browser, &tasks).await;

    console.back.cut();
    let took = browser.until(&badge("stale")).await;
    println!("a backend that is gone is said after {} ms", took.as_millis());
    assert!(took < SAID_WITHIN, "{took:?}");
    browser.until(&announced("Stale: ")).await;
    let own = "document.getElementById('freshness').hasAttribute('data-lost')";
    assert!(!browser.holds(own).await, "the console itself says so");
    age_grows(&browser).await;
    lab.claim(&task.task_id).await;
    browser.open(&tasks).await;
    browser
        .until("document.querySelector('[data-task=\"a-1\"]')?.innerText.includes('pending')")
        .await;
    assert!(browser.holds(&badge("stale")).await);
    browser.click("#rail a[data-go=o]").await;
    browser
        .until(&format!(
            "location.pathname === '/x/{}/' && document.querySelector('h1').innerText === 'alpha'",
            lab.id
        ))
        .await;
    assert!(browser.holds(&badge("stale")).await);
    browser.open("/admin/experiments/").await;
    browser
        .until(&format!("document.querySelector('[data-experiment-row={}]')", lab.id))
        .await;
    browser.open(&tasks).await;
    browser.js("window.__same = 1").await;

    console.back.heal();
    let took = browser.until(&badge("live")).await;
    println!("a backend that is back is live after {} ms", took.as_millis());
    browser.until(&announced("Live: ")).await;
    browser.until(&claimed("a-1")).await;
    assert!(browser.holds("window.__same === 1").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_falls_silent_is_said_and_holds_up_nothing() {
    /// (design: no event and no heartbeat for so long is a failure)
    const SILENCE: Duration = Duration::from_secs(15);
    let console = Console::start().await;
    let lab = console.world.lab("alpha").await;
    let task = lab.ideation("a-1").await;
    let browser = console.browser().await;
    let tasks = format!("/x/{}/admin/tasks/", lab.id);
    console.show(&browser, &tasks).await;
    browser.open("/admin/experiments/").await;
    console.show(&browser, &tasks).await;

    console.back.mute();
    lab.claim(&task.task_id).await;
    // Nobody can know yet, and nothing is waited for.
    browser.open(&tasks).await;
    browser
        .until("document.querySelector('[data-task=\"a-1\"]')?.innerText.includes('pending')")
        .await;
    let took = browser.within(SILENCE + SAID_WITHIN, &badge("stale")).await;
    println!("a backend that is silent is said after {} ms", took.as_millis());
    browser.until(&announced("Stale: ")).await;
    for page in ["/admin/experiments/", tasks.as_str()] {
        browser.open(page).await;
        browser.until(&badge("stale")).await;
    }
    browser.js("window.__same = 1").await;

    console.back.heal();
    let took = browser.until(&badge("live")).await;
    println!("a backend that speaks again is live after {} ms", took.as_millis());
    browser.until(&claimed("a-1")).await;
    assert!(browser.holds("window.__same === 1").await);
}
