//! The program as it is started, with the demo.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::chromium::Browser;

/// (README: scores move by themselves within this)
const MOVES_WITHIN: Duration = Duration::from_secs(60);

/// Its row says that it is not seeded.
const UNSEEDED: &str = "[data-experiment-row]:has([data-need='seeded']) a.name";

/// What sticks out of a page that scrolls sideways.
const TOO_WIDE: &str = "
    if (document.documentElement.scrollWidth <= innerWidth) return null;
    const out = [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth);
    return out.slice(0, 12).map((e) => `${e.tagName}.${e.className} ${Math.round(e.getBoundingClientRect().right)}`)";

struct Program {
    process: Child,
    base: String,
    link: String,
}

impl Program {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_switchboard"))
            .args(["--ephemeral", "--port", "0", "--backend-port", "0", "--log", "warn"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(process.stdout.take().expect("its output"))
            .lines()
            .map_while(Result::ok);
        let url = lines.find_map(|line| line.strip_prefix("SWITCHBOARD_SIGNIN url=").map(str::to_owned));
        let url = url.expect("a sign-in link");
        let path = url.find("/signin").expect("a path");
        Self {
            process,
            base: url[..path].to_owned(),
            link: url[path..].to_owned(),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // In order, so that its temporary directory goes too.
        let asked = Command::new("kill").arg(self.process.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

fn element(css: &str) -> String {
    format!("document.querySelector(`{css}`)")
}

/// The address of the first link that a list leads to.
async fn first(browser: &Browser, list: &str, css: &str) -> String {
    browser.open(list).await;
    browser.within(Duration::from_secs(30), &element(css)).await;
    browser.text(&format!("{}.pathname", element(css))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_evolves_by_itself_and_every_page_is_sound() {
    let program = Program::start();
    let begin = Instant::now();
    let browser = Browser::start(&program.base).await;
    browser.open(&program.link).await;
    // The demo's experiments appear by themselves; the oldest is the busiest.
    browser.open("/admin/experiments/").await;
    browser
        .within(
            MOVES_WITHIN,
            &element("[data-experiment-row]:last-child a[href*='/admin/variants/']"),
        )
        .await;
    browser.click("[data-experiment-row]:last-child a.name").await;
    let figure = element("#region-figures a[href$='?status=success']");
    browser.until(&figure).await;
    let experiment = browser.text("document.body.dataset.experiment").await;

    browser.js("window.__same = 1").await;
    let evaluated = format!("{figure}.closest('li').querySelector('strong').innerText");
    let before = browser.text(&evaluated).await;
    browser
        .within(MOVES_WITHIN, &format!("{evaluated} !== '{before}'"))
        .await;
    println!(
        "scores move by themselves {} ms after the sign-in link",
        begin.elapsed().as_millis()
    );
    assert!(begin.elapsed() < MOVES_WITHIN, "{:?}", begin.elapsed());
    // A section that the operator opened stays open.
    browser.click("#chart-improvements > summary").await;
    let before = browser.text(&evaluated).await;
    browser
        .within(MOVES_WITHIN, &format!("{evaluated} !== '{before}'"))
        .await;
    assert!(
        browser
            .holds("window.__same === 1 && document.getElementById('chart-improvements').open")
            .await
    );

    let of = |rest: &str| format!("/x/{experiment}/{rest}");
    let lists = ["admin/tasks/", "admin/ideas/", "admin/variants/", "admin/events/"].map(of);
    let mut paths = vec![of(""), "/admin/experiments/".to_owned()];
    paths.push(first(&browser, &lists[0], "[data-task] a").await);
    paths.push(first(&browser, &lists[1], "[data-idea] a").await);
    paths.push(first(&browser, &lists[2], "[data-variant] a").await);
    paths.push(first(&browser, "/admin/experiments/", UNSEEDED).await);
    paths.extend(lists);
    paths.extend(["/x/nonsense/", "/nowhere/", "/signin"].map(str::to_owned));
    browser
        .js("document.head.append(Object.assign(document.createElement('style'), { textContent: 'a {}' }))")
        .await;
    let heard = browser.complaints().await;
    assert!(
        heard.iter().any(|c| c.contains("Content Security Policy")),
        "a violation is heard: {heard:?}"
    );
    let mut faults = Vec::new();
    for width in [1360, 420] {
        browser.resize(width).await;
        for path in &paths {
            browser.open(path).await;
            assert!(browser.holds(&format!("innerWidth === {width}")).await);
            browser.until("document.querySelector('h1')").await;
            // The answer of a page that does not exist is a failed load to the browser, and is meant to be.
            let complaints = browser.complaints().await;
            let meant = |complaint: &String| complaint.contains("the server responded with a status of 4");
            faults.extend(
                complaints
                    .into_iter()
                    .filter(|c| !meant(c))
                    .map(|c| format!("{path} at {width}: {c}")),
            );
            for open in ["", "sheet", "switcher", "operator"] {
                browser
                    .js(&format!("document.getElementById('{open}')?.setAttribute('open', '')"))
                    .await;
                let too_wide = browser.js(TOO_WIDE).await;
                if !too_wide.is_null() {
                    faults.push(format!("{path} at {width} with the {open} open: {too_wide}"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
