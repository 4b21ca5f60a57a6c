//! In and out.

use crate::chromium::Browser;
use crate::console::Console;

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
