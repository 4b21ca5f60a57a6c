//! Tasks that are created at a steady rate, and when a browser saw their rows.

use std::time::Duration;

use serde_json::{Map, Value};
use switchboard::clock::Clock;

use crate::Outcome;
use crate::deployment::Lab;
use crate::stats::Sorted;

/// The interval between two new tasks.
const INTERVAL: Duration = Duration::from_millis(500);

/// A task: its id, and when its creation was requested and acknowledged, in milliseconds since 1970.
pub struct Arrival {
    id: String,
    requested: i64,
    acknowledged: i64,
}

fn now() -> i64 {
    Clock::default().now().instant().as_millisecond()
}

/// Creates tasks for `time`.
pub async fn feed(lab: &Lab, time: Duration) -> Outcome<Vec<Arrival>> {
    let number = (time.as_millis() / INTERVAL.as_millis()) as usize;
    let mut arrivals = Vec::with_capacity(number);
    let mut pace = tokio::time::interval(INTERVAL);
    for index in 0..number {
        pace.tick().await;
        let (id, requested) = (format!("new-{index:06}"), now());
        lab.create(&id).await?;
        arrivals.push(Arrival {
            id,
            requested,
            acknowledged: now(),
        });
    }
    pace.tick().await;
    Ok(arrivals)
}

/// From the request and from its acknowledgement until the row was seen, of the rows that were.
pub fn delays(arrivals: &[Arrival], seen: &Map<String, Value>) -> (Sorted, Sorted) {
    let since = |from: fn(&Arrival) -> i64| {
        let delays = arrivals.iter().filter_map(|arrival| {
            let seen = seen.get(&arrival.id)?.as_f64()?;
            Some(Duration::from_secs_f64((seen - from(arrival) as f64).max(0.0) / 1e3))
        });
        Sorted::new(delays.collect())
    };
    (
        since(|arrival| arrival.requested),
        since(|arrival| arrival.acknowledged),
    )
}
