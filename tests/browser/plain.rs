//! The same without JavaScript: links and forms.

use crate::chromium::Browser;
use crate::console::{Console, pages};
use crate::support::CONFIG;

#[tokio::test(flavor = "multi_thread")]
async fn every_journey_works_without_javascript() {
    let console = Console::start().await;
    let a = console.world.lab("alpha").await;
    let b = console.world.lab("beta").await;
    let unseeded = console.world.register("gamma").await;
    for n in 0..30 {
        let task = a.ideation(&format!("a-{n}")).await;
        if n < 5 {
            a.claim(&task.task_id).await;
        }
    }
    b.ideation("b-1").await;
    let browser = Browser::without_javascript(&console.front.base()).await;

    browser.open(&console.sign_in_link()).await;
    browser.open(&format!("/x/{}/admin/tasks/?per=20", a.id)).await;
    assert!(!browser.holds("window.htmx").await, "JavaScript runs");
    let rows = "document.querySelectorAll('[data-task]').length";
    assert!(browser.holds(&format!("{rows} === 20")).await);
    assert!(
        browser
            .holds("document.querySelector('[data-script]').checkVisibility() === false")
            .await
    );
    browser.click(".pager a[href*='page=2']").await;
    browser.until(&format!("{rows} === 10")).await;
    browser.click(".chips a[href*='state=claimed']").await;
    browser.until(&format!("{rows} === 5")).await;
    let filtered = browser.path().await;
    assert!(
        filtered.contains("state=claimed") && filtered.contains("per=20"),
        "{filtered}"
    );

    browser.click("#switcher > summary").await;
    console.front.take_requests();
    browser.click(&format!("#switch-{}", b.id)).await;
    browser
        .until(&format!("document.body.dataset.experiment === '{}'", b.id))
        .await;
    let there = browser.path().await;
    assert!(
        there.starts_with(&format!("/x/{}/admin/tasks/?", b.id)) && there.contains("state=claimed"),
        "{there}"
    );
    let asked = console.front.take_requests();
    assert_eq!(
        pages(&asked),
        [
            format!("POST /admin/experiments/{}/select", b.id),
            format!("GET {there}")
        ],
        "a plain form, and 303"
    );
    assert!(asked.iter().all(|request| request.header("hx-request").is_none()));
    browser.click(".chips a[href*='state=pending']").await;
    browser.until("document.querySelector('[data-task=\"b-1\"]')").await;
    browser.click("[data-task='b-1'] a").await;
    browser.until("document.querySelector('h1').innerText === 'Task'").await;

    browser.click("#rail a[href='/admin/experiments/']").await;
    browser
        .click(&format!("[data-experiment-row={}] form button", a.id))
        .await;
    browser.until(&format!("location.pathname === '/x/{}/'", a.id)).await;

    browser.click("#rail a[href='/admin/experiments/']").await;
    browser
        .click(&format!("[data-experiment-row={unseeded}] form button"))
        .await;
    browser.until("document.querySelector('textarea[name=config]')").await;
    browser
        .fill("textarea[name=config]", "parallel_variants: no number")
        .await;
    browser.click("form.seed button").await;
    browser.until("document.querySelector('.field .error')").await;
    assert!(
        browser
            .text("document.querySelector('textarea[name=config]').value")
            .await
            .contains("no number")
    );
    browser.fill("textarea[name=config]", CONFIG).await;
    browser.click("form.seed button").await;
    browser
        .until(&format!(
            "location.pathname === '/x/{unseeded}/' && !document.querySelector('textarea')"
        ))
        .await;
    assert_eq!(browser.text("document.querySelector('h1').innerText").await, "gamma");

    browser.click("#operator > summary").await;
    browser.click("#operator form button").await;
    browser.until("location.pathname === '/signin'").await;
    browser.open(&format!("/x/{}/", a.id)).await;
    browser.until("document.querySelector('input[name=token]')").await;
}
