//! What changes shows by itself, and disturbs nobody.

use crate::console::{Console, pages};

#[tokio::test(flavor = "multi_thread")]
async fn a_row_changes_without_a_reload() {
    let console = Console::start().await;
    let lab = console.world.lab("alpha").await;
    let task = lab.ideation("a-1").await;
    let browser = console.browser().await;
    console.show(&browser, &format!("/x/{}/admin/tasks/", lab.id)).await;
    let row = |state: &str| format!("document.querySelector('[data-task=\"a-1\"]').innerText.includes('{state}')");
    assert!(browser.holds(&row("pending")).await);

    console.front.take_requests();
    browser.js("window.__same = 1").await;
    lab.claim(&task.task_id).await;
    let took = browser.until(&row("claimed")).await;
    println!("claimed shows {} ms after the answer to the claim", took.as_millis());
    assert!(browser.holds("window.__same === 1").await);
    assert_eq!(pages(&console.front.take_requests()), [""; 0]);
}
