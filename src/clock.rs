//! The only reader of wall time, so that tests can set it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::protocol::Timestamp;

/// The longest sleep before the wall clock is read again, since it may be set meanwhile.
const MAX_SLEEP: Duration = Duration::from_secs(10);

/// The wall clock. Cheap to clone.
#[derive(Clone, Default)]
pub struct Clock(Source);

#[derive(Clone, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<watch::Sender<i64>>),
}

impl Clock {
    /// A clock that stands still at `start` until [`Clock::advance`] moves it.
    pub fn manual(start: Timestamp) -> Self {
        let start = watch::Sender::new(start.instant().as_millisecond());
        Self(Source::Manual(Arc::new(start)))
    }

    /// The current instant, to the millisecond.
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of wall time")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => jiff::Timestamp::now().into(),
            Source::Manual(millis) => jiff::Timestamp::from_millisecond(*millis.borrow())
                .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
                .into(),
        }
    }

    /// Whether an instant lies in the past and less than `span` back.
    pub fn is_recent(&self, instant: Timestamp, span: Duration) -> bool {
        let age = self.now().instant().duration_since(instant.instant());
        u128::try_from(age.as_millis()).is_ok_and(|age| age < span.as_millis())
    }

    /// Moves a manual clock forward. It has no effect on the system's clock.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(millis) = &self.0 {
            let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
            millis.send_modify(|millis| *millis = millis.saturating_add(by));
        }
    }

    /// Waits until [`Clock::now`] is later than `instant`, to the millisecond.
    pub async fn wait_past(&self, instant: Timestamp) {
        let goal = instant.instant().as_millisecond();
        match &self.0 {
            Source::System => loop {
                let left = goal - self.now().instant().as_millisecond();
                let Ok(left) = u64::try_from(left) else { return };
                tokio::time::sleep(Duration::from_millis(left + 1).min(MAX_SLEEP)).await;
            },
            Source::Manual(millis) => {
                let mut millis = millis.subscribe();
                // The sender is in `self`, so it outlives this wait.
                let _ = millis.wait_for(|now| *now > goal).await;
            }
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_on_a_manual_clock_ends_when_it_is_moved() {
        let start: Timestamp = "2026-01-02T03:04:05Z".parse().expect("an instant");
        let clock = Clock::manual(start);
        let wait = clock.wait_past(start);
        tokio::pin!(wait);
        assert!(futures_util::poll!(wait.as_mut()).is_pending(), "not yet past it");
        clock.advance(Duration::from_millis(1));
        wait.await;
        Clock::default().wait_past(start).await;
    }
}
