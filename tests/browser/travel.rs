//! From page to page, and what goes wrong on the way.

use std::time::Duration;

use crate::chromium::Browser;
use crate::console::Console;

fn shows(task: &str) -> String {
    format!("document.querySelector('[data-task=\"{task}\"]')")
}

/// Makes the answers to what is asked for `target` go through the function `then` of (answer, url).
async fn intercept(browser: &Browser, target: &str, then: &str) {
    browser
        .js(&format!(
            "const real = window.fetch;
             window.fetch = async (url, options) => {{
                 const answer = await real(url, options);
                 return options?.headers?.['HX-Target'] === '{target}' ? ({then})(answer, url) : answer;
             }};"
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_while_a_page_is_on_its_way_is_on_it() {
    let console = Console::start().await;
    let lab = console.world.lab("alpha").await;
    lab.ideation("a-1").await;
    let browser = console.browser().await;
    console.show(&browser, &format!("/x/{}/admin/ideas/", lab.id)).await;
    let slow = "async (answer) => {
        window.__drawn = 1;
        while (!window.__told) await new Promise((done) => setTimeout(done, 20));
        return answer;
    }";
    intercept(&browser, "main#main", slow).await;
    browser.click("#rail a[data-go=t]").await;
    browser.until("window.__drawn").await;
    browser
        .js("document.addEventListener('changed', () => { window.__told = 1; })")
        .await;
    lab.ideation("a-2").await;
    browser.until(&shows("a-1")).await;
    browser.until(&shows("a-2")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_fault_the_page_follows_its_own_stream() {
    let console = Console::start().await;
    let lab = console.world.lab("alpha").await;
    lab.ideation("a-1").await;
    let browser = console.browser().await;
    let stream = "document.getElementById('live').getAttribute('hx-sse:connect')";
    browser.open("/admin/experiments/").await;
    assert!(browser.holds(&format!("{stream}.startsWith('/live?')")).await);
    // A fault at an address of the experiment follows what is known without it, as this page does.
    browser
        .js(&format!("history.replaceState(null, '', '/x/{}/admin/tasks/')", lab.id))
        .await;
    browser
        .js("htmx.ajax('GET', location.pathname, {
                 target: '#main', swap: 'outerHTML', push: 'true', headers: { 'HX-Target': 'main#main' },
             })")
        .await;
    browser.until(&shows("a-1")).await;
    browser
        .until(&format!("{stream}.startsWith('/x/{}/live?')", lab.id))
        .await;
    console.streaming(&browser).await;
    lab.ideation("a-2").await;
    browser.until(&shows("a-2")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_fails_is_asked_for_again_and_what_is_said_of_it_goes() {
    let console = Console::start().await;
    let lab = console.world.lab("alpha").await;
    let browser = console.browser().await;
    console.show(&browser, &format!("/x/{}/admin/tasks/", lab.id)).await;
    let failing = "(answer) => window.__whole ? answer : new Response('', { status: 503 })";
    intercept(&browser, "div#refresh", failing).await;
    lab.ideation("a-1").await;
    let notice = "document.getElementById('notices').innerText.includes('could not be refreshed')";
    browser.until(notice).await;
    assert!(!browser.holds(&shows("a-1")).await);
    browser.js("window.__whole = 1").await;
    browser.until(&shows("a-1")).await;
    browser.until(&format!("!({notice})")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_read_is_read_again_though_nothing_changes() {
    let console = Console::start().await;
    let lab = console.world.lab("alpha").await;
    lab.ideation("a-1").await;
    let browser = console.browser().await;
    let tasks = format!("/x/{}/admin/tasks/", lab.id);
    console.show(&browser, &tasks).await;
    console.back.cut();
    browser
        .until("document.getElementById('freshness').dataset.freshness === 'stale'")
        .await;
    browser.open(&format!("{tasks}a-1/")).await;
    browser.until("document.querySelector('[data-unread]')").await;
    console.back.heal();
    let read = "document.getElementById('region-task').innerText.includes('Nothing has been handed in')";
    browser.within(Duration::from_secs(20), read).await;
    assert!(!browser.holds("document.querySelector('[data-unread]')").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_follows_no_link_until_the_page_is_that_of_the_address() {
    let console = Console::start().await;
    let lab = console.world.lab("alpha").await;
    lab.ideation("a-1").await;
    let browser = console.browser().await;
    let tasks = format!("/x/{}/admin/tasks/", lab.id);
    console.show(&browser, &tasks).await;
    browser.click("[data-task=a-1] a").await;
    browser.until("location.pathname.endsWith('/a-1/')").await;
    // The driver waits for the page, so what is seen meanwhile is noted in it. The keys lead to the overview by a link
    // that is relative to the task's page.
    browser
        .js("const real = window.fetch;
             window.fetch = async (url, options) => {
                 const answer = await real(url, options);
                 if (!options?.headers?.['HX-History-Restore-Request']) return answer;
                 for (const key of ['g', 'o']) document.dispatchEvent(new KeyboardEvent('keydown', { key }));
                 window.__seen = `${document.body.inert} ${location.pathname}`;
                 return answer;
             };
             setTimeout(() => history.back())")
        .await;
    browser.until("window.__seen").await;
    assert_eq!(browser.text("window.__seen").await, format!("true {tasks}"));
    browser
        .until(&format!("{} && !document.body.inert", shows("a-1")))
        .await;
    assert_eq!(browser.path().await, tasks);
    browser.click("[data-task=a-1] a").await;
    browser.until("location.pathname.endsWith('/admin/tasks/a-1/')").await;
}
