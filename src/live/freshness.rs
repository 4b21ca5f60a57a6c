use super::trouble::Trouble;
use crate::protocol::Timestamp;

/// How far what a reader sees can be trusted to be the present.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// Nothing has been listed yet, or a backlog is being applied.
    CatchingUp,
    /// Changes arrive as they are committed.
    Live,
    /// Changes are asked for every few seconds.
    Polling,
    /// The feed is broken; what is shown was true at `since`.
    Stale {
        /// When the server was last heard.
        since: Timestamp,
        /// What happened.
        trouble: Trouble,
    },
}

impl Freshness {
    /// The word of the `data-freshness` hook.
    pub fn word(&self) -> &'static str {
        match self {
            Self::CatchingUp => "catching-up",
            Self::Live => "live",
            Self::Polling => "polling",
            Self::Stale { .. } => "stale",
        }
    }
}
