//! New rows come to whoever waits for them, and wait for whoever reads.

use std::time::Duration;

use fantoccini::key::Key;

use crate::chromium::Browser;
use crate::console::{Console, pages};
use crate::support::Lab;

const SHOWN: &str = "[...document.querySelectorAll('[data-task]')].filter((row) => row.checkVisibility() \
    && !row.hasAttribute('data-gone')).map((row) => row.dataset.task).join()";
const HELD: &str = "document.querySelector('[data-held]:not([hidden]) button')?.textContent";
const TOP: &str = "String(Math.round(document.querySelector('[data-task=\"a-20\"]').getBoundingClientRect().top))";

async fn sixty_tasks(console: &Console, path: &str) -> (Lab, Browser) {
    let lab = console.world.lab("alpha").await;
    for n in 0..60 {
        lab.ideation(&format!("a-{n}")).await;
    }
    let browser = console.browser().await;
    console
        .show(&browser, &format!("/x/{}/admin/tasks/{path}", lab.id))
        .await;
    browser.js("window.__same = 1").await;
    console.front.take_requests();
    (lab, browser)
}

fn first(task: &str) -> String {
    format!("({SHOWN}).startsWith('{task},')")
}

fn claimed(task: &str) -> String {
    format!("document.querySelector('[data-task=\"{task}\"]').innerText.includes('claimed')")
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_top_with_nobody_reading_new_rows_show_at_once() {
    let console = Console::start().await;
    let (lab, browser) = sixty_tasks(&console, "").await;
    lab.ideation("b-1").await;
    browser.until(&first("b-1")).await;
    assert!(!browser.holds(HELD).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_rows_wait_behind_a_count_while_rows_below_are_read() {
    let console = Console::start().await;
    let (lab, browser) = sixty_tasks(&console, "").await;
    browser
        .js("scrollTo(0, 900);
             window.__said = [];
             const note = () => window.__said.push(document.getElementById('announce').textContent);
             new MutationObserver(note).observe(document.getElementById('announce'), { childList: true });")
        .await;
    let (shown, top) = (browser.text(SHOWN).await, browser.text(TOP).await);
    lab.ideation("b-1").await;
    browser.until(&format!("{HELD} === '1 new task — show'")).await;
    for n in 2..=3 {
        lab.ideation(&format!("b-{n}")).await;
    }
    browser.until(&format!("{HELD} === '3 new tasks — show'")).await;
    let said = "window.__said.filter((words) => words.includes('new task')).length";
    browser.until(said).await;
    assert!(
        browser
            .holds("document.querySelector('.pager p').innerText.includes('63')")
            .await
    );
    // What is read is kept true meanwhile, and what waits is not lost by it.
    lab.claim(&"a-20".parse().expect("an id")).await;
    browser.until(&claimed("a-20")).await;
    assert_eq!(browser.text(SHOWN).await, shown);
    assert_eq!(browser.text(TOP).await, top, "nothing moves");
    assert!(browser.holds(&format!("{HELD} === '3 new tasks — show'")).await);
    assert!(browser.holds("scrollY === 900").await);

    // By keyboard.
    browser
        .js("document.querySelector('[data-show-held]').focus({ preventScroll: true })")
        .await;
    browser.press(&char::from(Key::Enter).to_string()).await;
    browser.until(&first("b-3,b-2,b-1,a-59")).await;
    assert!(!browser.holds(HELD).await);
    assert!(browser.holds("document.activeElement.matches('.table-wrap')").await);
    browser
        .until("document.querySelector('[data-task=\"b-3\"]').getBoundingClientRect().top > 48")
        .await;

    // Back at the top they show by themselves.
    browser.js("scrollTo(0, 900)").await;
    lab.ideation("b-4").await;
    browser.until(&format!("{HELD} === '1 new task — show'")).await;
    browser.js("scrollTo(0, 0)").await;
    browser.until(&first("b-4,b-3")).await;
    assert!(!browser.holds(HELD).await);
    assert!(browser.holds("window.__same === 1").await);
    assert_eq!(pages(&console.front.take_requests()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pointing_at_rows_focusing_or_selecting_in_them_is_reading() {
    let console = Console::start().await;
    let (lab, browser) = sixty_tasks(&console, "").await;
    let mut n = 0;
    let mut news = async || {
        n += 1;
        lab.ideation(&format!("b-{n}")).await;
        browser.until(&format!("{HELD} === '1 new task — show'")).await;
        format!("b-{n},")
    };
    browser.point_at("[data-task='a-55'] td:nth-child(3)").await;
    let new = news().await;
    browser.point_at("h1").await;
    browser.until(&format!("({SHOWN}).startsWith('{new}')")).await;

    // Going to the button is no end of it.
    browser.point_at("[data-task='a-55'] td:nth-child(3)").await;
    let new = news().await;
    browser.point_at("[data-show-held]").await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(browser.holds(&format!("{HELD} === '1 new task — show'")).await);
    browser.click("[data-show-held]").await;
    browser.until(&format!("({SHOWN}).startsWith('{new}')")).await;
    browser.until("document.activeElement.matches('.table-wrap')").await;
    browser.js("document.activeElement.blur()").await;
    browser.point_at("h1").await;

    browser
        .js("document.querySelector('[data-task=\"a-57\"] a').focus()")
        .await;
    let new = news().await;
    assert!(
        browser
            .holds("document.activeElement.closest('[data-task]').dataset.task === 'a-57'")
            .await
    );
    browser.js("document.activeElement.blur()").await;
    browser.until(&format!("({SHOWN}).startsWith('{new}')")).await;

    browser
        .js("getSelection().selectAllChildren(document.querySelector('[data-task=\"a-58\"] .state'))")
        .await;
    let new = news().await;
    assert_eq!(browser.text("getSelection().toString()").await, "pending");
    browser.js("getSelection().removeAllRanges()").await;
    browser.until(&format!("({SHOWN}).startsWith('{new}')")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_pushed_away_whole_waits_whole() {
    let console = Console::start().await;
    let (lab, browser) = sixty_tasks(&console, "?per=20").await;
    browser.point_at("[data-task='a-50'] td:nth-child(3)").await;
    let shown = browser.text(SHOWN).await;
    for n in 0..5 {
        lab.ideation(&format!("b-{n}")).await;
    }
    browser.until(&format!("{HELD} === '5 new tasks — show'")).await;
    // The last five are on the next page by now. They stay for the reader, and say so.
    let gone = "[...document.querySelectorAll('[data-gone]')].map((row) => row.dataset.task).join()";
    assert_eq!(browser.text(gone).await, "a-44,a-43,a-42,a-41,a-40");
    assert_eq!(
        format!("{},{}", browser.text(SHOWN).await, browser.text(gone).await),
        shown
    );

    for n in 5..30 {
        lab.ideation(&format!("b-{n}")).await;
    }
    browser.until(&format!("{HELD} === '20+ new tasks — show'")).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(
        browser
            .holds("document.querySelector('[data-task=\"a-50\"]').checkVisibility()")
            .await
    );
    browser.click("[data-show-held]").await;
    browser.until(&first("b-29,b-28")).await;
    assert!(!browser.holds(HELD).await);
    assert_eq!(
        browser
            .text("String(document.querySelectorAll('[data-task]').length)")
            .await,
        "20"
    );
    assert!(!browser.holds("document.querySelector('[data-gone]')").await);
    assert_eq!(pages(&console.front.take_requests()), [""; 0]);
}
