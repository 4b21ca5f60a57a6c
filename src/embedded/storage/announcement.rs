//! What waiting readers are told after a commit.

use std::sync::Arc;

use crate::embedded::hosted::{HostedExperiment, HostedExperiments};
use crate::embedded::scope::Scope;
use crate::protocol::Notice;

/// What waiting readers are told once a write is committed.
#[derive(Debug)]
pub(super) enum Announcement {
    /// The log of the experiment has this length.
    LogLength(Arc<HostedExperiment>, u64),
    /// Something else changed in a scope.
    Notice(Arc<Scope>, Notice),
    /// The experiment is hosted from now on.
    Hosted(Arc<HostedExperiment>),
}

impl Announcement {
    pub(super) fn publish(self, experiments: &HostedExperiments) {
        match self {
            Self::LogLength(hosted, length) => hosted.announce_log_length(length),
            Self::Notice(scope, notice) => scope.announce(notice),
            Self::Hosted(hosted) => experiments.put(hosted),
        }
    }
}
