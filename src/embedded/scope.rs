//! A scope: the workers and groups of one experiment, or those of the deployment.

use tokio::sync::broadcast;

use crate::protocol::{ExperimentId, Notice};

/// A scope as the rows of the database refer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ScopeKey(pub(super) i64);

impl ScopeKey {
    /// The deployment's own workers and groups, and the registry of experiments.
    pub(super) const DEPLOYMENT: Self = Self(0);
}

/// How many notices a push stream may lag behind before its reader is told to list again.
const NOTICE_BACKLOG: usize = 256;

/// A scope with those who follow its changes.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) key: ScopeKey,
    /// The `experiment_id` of its workers and groups.
    pub(super) experiment_id: ExperimentId,
    notices: broadcast::Sender<Notice>,
}

impl Scope {
    pub(super) fn new(key: ScopeKey, experiment_id: ExperimentId) -> Self {
        Self {
            key,
            experiment_id,
            notices: broadcast::Sender::new(NOTICE_BACKLOG),
        }
    }

    /// The deployment's scope. Its workers and groups must have an `experiment_id` too (`ch11 §6`): it is all zeros.
    pub(super) fn deployment() -> Self {
        Self::new(ScopeKey::DEPLOYMENT, ExperimentId::mint(ulid::Ulid::from(0_u128)))
    }

    pub(super) fn is_deployment(&self) -> bool {
        self.key == ScopeKey::DEPLOYMENT
    }

    pub(super) fn announce(&self, notice: Notice) {
        // An error means that nobody listens, which is fine.
        let _ = self.notices.send(notice);
    }

    pub(super) fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }
}
