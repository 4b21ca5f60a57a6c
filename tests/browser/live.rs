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

#[tokio::test(flavor = "multi_thread")]
async fn a_refetch_that_waited_names_what_is_shown_by_then() {
    let console = Console::start().await;
    let lab = console.world.lab("alpha").await;
    lab.ideation("a-1").await;
    let browser = console.browser().await;
    console.show(&browser, &format!("/x/{}/admin/tasks/", lab.id)).await;
    browser
        .js("window.__tags = [];
             const real = window.fetch;
             window.fetch = async (url, options) => {
                 const asked = options?.headers?.['Switchboard-Regions'];
                 if (asked?.includes('tasks=')) window.__tags.push(asked);
                 const answer = await real(url, options);
                 if (asked) await new Promise((done) => setTimeout(done, 300));
                 return answer;
             };
             const region = document.getElementById('region-tasks');
             window.__tag = region.dataset.etag;
             region.dataset.etag = '0000000000000000';
             region.dispatchEvent(new CustomEvent('refresh'));
             setTimeout(() => region.dispatchEvent(new CustomEvent('refresh')), 50);")
        .await;
    browser.until("window.__tags.length === 2").await;
    assert!(browser.holds("window.__tags[0] === 'tasks=\"0000000000000000\"'").await);
    assert!(browser.holds("window.__tags[1] === `tasks=\"${window.__tag}\"`").await);
}
