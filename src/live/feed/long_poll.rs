//! A feed that asks: the state of a long-poll, which knows neither sockets nor clocks, and the loop that asks for it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::BATCH;
use super::pace::{PATIENCE, Pace};
use crate::client::{ClientError, ExperimentClient, WatchEvent};
use crate::protocol::EventBatch;

/// What to ask the server next.
#[derive(Debug, PartialEq, Eq)]
struct Ask {
    /// What comes after this much of the log.
    cursor: u64,
    /// How long the server should wait for something, and how long to wait for its answer; nothing when it should
    /// answer at once.
    wait: Option<(Duration, Duration)>,
    /// Not before then.
    not_before: Option<Instant>,
}

/// So many events in one answer may be as many as the server gives at once. Who follows is told of far fewer.
const FULL: usize = 50;

/// Where a long-poll stands.
#[derive(Debug)]
struct LongPoll {
    cursor: u64,
    /// Whether there may be more in the log already: what there is is asked for, and the server is not to wait.
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

    fn ask(&self) -> Ask {
        Ask {
            cursor: self.cursor,
            wait: (!self.is_behind).then(|| (PATIENCE, self.pace.limit())),
            not_before: self.pace.earliest(),
        }
    }

    /// The answer to the last [`Ask`], as changes. Events are told with the position they lead to, each once and without
    /// a gap, whatever the server says of its own position beyond whether it is behind. The beat comes once there is no
    /// more: a server may give a few at once only, as long as there are.
    fn answered(&mut self, asked: Instant, answered: Instant, batch: EventBatch) -> Vec<WatchEvent> {
        let count = batch.events.len();
        let was_behind = self.is_behind;
        if !was_behind {
            self.pace.answered(asked, answered, count == 0);
        }
        // A waiting request is answered with what happened since, which is all.
        self.is_behind = count > 0 && (was_behind || count >= FULL);
        if batch.cursor < self.cursor {
            // The log is shorter than it was: another one, or the same from a backup.
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
    told: VecDeque<WatchEvent>,
}

impl LongPolling {
    pub(super) fn new(client: ExperimentClient, cursor: u64) -> Self {
        Self {
            client,
            state: LongPoll::new(cursor),
            told: [WatchEvent::Connected].into(),
        }
    }

    /// What was told already and not taken yet.
    pub(super) fn told(&mut self) -> Option<Vec<WatchEvent>> {
        let count = self.told.len().min(BATCH);
        (count > 0).then(|| self.told.drain(..count).collect())
    }

    pub(super) async fn next_batch(&mut self) -> Result<Vec<WatchEvent>, ClientError> {
        loop {
            if let Some(told) = self.told() {
                return Ok(told);
            }
            let Ask {
                cursor,
                wait,
                not_before,
            } = self.state.ask();
            if let Some(earliest) = not_before {
                sleep_until(earliest).await;
            }
            let asked = Instant::now();
            let batch = match wait {
                None => match self.client.events(cursor, None).await {
                    // It would be as late the next time; a list says the same in fewer words.
                    Err(error) if error.is_timeout() => return Ok(vec![WatchEvent::Resync]),
                    answer => answer?,
                },
                Some((patience, limit)) => timeout(limit, self.client.subscribe(cursor, patience))
                    .await
                    .unwrap_or(Err(ClientError::TimedOut))?,
            };
            self.told.extend(self.state.answered(asked, Instant::now(), batch));
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

    /// The answer of a server whose log is `length` long, and which gives at most `most` events at once.
    fn answer(cursor: u64, length: u64, most: u64) -> EventBatch {
        let to = length.min(cursor + most).max(cursor);
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
            poll.ask(),
            Ask {
                cursor: 7,
                wait: None,
                not_before: None
            }
        );
        assert_eq!(poll.answered(now, now, answer(7, 7, 10)), [WatchEvent::Heartbeat]);
        let ask = poll.ask();
        assert_eq!(
            (ask.cursor, ask.not_before),
            (7, None),
            "the first says nothing of its pace"
        );
        assert!(ask.wait.is_some());
    }

    #[test]
    fn what_is_pending_is_read_to_its_end_and_what_comes_later_is_all_there_is() {
        let mut poll = LongPoll::new(0);
        let now = Instant::now();
        let beats = |changes: Vec<WatchEvent>| changes.contains(&WatchEvent::Heartbeat);
        assert!(!beats(poll.answered(now, now, answer(0, 5, 3))));
        assert!(!beats(poll.answered(now, now, answer(3, 5, 3))));
        assert_eq!((poll.ask().cursor, poll.ask().wait), (5, None), "there may be more");
        assert!(beats(poll.answered(now, now, answer(5, 5, 3))));
        assert!(poll.ask().wait.is_some());
        assert!(beats(poll.answered(now, now, answer(5, 6, 100))));
        assert!(poll.ask().wait.is_some(), "an event costs no request of its own");
        assert!(
            !beats(poll.answered(now, now, answer(6, 1_000, 100))),
            "a server that gives 100 at most"
        );
        assert_eq!(poll.ask().wait, None);
    }

    #[test]
    fn a_log_that_became_shorter_is_listed_anew() {
        let mut poll = LongPoll::new(7);
        let now = Instant::now();
        assert_eq!(poll.answered(now, now, answer(7, 5, 10)), [WatchEvent::Resync]);
    }

    proptest! {
        #[test]
        fn every_event_is_told_once_with_the_position_it_leads_to(
            start in 0_u64..50,
            most in 1_u64..120,
            steps in prop::collection::vec(0_u64..400, 1..40),
        ) {
            let mut poll = LongPoll::new(start);
            let (mut length, mut told) = (start, Vec::new());
            for more in steps {
                // Less often than it is asked, so that there is an end now and then.
                length += more.saturating_sub(300);
                let now = Instant::now();
                let waits = poll.ask().wait.is_some();
                let answer = answer(poll.ask().cursor, length, most);
                let is_few = answer.events.len() < FULL;
                let changes = poll.answered(now, now, answer);
                let beats = changes.iter().filter(|change| **change == WatchEvent::Heartbeat).count();
                // All is told, or at least all that one may know of.
                if beats > 0 {
                    prop_assert_eq!(changes.last(), Some(&WatchEvent::Heartbeat));
                    prop_assert!(poll.cursor == length || (waits && is_few), "{} of {}", poll.cursor, length);
                }
                prop_assert_eq!(beats == 0, poll.ask().wait.is_none());
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
