//! When changes are sent: the first at once, those that follow together.

use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::time::Instant;

/// Spaces the batches of one stream. A change that comes alone is sent at once. One that comes soon after another waits
/// for the shorter interval, and while changes keep coming the interval is the longer one, so that a busy experiment costs
/// a page no more than two requests a second.
#[derive(Debug)]
pub(super) struct Batching {
    intervals: RangeInclusive<Duration>,
    sent_at: Option<Instant>,
    /// The next batch is not sent before.
    interval: Duration,
}

impl Batching {
    /// No batch was sent yet.
    pub fn new(intervals: RangeInclusive<Duration>) -> Self {
        Self {
            interval: *intervals.start(),
            intervals,
            sent_at: None,
        }
    }

    /// When a change that comes now may be sent.
    pub fn due(&mut self, now: Instant) -> Instant {
        let Some(due) = self.sent_at.map(|sent_at| sent_at + self.interval) else {
            return now;
        };
        let interval = if due > now {
            self.intervals.end()
        } else {
            self.intervals.start()
        };
        self.interval = *interval;
        due.max(now)
    }

    /// A batch is sent now.
    pub fn sent(&mut self, now: Instant) {
        self.sent_at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When changes at these times are sent, in milliseconds. Changes that come while one waits are sent with it.
    fn sent(changes: impl IntoIterator<Item = u64>) -> Vec<u128> {
        let start = Instant::now();
        let mut batching = Batching::new(Duration::from_millis(250)..=Duration::from_millis(500));
        let mut sent = Vec::new();
        for change in changes {
            if sent.last().is_some_and(|sent| *sent >= u128::from(change)) {
                continue;
            }
            let due = batching.due(start + Duration::from_millis(change));
            batching.sent(due);
            sent.push((due - start).as_millis());
        }
        sent
    }

    #[test]
    fn the_first_change_is_sent_at_once_and_those_that_keep_coming_twice_a_second() {
        assert_eq!(sent([5]), [5]);
        assert_eq!(sent([0, 500, 1000]), [0, 500, 1000], "each comes alone");
        assert_eq!(sent([0, 100]), [0, 250]);
        assert_eq!(sent((0..20).map(|n| n * 100)), [0, 250, 750, 1250, 1750, 2250]);
        assert_eq!(
            sent([0, 100, 200, 1000, 1100]),
            [0, 250, 1000, 1250],
            "quiet in between"
        );
    }
}
