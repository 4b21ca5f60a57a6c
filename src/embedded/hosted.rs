//! The experiments that this backend hosts, in memory, and how readers that wait for their logs are woken. The
//! database remains the source of truth: a reader that wakes reads from there.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::watch;

use super::{Scope, ScopeKey};
use crate::protocol::*;

/// An experiment that this backend hosts. Its configuration never changes (`ch08 §4.2`).
#[derive(Debug)]
pub(super) struct HostedExperiment {
    pub(super) scope: Arc<Scope>,
    pub(super) config: ExperimentConfig,
    /// The configuration as JSON, ready to be sent.
    pub(super) config_json: String,
    log_length: watch::Sender<u64>,
}

impl HostedExperiment {
    pub(super) fn new(
        key: ScopeKey,
        id: ExperimentId,
        config: ExperimentConfig,
        log_length: u64,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            scope: Arc::new(Scope::new(key, id)),
            config_json: serde_json::to_string(&config)?,
            config,
            log_length: watch::Sender::new(log_length),
        })
    }

    /// The same experiment under another configuration, for an import into an experiment in which nothing has
    /// happened yet. A task that follows the old value follows the new one too.
    pub(super) fn with_config(&self, config: ExperimentConfig) -> Result<Self, serde_json::Error> {
        Ok(Self {
            scope: self.scope.clone(),
            config_json: serde_json::to_string(&config)?,
            config,
            log_length: self.log_length.clone(),
        })
    }

    pub(super) fn announce_log_length(&self, length: u64) {
        self.log_length.send_replace(length);
    }

    /// Follows the length of the log.
    pub(super) fn log_length(&self) -> watch::Receiver<u64> {
        self.log_length.subscribe()
    }
}

/// All hosted experiments by id.
#[derive(Debug)]
pub(super) struct HostedExperiments(RwLock<HashMap<ExperimentId, Arc<HostedExperiment>>>);

impl HostedExperiments {
    pub(super) fn new(experiments: Vec<HostedExperiment>) -> Self {
        let by_id = experiments
            .into_iter()
            .map(|hosted| (hosted.scope.experiment_id.clone(), Arc::new(hosted)));
        Self(RwLock::new(by_id.collect()))
    }

    /// Adds an experiment, or replaces the one of the same id.
    pub(super) fn put(&self, hosted: Arc<HostedExperiment>) {
        let id = hosted.scope.experiment_id.clone();
        self.0.write().insert(id, hosted);
    }

    /// The hosted experiment when there is exactly one.
    pub(super) fn only(&self) -> Option<Arc<HostedExperiment>> {
        let by_id = self.0.read();
        match by_id.len() {
            1 => by_id.values().next().cloned(),
            _ => None,
        }
    }

    /// The experiment under this path segment, well-formed or not.
    pub(super) fn find(&self, id: &str) -> Option<Arc<HostedExperiment>> {
        self.0.read().get(id).cloned()
    }
}
