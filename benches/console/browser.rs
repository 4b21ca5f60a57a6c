//! The time from a commit in the backend to the changed row in a real Chromium.

use std::collections::HashMap;
use std::time::Duration;

use crate::binary::Binary;
use crate::chromium::Chromium;
use crate::deployment::Lab;
use crate::stats::{Sorted, ms, table};
use crate::{Options, Outcome, load};

/// The interval between two events.
const EVENT_INTERVAL: Duration = Duration::from_millis(100);

/// Records when the row of each event first appears in the page, by the clock that the server uses too.
const OBSERVE: &str = "
    window.seen = {};
    const look = () => {
        const now = performance.timeOrigin + performance.now();
        for (const row of document.querySelectorAll('tr[data-event]')) window.seen[row.dataset.event] ??= now;
    };
    look();
    window.held = Object.keys(window.seen).length;
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
    return window.held;
";

pub fn run(options: &Options) -> Outcome {
    let home = tempfile::tempdir()?;
    let binary = Binary::start(home.path(), false)?;
    load::runtime()?.block_on(async {
        let browser = Chromium::start().await?;
        measure(options, &binary, &browser).await
    })
}

async fn measure(options: &Options, binary: &Binary, browser: &Chromium) -> Outcome {
    let wanted = options.browser_events;
    let lab = Lab::begin(&binary.admin()?, "browser").await?;
    lab.fill(20).await?;
    let origin = format!("http://{}", binary.console);
    browser.open(&format!("{origin}{}", binary.sign_in)).await?;
    browser
        .open(&format!("{origin}/x/{}/admin/events/?per=300", lab.id))
        .await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let held = browser.script(OBSERVE).await?;
    if held.as_u64().unwrap_or_default() < 20 {
        return Err(format!("the page holds {held} events before the first of the measurement").into());
    }
    let from = lab.orchestrator.events(0, None).await?.events.len();

    let mut pace = tokio::time::interval(EVENT_INTERVAL);
    for number in 0..wanted {
        pace.tick().await;
        lab.create(&format!("seen-{number:06}")).await?;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;

    let seen = browser.script("return window.seen").await?;
    let seen: HashMap<String, f64> = serde_json::from_value(seen)?;
    let events = lab.orchestrator.events(from as u64, None).await?.events;
    if events.len() != wanted {
        return Err(format!("{} events were committed and not {wanted}", events.len()).into());
    }
    let times: Vec<Duration> = events
        .iter()
        .filter_map(|event| {
            let committed = event.occurred_at.instant().as_millisecond() as f64;
            let took = (seen.get(&event.event_id)? - committed).max(0.0);
            Some(Duration::from_secs_f64(took / 1e3))
        })
        .collect();
    let number = times.len();
    let times = Sorted::new(times);
    table(
        &["commit to DOM", "p50", "p90", "p99", "max"],
        &[vec![
            format!("{number} of {wanted} events seen"),
            ms(times.at(0.5)),
            ms(times.at(0.9)),
            ms(times.at(0.99)),
            ms(times.max()),
        ]],
    );
    println!(
        "\nevents every {EVENT_INTERVAL:?}; from the event's occurred_at, which is cut to milliseconds and precedes the \
         commit"
    );
    Ok(())
}
