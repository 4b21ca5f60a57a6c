//! How changes arrive: by push where the server pushes, else by long-poll, which every EDEN server has (`ch07 §8`).
//!
//! Either way they come in batches of [`WatchEvent`]s, so that whoever follows one need not know which it is. The server
//! is asked anew on each connection, so one that gains push is used. A feed does nothing by itself: while nobody waits
//! for the next batch no request is under way, and so none that holds what others wait for.

mod long_poll;
mod pace;
mod push;

use crate::client::{ClientError, ExperimentClient, PushStream, WatchEvent};

use super::freshness::FeedKind;
use long_poll::LongPolling;
use push::Pushed;

/// Events taken in one step; a longer backlog is applied in several, so that readers see progress.
const BATCH: usize = 256;

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

    /// How it learns of changes. What is pushed tells of workers and groups too.
    pub(super) fn kind(&self) -> FeedKind {
        match self {
            Self::Push(_) => FeedKind::Push,
            Self::LongPoll(_) => FeedKind::LongPoll,
        }
    }

    /// What is there already, if anything is.
    pub(super) fn ready(&mut self) -> Option<Result<Vec<WatchEvent>, ClientError>> {
        match self {
            Self::Push(push) => push.ready(),
            Self::LongPoll(poll) => poll.told().map(Ok),
        }
    }

    /// Waits for something, and takes with it whatever else is there already. Nothing is lost when the wait is given up.
    pub(super) async fn next_batch(&mut self) -> Result<Vec<WatchEvent>, ClientError> {
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
