//! How changes arrive: by push where the server pushes, else by long-poll, which every EDEN server has (`ch07 §8`).
//!
//! Either way they are a stream of [`PushEvent`]s, so that whoever follows one need not know which it is. The server is
//! asked anew on each connection, so one that gains push is used.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use crate::client::{ClientError, ExperimentClient, PushEvent, PushStream};

/// How long one long-poll waits for an event. A server may hold it for longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The feed of an experiment's log.
pub(super) struct Feed {
    /// What it says.
    pub stream: PushStream,
    /// Whether it is pushed, and so tells of workers and groups too.
    pub is_pushed: bool,
}

/// Opens the feed of an experiment's log from `cursor`.
pub(super) async fn open(client: &ExperimentClient, cursor: u64) -> Result<Feed, ClientError> {
    let pushed = opened(client.watch(cursor).await?).await?;
    Ok(Feed {
        is_pushed: pushed.is_some(),
        stream: pushed.unwrap_or_else(|| long_poll(client.clone(), cursor)),
    })
}

/// The stream, once it is known that the server has it; none when the server does not push.
pub(super) async fn opened(mut pushed: PushStream) -> Result<Option<PushStream>, ClientError> {
    match pushed.next().await {
        Some(Err(error)) if error.is_unsupported() => Ok(None),
        Some(first) => {
            let first = first?;
            Ok(Some(Box::pin(stream::iter([Ok(first)]).chain(pushed))))
        }
        None => Err(ClientError::Stream("the server closed it".into())),
    }
}

/// Where a long-poll stands.
struct Poll {
    client: ExperimentClient,
    cursor: u64,
    /// The first request asks for what is there already and does not wait.
    first: bool,
    told: VecDeque<PushEvent>,
    failed: bool,
}

fn long_poll(client: ExperimentClient, cursor: u64) -> PushStream {
    let poll = Poll {
        client,
        cursor,
        first: true,
        told: [PushEvent::Connected].into(),
        failed: false,
    };
    Box::pin(stream::unfold(poll, Poll::next))
}

impl Poll {
    async fn next(mut self) -> Option<(Result<PushEvent, ClientError>, Self)> {
        loop {
            if let Some(event) = self.told.pop_front() {
                return Some((Ok(event), self));
            }
            if self.failed {
                return None;
            }
            if let Err(error) = self.ask().await {
                self.failed = true;
                return Some((Err(error), self));
            }
        }
    }

    async fn ask(&mut self) -> Result<(), ClientError> {
        let batch = match std::mem::take(&mut self.first) {
            true => self.client.events(self.cursor, None).await?,
            false => self.client.subscribe(self.cursor, PATIENCE).await?,
        };
        let reached = self.cursor + batch.events.len() as u64;
        if batch.cursor < self.cursor {
            // The log is shorter than it was: another one, or the same from a backup.
            self.told.push_back(PushEvent::Resync);
            return Ok(());
        }
        for (cursor, event) in (self.cursor + 1..).zip(batch.events) {
            let event = Box::new(event);
            self.told.push_back(PushEvent::Logged { event, cursor });
        }
        self.cursor = reached;
        // The answer holds all there was, so what was told until here is the present.
        self.told.push_back(PushEvent::Heartbeat);
        Ok(())
    }
}
