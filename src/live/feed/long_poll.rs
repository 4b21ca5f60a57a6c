//! A feed that asks: the state of a long-poll, which knows neither sockets nor clocks, and the loop that asks for it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::BATCH;
use super::pace::{PATIENCE, Pace};
use crate::client::{Change, ClientError, ExperimentClient};
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

/// Where a long-poll stands.
#[derive(Debug)]
struct LongPoll {
    cursor: u64,
    /// The first request asks for what is there already and does not wait.
    is_first: bool,
    pace: Pace,
}

impl LongPoll {
    fn new(cursor: u64) -> Self {
        Self {
            cursor,
            is_first: true,
            pace: Pace::default(),
        }
    }

    fn ask(&self) -> Ask {
        Ask {
            cursor: self.cursor,
            wait: (!self.is_first).then(|| (PATIENCE, self.pace.limit())),
            not_before: self.pace.earliest(),
        }
    }

    /// The answer to the last [`Ask`], as changes. Events are told with the position they lead to, each once and without
    /// a gap, whatever the server says of its own position beyond whether it is behind.
    fn answered(&mut self, asked: Instant, answered: Instant, batch: EventBatch) -> Vec<Change> {
        if !std::mem::take(&mut self.is_first) {
            self.pace.answered(asked, answered, batch.events.is_empty());
        }
        if batch.cursor < self.cursor {
            // The log is shorter than it was: another one, or the same from a backup.
            return vec![Change::Resync];
        }
        let from = self.cursor + 1;
        self.cursor += batch.events.len() as u64;
        let logged = (from..).zip(batch.events).map(|(cursor, event)| Change::Logged {
            event: Box::new(event),
            cursor,
        });
        // The answer holds all there was, so what was told until here is the present.
        logged.chain([Change::Heartbeat]).collect()
    }
}

/// A long-poll on a connection.
pub(in crate::live) struct LongPolling {
    client: ExperimentClient,
    state: LongPoll,
    told: VecDeque<Change>,
}

impl LongPolling {
    pub(super) fn new(client: ExperimentClient, cursor: u64) -> Self {
        Self {
            client,
            state: LongPoll::new(cursor),
            told: [Change::Connected].into(),
        }
    }

    /// What was told already and not taken yet.
    pub(super) fn told(&mut self) -> Option<Vec<Change>> {
        let count = self.told.len().min(BATCH);
        (count > 0).then(|| self.told.drain(..count).collect())
    }

    pub(super) async fn next_batch(&mut self) -> Result<Vec<Change>, ClientError> {
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
                None => self.client.events(cursor, None).await?,
                Some((patience, limit)) => timeout(limit, self.client.subscribe(cursor, patience))
                    .await
                    .unwrap_or(Err(ClientError::Late))?,
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
        assert_eq!(poll.answered(now, now, answer(7, 7, 10)), [Change::Heartbeat]);
        let ask = poll.ask();
        assert_eq!(
            (ask.cursor, ask.not_before),
            (7, None),
            "the first says nothing of its pace"
        );
        assert!(ask.wait.is_some());
    }

    #[test]
    fn a_log_that_became_shorter_is_listed_anew() {
        let mut poll = LongPoll::new(7);
        let now = Instant::now();
        assert_eq!(poll.answered(now, now, answer(7, 5, 10)), [Change::Resync]);
    }

    proptest! {
        #[test]
        fn every_event_is_told_once_with_the_position_it_leads_to(
            start in 0_u64..50,
            steps in prop::collection::vec((0_u64..40, 1_u64..30), 1..20),
        ) {
            let mut poll = LongPoll::new(start);
            let (mut length, mut told) = (start, Vec::new());
            for (more, most) in steps {
                length += more;
                let now = Instant::now();
                let changes = poll.answered(now, now, answer(poll.ask().cursor, length, most));
                prop_assert_eq!(changes.last(), Some(&Change::Heartbeat));
                told.extend(changes.into_iter().filter_map(|change| match change {
                    Change::Logged { event, cursor } => Some((event.event_id.to_string(), cursor)),
                    _ => None,
                }));
            }
            let expected: Vec<_> = (start + 1..=poll.cursor).map(|n| (n.to_string(), n)).collect();
            prop_assert_eq!(told, expected);
        }
    }
}
