//! A long-poll feed: its state, which knows neither sockets nor clocks, and the loop that sends the requests.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::pace::{Pace, REQUESTED_WAIT};
use crate::client::{ClientError, ExperimentClient, WatchEvent};
use crate::protocol::EventBatch;

/// The next request.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    /// Ask for what comes after this position of the log.
    cursor: u64,
    /// How long the server is asked to wait for an event, and how long its answer may take. None: it shall answer at
    /// once.
    wait: Option<(Duration, Duration)>,
    /// The earliest time to send it.
    not_before: Option<Instant>,
}

/// An answer with this many events may be as long as the server allows. A subscription usually delivers far fewer.
const FULL_ANSWER: usize = 50;

/// The state of a long-poll.
#[derive(Debug)]
struct LongPoll {
    cursor: u64,
    /// Whether the log may have more already. Then the server is asked not to wait.
    is_behind: bool,
    pace: Pace,
}

impl LongPoll {
    fn new(cursor: u64) -> Self {
        Self {
            cursor,
            is_behind: true,
            pace: Pace::default(),
        }
    }

    fn next_request(&self) -> Request {
        Request {
            cursor: self.cursor,
            wait: (!self.is_behind).then(|| (REQUESTED_WAIT, self.pace.limit())),
            not_before: self.pace.earliest(),
        }
    }

    /// The changes in the answer to the last [`Request`]. Each event comes once and without a gap, with the cursor
    /// after it. That is counted here; the server's own cursor only tells whether its log has become shorter. The
    /// heartbeat comes once there are no more events, since a server may give only a few at a time.
    fn answered(&mut self, sent: Instant, received: Instant, batch: EventBatch) -> Vec<WatchEvent> {
        let count = batch.events.len();
        let was_behind = self.is_behind;
        if !was_behind {
            self.pace.answered(sent, received, count == 0);
        }
        // A request that waits is answered with everything that happened since.
        self.is_behind = count > 0 && (was_behind || count >= FULL_ANSWER);
        if batch.cursor < self.cursor {
            // The log is shorter than it was: it is another one, or was restored from a backup.
            return vec![WatchEvent::Resync];
        }
        let from = self.cursor + 1;
        self.cursor += batch.events.len() as u64;
        let logged = (from..).zip(batch.events).map(|(cursor, event)| WatchEvent::Logged {
            event: Box::new(event),
            cursor,
        });
        logged
            .chain((!self.is_behind).then_some(WatchEvent::Heartbeat))
            .collect()
    }
}

/// A long-poll on a connection.
pub(in crate::live) struct LongPolling {
    client: ExperimentClient,
    state: LongPoll,
    /// Changes that were received and not yet taken.
    pending: VecDeque<WatchEvent>,
}

impl LongPolling {
    pub(super) fn new(client: ExperimentClient, cursor: u64) -> Self {
        Self {
            client,
            state: LongPoll::new(cursor),
            pending: [WatchEvent::Connected].into(),
        }
    }

    /// A batch of what was received already; none if nothing was.
    pub(super) fn ready(&mut self, max: usize) -> Option<Vec<WatchEvent>> {
        let count = self.pending.len().min(max);
        (count > 0).then(|| self.pending.drain(..count).collect())
    }

