//! In and out.

use std::time::Duration;

use crate::chromium::Browser;
use crate::console::{Console, Purpose, purpose};

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_link_lets_one_browser_in_once() {
    let console = Console::start().await;
    let lab = console.world.lab("alpha").await;
    let link = console.sign_in_link();

    let browser = Browser::start(&console.front.base()).await;
    browser.open("/").await;
    browser
        .until("document.querySelector('form[action=\"/signin\"] input[name=token]')")
        .await;
    browser.open(&link).await;
    // There is one experiment, so it is the one to begin with.
    browser
        .until(&format!("document.body.dataset.experiment === '{}'", lab.id))
        .await;
    assert_eq!(browser.path().await, format!("/x/{}/", lab.id));
    assert_eq!(browser.text("document.querySelector('h1').innerText").await, "alpha");
    let cookies = browser.js("return document.cookie").await;
    assert_eq!(cookies, "", "no script can read the session");

    let other = Browser::start(&console.front.base()).await;
    other.open(&link).await;
    other
        .until("document.querySelector('#main').innerText.includes('used already')")
        .await;
    other.open(&format!("/x/{}/", lab.id)).await;
    other.until("document.querySelector('input[name=token]')").await;

    browser.click("#operator > summary").await;
    browser.click("#operator form button").await;
    browser.until("location.pathname === '/signin'").await;
    browser.open(&format!("/x/{}/admin/tasks/", lab.id)).await;
    browser.until("document.querySelector('input[name=token]')").await;
}

const NOTICES: &str = "[...document.querySelectorAll('#notices p')].map((p) => p.innerText).join('|')";

/// Ends the session behind the page's back, and waits until the page has said so.
async fn end_session(console: &Console, browser: &Browser) {
    browser.forget_cookies().await;
    console.front.cut();
    browser
        .until("document.getElementById('freshness').hasAttribute('data-lost')")
        .await;
    console.front.heal();
    browser.until(&format!("{NOTICES} === 'You are signed out.'")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_in_the_background_takes_nothing_away() {
    let console = Console::start().await;
    let lab = console.world.lab("alpha").await;
    let browser = console.browser().await;
    let tasks = format!("/x/{}/admin/tasks/", lab.id);
    console.show(&browser, &tasks).await;
    browser.js("window.__same = 1").await;
    browser.press("s").await;
    browser.until("document.activeElement.id === 'switcher-filter'").await;
    browser.press("alp").await;

    end_session(&console, &browser).await;
    console.front.take_requests();
    lab.ideation("a-1").await;
    browser
        .js("document.querySelectorAll('[data-region]').forEach((part) => part.dispatchEvent(new CustomEvent('refresh')))")
        .await;
    // Longer than the pause between two attempts to reconnect.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let asked = console.front.take_requests();
    assert!(asked.is_empty(), "nothing is asked without a session: {asked:#?}");
    assert_eq!(browser.text(NOTICES).await, "You are signed out.");
    assert!(browser.holds("window.__same === 1").await, "the page stays");
    assert_eq!(
        browser.text("document.getElementById('switcher-filter').value").await,
        "alp"
    );
    assert!(
        browser
            .holds("document.querySelector('#freshness .why').textContent.includes('signed out')")
            .await
    );

    // Signed in again elsewhere, the operator goes on here, and the page follows again.
    let link = console.sign_in_link();
    browser.js(&format!("return fetch('{link}').then(() => 1)")).await;
    console.front.take_requests();
    browser.click("#rail a[data-go=i]").await;
    browser
        .until("document.querySelector('h1').innerText === 'Ideas'")
        .await;
    console.streaming(&browser).await;
    assert!(browser.holds("window.__same === 1").await);
    assert_eq!(browser.text(NOTICES).await, "");

    end_session(&console, &browser).await;
    console.front.take_requests();
    browser.click("#notices a").await;
    browser.until("location.pathname === '/signin'").await;
    assert_eq!(
        browser.text("new URLSearchParams(location.search).get('next')").await,
        format!("/x/{}/admin/ideas/", lab.id)
    );
    let asked = console.front.take_requests();
    assert!(
        asked.iter().all(|request| purpose(request) != Purpose::Region),
        "{asked:#?}"
    );
}
