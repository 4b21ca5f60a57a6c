//! A journey with browsers that accept different content codings.

use crate::console::Console;

/// What a browser accepts, and the coding that it gets.
const ACCEPTED: [(&str, &str); 4] = [
    ("br,gzip,deflate,zstd", "br"),
    ("gzip,deflate", "gzip"),
    ("zstd", ""),
    ("", ""),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_browser_reads_pages_assets_and_changes() {
    let console = Console::start().await;
    let lab = console.world.lab("alpha").await;
    for n in 0..20 {
        lab.ideation(&format!("a-{n}")).await;
    }
    for (at, (accepted, coding)) in ACCEPTED.into_iter().enumerate() {
        console.streams.accept(accepted);
        let browser = console.browser().await;
        console.show(&browser, &format!("/x/{}/admin/tasks/", lab.id)).await;
        // The page, the stylesheet and the scripts; the icon is small.
        let codings = "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
            .filter((entry) => /(admin|[.]css|[.]js)/.test(entry.name.split('/').pop() || 'admin'))
            .map((entry) => entry.contentEncoding)";
        let got = browser.text(&format!("{codings}.join()")).await;
        let expected = [coding; 5].join(",");
        assert_eq!(got, expected, "accepting {accepted:?}");

        // A change of some rows, and a list that is new to the page.
        let task = format!("a-{at}").parse().expect("an id");
        lab.claim(&task).await;
        browser
            .until(&format!(
                "document.querySelector('[data-task=\"{task}\"]').innerText.includes('claimed')"
            ))
            .await;
        browser.click("#rail [data-go='e']").await;
        browser
            .until("document.querySelectorAll('[data-event]').length > 20")
            .await;
        browser.back().await;
        browser
            .until("document.querySelectorAll('[data-task]').length === 20")
            .await;
        assert_eq!(browser.complaints().await, [""; 0], "accepting {accepted:?}");
    }
}
