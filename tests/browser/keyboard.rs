//! Everything by keyboard.

use fantoccini::key::Key;

use crate::console::{Console, pages};

fn key(key: Key) -> String {
    char::from(key).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_reaches_everything() {
    let console = Console::start().await;
    let a = console.world.lab("alpha").await;
    let b = console.world.lab("beta").await;
    let browser = console.browser().await;
    console.show(&browser, &format!("/x/{}/", a.id)).await;

    browser.press(&key(Key::Tab)).await;
    assert!(browser.holds("document.activeElement.matches('a.skip')").await);
    browser.press(&key(Key::Enter)).await;
    browser.until("document.activeElement.id === 'main'").await;

    browser.reload().await;
    console.streaming(&browser).await;
    let mut presses = 0;
    while !browser
        .holds("document.activeElement.matches('#switcher > summary')")
        .await
    {
        presses += 1;
        assert!(presses < 8, "Tab does not reach the switcher");
        browser.press(&key(Key::Tab)).await;
    }
    let ring = "getComputedStyle(document.activeElement).outlineStyle !== 'none'";
    assert!(browser.holds(ring).await, "where the focus is can be seen");
    browser.press(&key(Key::Enter)).await;
    browser.until("document.activeElement.id === 'switcher-filter'").await;
    browser.press(&key(Key::Escape)).await;
    browser.until("!document.getElementById('switcher').open").await;
    assert!(
        browser
            .holds("document.activeElement.matches('#switcher > summary')")
            .await
    );

    browser.press("?").await;
    browser.until("document.getElementById('keys').open").await;
    browser.press(&key(Key::Escape)).await;
    browser.until("!document.getElementById('keys').open").await;

    console.front.take_requests();
    browser.press("gt").await;
    let tasks = format!("/x/{}/admin/tasks/", a.id);
    browser.until(&format!("location.pathname === '{tasks}'")).await;
    browser
        .until("document.querySelector('h1').innerText === 'Tasks'")
        .await;
    assert_eq!(pages(&console.front.take_requests()), [format!("GET {tasks}")]);
    browser.press("s").await;
    browser.until("document.activeElement.id === 'switcher-filter'").await;
    browser.press("beta").await;
    browser.press(&key(Key::Enter)).await;
    browser
        .until(&format!("document.body.dataset.experiment === '{}'", b.id))
        .await;
    browser.until("document.activeElement.id === 'main'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_without_a_modifier_can_be_switched_off() {
    let console = Console::start().await;
    let lab = console.world.lab("alpha").await;
    let browser = console.browser().await;
    let overview = format!("/x/{}/", lab.id);
    console.show(&browser, &overview).await;

    browser.press("?").await;
    browser.until("document.getElementById('keys').open").await;
    browser.click("#single-keys").await;
    browser.press(&key(Key::Escape)).await;
    browser.until("!document.getElementById('keys').open").await;
    browser.reload().await;
    console.streaming(&browser).await;
    for keys in ["s", "?", "gt"] {
        browser.press(keys).await;
    }
    assert!(!browser.holds("document.getElementById('switcher').open").await);
    assert!(!browser.holds("document.getElementById('keys').open").await);
    assert_eq!(browser.path().await, overview);
    let chord = "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'k', ctrlKey: true, bubbles: true }))";
    browser.js(chord).await;
    browser.until("document.activeElement.id === 'switcher-filter'").await;
    browser.press(&key(Key::Escape)).await;

    browser.click("[data-keys]").await;
    browser.until("document.getElementById('keys').open").await;
    assert!(!browser.holds("document.getElementById('single-keys').checked").await);
    browser.click("#single-keys").await;
    browser.press(&key(Key::Escape)).await;
    browser.until("!document.getElementById('keys').open").await;
    browser.press("s").await;
    browser.until("document.activeElement.id === 'switcher-filter'").await;
}
