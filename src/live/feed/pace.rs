//! How often and for how long a server is asked by long-poll.

use std::time::Duration;

use tokio::time::Instant;

/// How long a request asks the server to wait for an event. The server may wait longer.
pub(super) const REQUESTED_WAIT: Duration = Duration::from_secs(10);
/// The shortest time between requests to a server that answers without events and without waiting.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// A server whose answer comes at most this much later than asked for respects the requested wait.
const TOLERANCE: Duration = Duration::from_secs(2);
/// How much later than asked for such a server may answer before its silence counts as a failure.
const GRACE: Duration = Duration::from_secs(5);
/// How long any other server may take. It may hold a subscription for 30 s whatever it is asked (`ch07 §8`).
const MAX_ANSWER_TIME: Duration = Duration::from_secs(40);

/// What a server's answers said about its pace.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Whether one of its answers showed that it respects the requested wait.
    respects_wait: bool,
    earliest: Option<Instant>,
}

impl Pace {
    /// The earliest time for the next request, if it is not now.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.earliest
    }

    /// How long an answer may take.
    pub(super) fn limit(&self) -> Duration {
        match self.respects_wait {
            true => REQUESTED_WAIT + GRACE,
            false => MAX_ANSWER_TIME,
        }
    }

    /// The server answered a subscription.
    pub(super) fn answered(&mut self, sent: Instant, received: Instant, is_empty: bool) {
        let took = received.duration_since(sent);
        let at_once = is_empty && took < MIN_INTERVAL;
        self.earliest = at_once.then(|| sent + MIN_INTERVAL);
        self.respects_wait |= is_empty && !at_once && took <= REQUESTED_WAIT + TOLERANCE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_answers_nothing_at_once_is_asked_once_a_second() {
        let (mut pace, asked) = (Pace::default(), Instant::now());
        pace.answered(asked, asked + Duration::from_millis(3), true);
        assert_eq!(pace.earliest(), Some(asked + MIN_INTERVAL));
        pace.answered(asked, asked + Duration::from_millis(3), false);
        assert_eq!(
            pace.earliest(),
            None,
            "an answer with events is followed by the next request at once"
        );
        pace.answered(asked, asked + REQUESTED_WAIT, true);
        assert_eq!(pace.earliest(), None);
    }

    #[test]
    fn an_answer_may_take_as_long_as_the_server_may_wait() {
        let (mut pace, asked) = (Pace::default(), Instant::now());
        for (took, is_empty) in [(3, false), (0, true), (30, true)] {
            pace.answered(asked, asked + Duration::from_secs(took), is_empty);
            assert_eq!(pace.limit(), MAX_ANSWER_TIME, "{took} s");
        }
        pace.answered(asked, asked + REQUESTED_WAIT, true);
        assert_eq!(pace.limit(), REQUESTED_WAIT + GRACE);
        pace.answered(asked, asked, false);
        assert_eq!(pace.limit(), REQUESTED_WAIT + GRACE, "what was learned stays");
    }
}