    pub(super) async fn next_batch(&mut self, max: usize) -> Result<Vec<WatchEvent>, ClientError> {
        loop {
            if let Some(batch) = self.ready(max) {
                return Ok(batch);
            }
            let Request {
                cursor,
                wait,
                not_before,
            } = self.state.next_request();
            if let Some(earliest) = not_before {
                sleep_until(earliest).await;
            }
            let sent = Instant::now();
            let batch = match wait {
                None => match self.client.events(cursor, None).await {
                    // It would be as slow the next time; a list takes less.
                    Err(error) if error.is_timeout() => return Ok(vec![WatchEvent::Resync]),
                    answer => answer?,
                },
                Some((wait, limit)) => timeout(limit, self.client.subscribe(cursor, wait))
                    .await
                    .unwrap_or(Err(ClientError::TimedOut))?,
            };
            self.pending.extend(self.state.answered(sent, Instant::now(), batch));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::Event;

    fn event(number: u64) -> Event {
        let event = serde_json::json!({
            "event_id": format!("{number}"), "type": "task.created", "occurred_at": "2026-01-02T03:04:05.000Z",
            "experiment_id": "exp_00000000000000000000000000", "data": {},
        });
        serde_json::from_value(event).expect("an event")
    }

    /// The answer of a server whose log has `length` events, and which gives at most `max` events at once.
    fn answer(cursor: u64, length: u64, max: u64) -> EventBatch {
        let to = length.min(cursor + max).max(cursor);
        EventBatch {
            events: (cursor + 1..=to).map(event).collect(),
            cursor: to.min(length),
        }
    }

    #[test]
    fn the_first_request_does_not_wait_and_the_others_do() {
        let mut poll = LongPoll::new(7);
        let now = Instant::now();
        assert_eq!(
            poll.next_request(),
            Request {
                cursor: 7,
                wait: None,
                not_before: None
            }
        );
        assert_eq!(poll.answered(now, now, answer(7, 7, 10)), [WatchEvent::Heartbeat]);
        let request = poll.next_request();
        assert_eq!(
            (request.cursor, request.not_before),
            (7, None),
            "the first answer says nothing about its pace"
        );
        assert!(request.wait.is_some());
    }

    #[test]
    fn a_backlog_is_read_to_its_end_without_waiting() {
        let mut poll = LongPoll::new(0);
        let now = Instant::now();
        let beats = |changes: Vec<WatchEvent>| changes.contains(&WatchEvent::Heartbeat);
        assert!(!beats(poll.answered(now, now, answer(0, 5, 3))));
        assert!(!beats(poll.answered(now, now, answer(3, 5, 3))));
        assert_eq!(
            (poll.next_request().cursor, poll.next_request().wait),
            (5, None),
            "there may be more"
        );
        assert!(beats(poll.answered(now, now, answer(5, 5, 3))));
        assert!(poll.next_request().wait.is_some());
        assert!(beats(poll.answered(now, now, answer(5, 6, 100))));
        assert!(poll.next_request().wait.is_some(), "one event is no backlog");
        assert!(
            !beats(poll.answered(now, now, answer(6, 1_000, 100))),
            "a server that gives 100 at most"
        );
        assert_eq!(poll.next_request().wait, None);
    }

    #[test]
    fn a_log_that_became_shorter_is_listed_again() {
        let mut poll = LongPoll::new(7);
        let now = Instant::now();
        assert_eq!(poll.answered(now, now, answer(7, 5, 10)), [WatchEvent::Resync]);
    }

    proptest! {
        #[test]
        fn every_event_is_delivered_once_with_the_cursor_after_it(
            start in 0_u64..50,
            max in 1_u64..120,
            steps in prop::collection::vec(0_u64..400, 1..40),
        ) {
            let mut poll = LongPoll::new(start);
            let (mut length, mut told) = (start, Vec::new());
            for more in steps {
                // Often nothing, so that the backlog ends now and then.
                length += more.saturating_sub(300);
                let now = Instant::now();
                let waits = poll.next_request().wait.is_some();
                let answer = answer(poll.next_request().cursor, length, max);
                let is_few = answer.events.len() < FULL_ANSWER;
                let changes = poll.answered(now, now, answer);
                let beats = changes.iter().filter(|change| **change == WatchEvent::Heartbeat).count();
                // Everything was delivered, or at least everything that the client can know of.
                if beats > 0 {
                    prop_assert_eq!(changes.last(), Some(&WatchEvent::Heartbeat));
                    prop_assert!(poll.cursor == length || (waits && is_few), "{} of {}", poll.cursor, length);
                }
                prop_assert_eq!(beats == 0, poll.next_request().wait.is_none());
                told.extend(changes.into_iter().filter_map(|change| match change {
                    WatchEvent::Logged { event, cursor } => Some((event.event_id.to_string(), cursor)),
                    _ => None,
                }));
            }
            let expected: Vec<_> = (start + 1..=poll.cursor).map(|n| (n.to_string(), n)).collect();
            prop_assert_eq!(told, expected);
        }
    }
}
