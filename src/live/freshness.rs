use std::time::Duration;

use super::unavailability::{Unavailability, UnavailabilityKind};
use crate::protocol::Timestamp;

/// How current the data is that a reader sees.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// Nothing has been listed yet, or a backlog is being applied.
    CatchingUp,
    /// Changes arrive as they are committed.
    Live(FeedKind),
    /// The server is asked at an interval.
    Polling {
        /// The interval.
        every: Duration,
    },
    /// The feed is broken; the data was current at `since`.
    Stale {
        /// When the server last answered.
        since: Timestamp,
        /// Why it cannot be read now.
        cause: Unavailability,
    },
}

/// The kind of feed that changes arrive by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FeedKind {
    /// The server pushes them (`docs/push.md`).
    Push,
    /// One request always waits for the next change (`ch07 §8`).
    LongPoll,
}

impl FeedKind {
    /// Its name in headers and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::LongPoll => "long-poll",
        }
    }
}

impl Freshness {
    /// Its name in the attribute `data-freshness`, in headers and in metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::CatchingUp => "catching-up",
            Self::Live(_) => "live",
            Self::Polling { .. } => "polling",
            Self::Stale { .. } => "stale",
        }
    }

    /// Whether the server has answered or failed to.
    pub(super) fn is_settled(&self) -> bool {
        match self {
            Self::CatchingUp => false,
            Self::Live(_) | Self::Polling { .. } => true,
            Self::Stale { cause, .. } => cause.kind != UnavailabilityKind::NotYetContacted,
        }
    }

    /// Whether the data is current, as far as the feed can tell.
    pub fn is_current(&self) -> bool {
        matches!(self, Self::Live(_) | Self::Polling { .. })
    }
}
