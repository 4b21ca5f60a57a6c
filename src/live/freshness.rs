use std::time::Duration;

use super::unavailability::{Unavailability, UnavailabilityKind};
use crate::protocol::Timestamp;

/// How far what a reader sees can be trusted to be the present.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// Nothing has been listed yet, or a backlog is being applied.
    CatchingUp,
    /// Changes arrive as they are committed.
    Live(FeedKind),
    /// Changes are asked for.
    Polling {
        /// So often.
        every: Duration,
    },
    /// The feed is broken; what is shown was true at `since`.
    Stale {
        /// When the server was last heard.
        since: Timestamp,
        /// What happened.
        cause: Unavailability,
    },
}

/// How changes arrive while they arrive by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FeedKind {
    /// The server pushes them (`docs/push.md`).
    Push,
    /// A request is always waiting for the next one (`ch07 §8`).
    LongPoll,
}

impl FeedKind {
    /// Its word in headers and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::LongPoll => "long-poll",
        }
    }
}

impl Freshness {
    /// The word of the `data-freshness` hook, of headers and of metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::CatchingUp => "catching-up",
            Self::Live(_) => "live",
            Self::Polling { .. } => "polling",
            Self::Stale { .. } => "stale",
        }
    }

    /// Whether the server has had its say.
    pub(super) fn is_settled(&self) -> bool {
        match self {
            Self::CatchingUp => false,
            Self::Live(_) | Self::Polling { .. } => true,
            Self::Stale { cause, .. } => cause.kind != UnavailabilityKind::NotYetContacted,
        }
    }

    /// Whether what is shown is the present, as far as the means of learning of it reach.
    pub fn is_current(&self) -> bool {
        matches!(self, Self::Live(_) | Self::Polling { .. })
    }
}
