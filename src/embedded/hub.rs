//! What is hosted, and how readers that wait are woken. Nothing here is the truth: that is in the storage, and
//! readers that wake look there.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{broadcast, watch};

use super::storage::{ScopeKey, Stored};
use crate::protocol::*;

/// A registry of workers and groups: an experiment's, or the deployment's.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) key: ScopeKey,
    /// What its entities carry as `experiment_id`.
    pub(super) experiment_id: ExperimentId,
    notices: broadcast::Sender<Notice>,
}

/// How many notices a stream may lag behind before it is told to list again.
const NOTICE_BACKLOG: usize = 256;

impl Scope {
    fn new(key: ScopeKey, experiment_id: ExperimentId) -> Self {
        Self {
            key,
            experiment_id,
            notices: broadcast::Sender::new(NOTICE_BACKLOG),
        }
    }

    pub(super) fn announce(&self, notice: Notice) {
        // Nobody listening is no fault.
        let _ = self.notices.send(notice);
    }

    pub(super) fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }
}

/// An experiment that this backend hosts. Its configuration never changes (`ch08 §4.2`).
#[derive(Debug)]
pub(super) struct Hosted {
    pub(super) scope: Arc<Scope>,
    pub(super) config: ExperimentConfig,
    /// The configuration as JSON, ready to be sent.
    pub(super) config_json: String,
    length: watch::Sender<u64>,
}

impl Hosted {
    pub(super) fn new(
        key: ScopeKey,
        id: ExperimentId,
        config: ExperimentConfig,
        length: u64,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            scope: Arc::new(Scope::new(key, id)),
            config_json: serde_json::to_string(&config)?,
            config,
            length: watch::Sender::new(length),
        })
    }

    /// The same experiment under another configuration, for whom nothing was judged by the first. Who follows the
    /// one follows the other.
    pub(super) fn reconfigured(&self, config: ExperimentConfig) -> Result<Self, serde_json::Error> {
        Ok(Self {
            scope: self.scope.clone(),
            config_json: serde_json::to_string(&config)?,
            config,
            length: self.length.clone(),
        })
    }

    pub(super) fn announce_length(&self, length: u64) {
        self.length.send_replace(length);
    }

    /// Follows the length of the log.
    pub(super) fn length(&self) -> watch::Receiver<u64> {
        self.length.subscribe()
    }
}

/// Everything hosted, by id.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) deployment: Arc<Scope>,
    hosted: RwLock<HashMap<ExperimentId, Arc<Hosted>>>,
}

impl Hub {
    pub(super) fn new(stored: Vec<Stored>) -> Result<Self, serde_json::Error> {
        let hosted = stored.into_iter().map(|s| {
            let hosted = Hosted::new(s.scope, s.experiment_id.clone(), s.config, s.length)?;
            Ok((s.experiment_id, Arc::new(hosted)))
        });
        Ok(Self {
            deployment: Arc::new(Scope::new(ScopeKey::DEPLOYMENT, deployment_id())),
            hosted: RwLock::new(hosted.collect::<Result<_, serde_json::Error>>()?),
        })
    }

    pub(super) fn host(&self, hosted: Arc<Hosted>) {
        let id = hosted.scope.experiment_id.clone();
        // A map of immutable entries cannot be left half changed by a panic.
        let mut map = self.hosted.write().unwrap_or_else(PoisonError::into_inner);
        map.insert(id, hosted);
    }

    /// The experiment that is hosted when no other is.
    pub(super) fn only(&self) -> Option<Arc<Hosted>> {
        let map = self.hosted.read().unwrap_or_else(PoisonError::into_inner);
        match map.len() {
            1 => map.values().next().cloned(),
            _ => None,
        }
    }

    /// The experiment under this path segment, well-formed or not.
    pub(super) fn find(&self, id: &str) -> Option<Arc<Hosted>> {
        let map = self.hosted.read().unwrap_or_else(PoisonError::into_inner);
        map.get(id).cloned()
    }
}

/// Deployment-wide workers and groups must name an experiment too; they name this one (`ch11 §6`).
fn deployment_id() -> ExperimentId {
    ExperimentId::mint(ulid::Ulid::from(0_u128))
}
