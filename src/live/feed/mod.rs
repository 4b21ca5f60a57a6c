//! How changes arrive: by push if the server pushes, else by long-poll, which every EDEN server has (`ch07 §8`).
//!
//! Both deliver batches of [`WatchEvent`]s, so a follower need not know which it is. Each connection asks the server again,
//! so a server that gains push is used. A feed does nothing by itself: no request is under way while nobody waits for
//! the next batch, so none can hold a connection that others need.

mod long_poll;
mod pace;
mod push;

use self::long_poll::LongPolling;
use self::push::Pushed;
use super::freshness::FeedKind;
use crate::client::{ClientError, ExperimentClient, PushStream, WatchEvent};

/// The most changes in a batch. A longer backlog is applied in several, so that readers see progress.
const MAX_BATCH: usize = 256;

/// The feed of an experiment's log.
pub(super) enum Feed {
    Push(Pushed),
    LongPoll(Box<LongPolling>),
}

impl Feed {
    /// Opens the feed from `cursor`.
    pub(super) async fn open(client: &ExperimentClient, cursor: u64) -> Result<Self, ClientError> {
        Ok(match supported(client.watch(cursor).await)? {
            Some(stream) => Self::Push(Pushed::new(stream)),
            None => Self::LongPoll(Box::new(LongPolling::new(client.clone(), cursor))),
        })
    }

    /// The kind of feed. A push feed also signals changes of workers and groups.
    pub(super) fn kind(&self) -> FeedKind {
        match self {
            Self::Push(_) => FeedKind::Push,
            Self::LongPoll(_) => FeedKind::LongPoll,
        }
    }

    /// A batch of what has arrived already; none if nothing has.
    pub(super) fn ready(&mut self) -> Option<Result<Vec<WatchEvent>, ClientError>> {
        match self {
            Self::Push(push) => push.ready(MAX_BATCH),
            Self::LongPoll(poll) => poll.ready(MAX_BATCH).map(Ok),
        }
    }

    /// Waits for a change, and answers it with what else has arrived. Dropping the future loses nothing.
    pub(super) async fn next_batch(&mut self) -> Result<Vec<WatchEvent>, ClientError> {
        match self {
            Self::Push(push) => push.next_batch(MAX_BATCH).await,
            Self::LongPoll(poll) => poll.next_batch(MAX_BATCH).await,
        }
    }
}

/// The stream that was opened; none if the server does not push.
pub(super) fn supported(opened: Result<PushStream, ClientError>) -> Result<Option<PushStream>, ClientError> {
    match opened {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if error.is_unsupported() => Ok(None),
        Err(error) => Err(error),
    }
}
