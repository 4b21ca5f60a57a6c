//! Whatever is cut meanwhile, the pages end as whoever loads them then has them.
//!
//! Where the cuts fall is drawn from a seed, which is printed; `GAP_SEED` draws the same once more.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::chromium::Browser;
use crate::console::{Console, Purpose, purpose};
use crate::life::Life;
use crate::proxy::{Cut, Request};

/// Each is of one life, of nineteen events.
const CUTS: usize = 36;

/// What is on the page, without what passes by itself: the texts of times, and what a script or htmx notes for a while.
const SHOWN: &str = "(() => {
    const main = document.getElementById('main').cloneNode(true);
    for (const time of main.querySelectorAll('time')) {
        time.textContent = '';
        time.removeAttribute('title');
    }
    for (const element of [main, ...main.querySelectorAll('*')]) {
        for (const name of ['data-htmx-powered', 'aria-busy']) element.removeAttribute(name);
        const passing = [...element.classList].filter((name) => name === 'flash' || name.startsWith('htmx-'));
        element.classList.remove(...passing);
        if (!element.classList.length) element.removeAttribute('class');
    }
    return main.outerHTML.replace(/\\s+/g, ' ');
})()";

fn is_feed(request: &Request) -> bool {
    request.target.ends_with("/events/stream")
}

fn is_stream(request: &Request) -> bool {
    purpose(request) == Purpose::Stream
}

/// Breaks something between backend, console and browser. What is to happen at a byte has been prepared when this
/// returns, and happens while things change.
fn break_something(console: &Console, draw: &mut SmallRng) {
    match draw.random_range(0..8) {
        0 => console.front.interrupt(),
        1 => console.back.interrupt(),
        2 | 3 => console.front.snip(Cut::After(draw.random_range(0..200)), is_stream),
        4 => {
            console.back.snip(Cut::BeforeFirstByte, is_feed);
            console.back.interrupt();
        }
        5 => console.back.snip(Cut::AfterBeat, is_feed),
        _ => console.back.snip(Cut::After(draw.random_range(0..1500)), is_feed),
    }
}

/// The tags of the page's regions.
const TAGS: &str = "[...(ROOT).querySelectorAll('#main [data-region]')].map((region) => region.dataset.etag).join()";

/// Waits until each region has the tag that it has in a page that is loaded now. Some are requested again seconds after
/// they changed.
async fn settled(browser: &Browser) {
    let fresh = TAGS.replace("ROOT", "new DOMParser().parseFromString(text, 'text/html')");
    browser
        .js(&format!(
            "fetch(location.href).then((answer) => answer.text()).then((text) => {{ window.__fresh = {fresh}; }})"
        ))
        .await;
    browser
        .until(&format!("window.__fresh === {}", TAGS.replace("ROOT", "document")))
        .await;
}

async fn shown(browser: &Browser) -> Vec<String> {
    // One element a line, so that a difference can be seen.
    let shown = browser.text(SHOWN).await;
    shown.replace("><", ">\n<").lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_many_cuts_every_page_is_what_a_fresh_load_shows() {
    let seed = std::env::var("GAP_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("a number"));
    println!("GAP_SEED={seed}");
    let mut draw = SmallRng::seed_from_u64(seed);
    let console = Console::start_retrying_within(Duration::from_millis(100)).await;
    let lab = console.world.lab("alpha").await;
    let mut life = Life {
        orchestrator: lab.orchestrator.clone(),
        worker: lab.worker.clone(),
        witness: (),
    };
    life.live("begin").await.expect("lived");
    let browser = console.browser().await;
    let pages = ["", "admin/tasks/", "admin/variants/", "admin/events/"].map(|page| format!("/x/{}/{page}", lab.id));
    let mut windows = Vec::new();
    for (n, page) in pages.iter().enumerate() {
        windows.push(match n {
            0 => browser.window().await,
            _ => browser.new_window().await,
        });
        console.show(&browser, page).await;
        browser.js("window.__same = 1").await;
    }

    for number in 0..CUTS {
        break_something(&console, &mut draw);
        let name = number.to_string();
        let cut = async {
            console.front.has_snipped().await;
            console.back.has_snipped().await;
        };
        let (lived, ()) = tokio::join!(life.live(&name), cut);
        lived.expect("lived");
    }
    // Of what happens while a line is cut, and is followed by nothing else, nobody is told afterwards by chance.
    for (line, name) in [(&console.back, "back"), (&console.front, "front")] {
        line.cut();
        life.live(name).await.expect("lived");
        line.heal();
    }

    let mut ends = Vec::new();
    for window in &windows {
        browser.turn_to(window).await;
        console.streaming(&browser).await;
        assert!(browser.holds("window.__same === 1").await, "it was not loaded anew");
        settled(&browser).await;
        ends.push(shown(&browser).await);
    }
    let events = lab.admin.log_length().await.expect("the log's length");
    println!("{CUTS} cuts during {events} events");
    for ((window, page), end) in windows.iter().zip(&pages).zip(ends) {
        browser.turn_to(window).await;
        console.show(&browser, page).await;
        assert!(browser.holds("window.__same === undefined").await);
        let fresh = shown(&browser).await;
        let differ: Vec<_> = end
            .iter()
            .zip(&fresh)
            .filter(|(end, fresh)| end != fresh)
            .take(5)
            .collect();
        assert!(differ.is_empty(), "{page}: {differ:#?}");
        assert_eq!(end.len(), fresh.len(), "{page}");
        assert!(end.len() > 50, "{page} shows something: {end:#?}");
    }
}
