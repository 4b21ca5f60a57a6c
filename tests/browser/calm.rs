//! Updates leave the operator's own doings alone.

use crate::console::Console;
use crate::life::Life;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_updates_disturb_nobody() {
    let console = Console::start().await;
    let lab = console.world.lab("alpha").await;
    let mut tasks = Vec::new();
    for n in 0..60 {
        tasks.push(lab.ideation(&format!("a-{n}")).await);
    }
    let browser = console.browser().await;
    console.show(&browser, &format!("/x/{}/admin/tasks/", lab.id)).await;
    browser.click("#switcher > summary").await;
    browser.until("document.activeElement.id === 'switcher-filter'").await;
    browser.press("alph").await;
    browser
        .js("scrollTo(0, 700); window.__same = 1; window.__filter = document.activeElement")
        .await;
    browser.js("document.activeElement.setSelectionRange(1, 3)").await;
    let doings = "[scrollY, document.activeElement.id, document.activeElement.value, \
        document.activeElement.selectionStart, document.activeElement.selectionEnd, \
        document.getElementById('switcher').open, document.activeElement === window.__filter, window.__same].join()";
    let before = browser.text(doings).await;
    assert_eq!(before, "700,switcher-filter,alph,1,3,true,true,1");

    for task in tasks.iter().rev().take(50) {
        lab.claim(&task.task_id).await;
    }
    // The switcher is a region too, and changes under the typing hand.
    let other = console.world.register("alphorn").await;
    let unlike = console.world.register("beta").await;
    browser
        .until("document.querySelector('[data-task=\"a-10\"]').innerText.includes('claimed')")
        .await;
    browser
        .until(&format!("document.querySelector('#switch-{other}')?.hidden === false"))
        .await;
    browser
        .until(&format!("document.querySelector('#switch-{unlike}')?.hidden === true"))
        .await;
    assert_eq!(browser.text(doings).await, before);
    let claimed = "[...document.querySelectorAll('[data-task]')].filter((r) => r.innerText.includes('claimed')).length";
    assert!(browser.holds(&format!("{claimed} === 50")).await);

    // A selection is the operator's too: a row that changes does not take it away.
    browser.press("\u{E00C}").await;
    browser
        .js("getSelection().selectAllChildren(document.querySelector('[data-task=\"a-5\"] .state'))")
        .await;
    lab.claim(&tasks[5].task_id).await;
    lab.claim(&tasks[6].task_id).await;
    browser
        .until("document.querySelector('[data-task=\"a-6\"]').innerText.includes('claimed')")
        .await;
    assert_eq!(browser.text("getSelection().toString()").await, "pending");
    browser.js("getSelection().removeAllRanges()").await;
    browser
        .until("document.querySelector('[data-task=\"a-5\"]').innerText.includes('claimed')")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_opened_within_a_region_stays_open_when_the_region_changes() {
    let console = Console::start().await;
    let lab = console.world.lab("alpha").await;
    let mut life = Life {
        orchestrator: lab.orchestrator.clone(),
        worker: lab.worker.clone(),
        witness: (),
    };
    life.live("0").await.expect("lived");
    let browser = console.browser().await;
    console.show(&browser, &format!("/x/{}/", lab.id)).await;
    let improvements = "document.querySelectorAll('#region-progress #chart-improvements tbody tr').length";
    browser.until(&format!("{improvements} === 1")).await;
    browser.click("#chart-improvements > summary").await;
    browser
        .js("window.__table = document.getElementById('chart-improvements')")
        .await;
    let is_open = "document.getElementById('chart-improvements') === window.__table && window.__table.open";
    assert!(browser.holds(is_open).await);

    // A better score: a point more in the plot, a row more in the table.
    life.live("1").await.expect("lived");
    browser.until(&format!("{improvements} === 2")).await;
    assert!(browser.holds(is_open).await, "the table was closed or replaced");
}
