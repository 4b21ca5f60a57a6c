//! How changes arrive: by push where the server pushes, else by long-poll, which every EDEN server has (`ch07 §8`).
//!
//! Either way they come in batches of [`PushEvent`]s, so that whoever follows one need not know which it is. The server
//! is asked anew on each connection, so one that gains push is used. A feed does nothing by itself: while nobody waits
//! for the next batch no request is under way, and so none that holds what others wait for.

use std::collections::VecDeque;

use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep_until, timeout};

use super::pace::{PATIENCE, Pace};
use crate::client::{ClientError, ExperimentClient, PushEvent, PushStream};

/// Events taken in one step; a longer backlog is applied in several, so that readers see progress.
const BATCH: usize = 256;

/// The feed of an experiment's log.
pub(super) enum Feed {
    Push(Push),
    LongPoll(Box<Poll>),
}

impl Feed {
    /// Opens the feed from `cursor`.
    pub(super) async fn open(client: &ExperimentClient, cursor: u64) -> Result<Self, ClientError> {
        Ok(match supported(client.watch(cursor).await)? {
            Some(stream) => Self::Push(Push { stream, failed: None }),
            None => Self::LongPoll(Box::new(Poll::new(client.clone(), cursor))),
        })
    }

    /// Whether it is pushed, and so tells of workers and groups too.
    pub(super) fn is_pushed(&self) -> bool {
        matches!(self, Self::Push(_))
    }

    /// What is there already, if anything is.
    pub(super) fn ready(&mut self) -> Option<Result<Vec<PushEvent>, ClientError>> {
        match self {
            // Nothing is lost when it is not ready: it waits for the first item only, and for nothing else.
            Self::Push(push) => push.next_batch().now_or_never(),
            Self::LongPoll(poll) => poll.told().map(Ok),
        }
    }

    /// Waits for something, and takes with it whatever else is there already.
    pub(super) async fn next_batch(&mut self) -> Result<Vec<PushEvent>, ClientError> {
        match self {
            Self::Push(push) => push.next_batch().await,
            Self::LongPoll(poll) => poll.next_batch().await,
        }
    }
}

/// The stream; none when the server does not push.
pub(super) fn supported(opened: Result<PushStream, ClientError>) -> Result<Option<PushStream>, ClientError> {
    match opened {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if error.is_unsupported() => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) struct Push {
    stream: PushStream,
    /// What ended it, to be told after what came before.
    failed: Option<ClientError>,
}

impl Push {
    async fn next_batch(&mut self) -> Result<Vec<PushEvent>, ClientError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut items = vec![item(self.stream.next().await)?];
        while items.len() < BATCH
            && let Some(next) = self.stream.next().now_or_never()
        {
            match item(next) {
                Ok(event) => items.push(event),
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        Ok(items)
    }
}

fn item(next: Option<Result<PushEvent, ClientError>>) -> Result<PushEvent, ClientError> {
    next.unwrap_or_else(|| Err(ClientError::Stream("the server closed it".into())))
}

/// Where a long-poll stands.
pub(super) struct Poll {
    client: ExperimentClient,
    cursor: u64,
    /// The first request asks for what is there already and does not wait.
    first: bool,
    told: VecDeque<PushEvent>,
    pace: Pace,
}

impl Poll {
    fn new(client: ExperimentClient, cursor: u64) -> Self {
        Self {
            client,
            cursor,
            first: true,
            told: [PushEvent::Connected].into(),
            pace: Pace::default(),
        }
    }

    fn told(&mut self) -> Option<Vec<PushEvent>> {
        let count = self.told.len().min(BATCH);
        (count > 0).then(|| self.told.drain(..count).collect())
    }

    async fn next_batch(&mut self) -> Result<Vec<PushEvent>, ClientError> {
        loop {
            if let Some(told) = self.told() {
                return Ok(told);
            }
            self.ask().await?;
        }
    }

    async fn ask(&mut self) -> Result<(), ClientError> {
        if let Some(earliest) = self.pace.earliest() {
            sleep_until(earliest).await;
        }
        let asked = Instant::now();
        let batch = if self.first {
            self.client.events(self.cursor, None).await?
        } else {
            let answer = self.client.subscribe(self.cursor, PATIENCE);
            let answer = timeout(self.pace.limit(), answer).await;
            let batch = answer.unwrap_or(Err(ClientError::Late))?;
            self.pace.answered(asked, Instant::now(), batch.events.is_empty());
            batch
        };
        self.first = false;
        if batch.cursor < self.cursor {
            // The log is shorter than it was: another one, or the same from a backup.
            self.told.push_back(PushEvent::Resync);
            return Ok(());
        }
        for event in batch.events {
            self.cursor += 1;
            self.told.push_back(PushEvent::Logged {
                event: Box::new(event),
                cursor: self.cursor,
            });
        }
        // The answer holds all there was, so what was told until here is the present.
        self.told.push_back(PushEvent::Heartbeat);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn what_came_before_the_end_is_told_before_the_end() {
        let stream = stream::iter([
            Ok(PushEvent::Connected),
            Ok(PushEvent::Heartbeat),
            Err(ClientError::Late),
            Ok(PushEvent::Resync),
        ]);
        let mut push = Push {
            stream: Box::pin(stream),
            failed: None,
        };
        let told = push.next_batch().await.expect("what came");
        assert_eq!(told, [PushEvent::Connected, PushEvent::Heartbeat]);
        assert!(matches!(push.next_batch().await, Err(ClientError::Late)));
    }
}
