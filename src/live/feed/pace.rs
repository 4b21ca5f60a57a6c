//! How often, and for how long, a server is asked by long-poll.

use std::time::Duration;

use tokio::time::Instant;

/// How long one long-poll asks the server to wait for an event. A server may hold it for longer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// A server that has nothing to tell and does not wait is asked no more often than this.
const FLOOR: Duration = Duration::from_secs(1);
/// An answer this much later than asked for still heeds what was asked.
const HEEDED: Duration = Duration::from_secs(2);
/// How much later than asked for an answer of such a server may come before its silence counts as a fault.
const GRACE: Duration = Duration::from_secs(5);
/// A server may hold a subscription for 30 s whatever it is asked (`ch07 §8`); this leaves room for the way.
const LONGEST: Duration = Duration::from_secs(40);

/// What was learnt of a server from its answers.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Whether it waits as long as it is asked to, as one did.
    heeds: bool,
    earliest: Option<Instant>,
}

impl Pace {
    /// When the server may be asked again, if not at once.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.earliest
    }

    /// How long to wait for an answer.
    pub(super) fn limit(&self) -> Duration {
        match self.heeds {
            true => PATIENCE + GRACE,
            false => LONGEST,
        }
    }

    /// The server answered a subscription.
    pub(super) fn answered(&mut self, asked: Instant, answered: Instant, is_empty: bool) {
        let took = answered.duration_since(asked);
        let at_once = is_empty && took < FLOOR;
        self.earliest = at_once.then(|| asked + FLOOR);
        self.heeds |= is_empty && !at_once && took <= PATIENCE + HEEDED;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_answers_nothing_at_once_is_asked_once_a_second() {
        let (mut pace, asked) = (Pace::default(), Instant::now());
        pace.answered(asked, asked + Duration::from_millis(3), true);
        assert_eq!(pace.earliest(), Some(asked + FLOOR));
        pace.answered(asked, asked + Duration::from_millis(3), false);
        assert_eq!(pace.earliest(), None, "news are followed by more at once");
        pace.answered(asked, asked + PATIENCE, true);
        assert_eq!(pace.earliest(), None);
    }

    #[test]
    fn silence_is_borne_for_as_long_as_the_server_may_be_silent() {
        let (mut pace, asked) = (Pace::default(), Instant::now());
        for (took, is_empty) in [(3, false), (0, true), (30, true)] {
            pace.answered(asked, asked + Duration::from_secs(took), is_empty);
            assert_eq!(pace.limit(), LONGEST, "{took} s");
        }
        pace.answered(asked, asked + PATIENCE, true);
        assert_eq!(pace.limit(), PATIENCE + GRACE);
        pace.answered(asked, asked, false);
        assert_eq!(pace.limit(), PATIENCE + GRACE, "what is learnt is kept");
    }
}
