//! What every request handler has access to.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::checkpoint::Checkpoints;
use super::id_generator::IdGenerator;
use super::lease_expiry::LeaseExpiry;
use super::push::PushStreams;
use super::storage::{ScopeVersion, Store};
use super::{Authenticator, BlobStore, HostedExperiments, Scope};
use crate::clock::Clock;
use crate::lifecycle::Tasks;

/// The services and limits of a running backend.
pub(super) struct BackendState {
    pub(super) store: Store,
    pub(super) experiments: Arc<HostedExperiments>,
    pub(super) deployment: Arc<Scope>,
    pub(super) auth: Arc<Authenticator>,
    pub(super) ids: IdGenerator,
    pub(super) clock: Clock,
    pub(super) tasks: Tasks,
    pub(super) blobs: BlobStore,
    pub(super) checkpoints: Checkpoints,
    pub(super) push: PushStreams,
    pub(super) lease_expiry: Arc<LeaseExpiry>,
    pub(super) subscribe_timeout: Duration,
    pub(super) lease_duration: Duration,
    pub(super) max_artifact_bytes: u64,
    pub(super) max_checkpoint_bytes: u64,
    pub(super) artifacts_dir: Option<PathBuf>,
    /// A random number per process. It tells the validators of this process from those of an earlier one, whose
    /// history may have been another.
    pub(super) incarnation: u32,
    /// Held so that no other process opens the same directory.
    pub(super) _lock: File,
}

impl BackendState {
    /// The validator of a list that is true for a version of its scope (RFC 9110 §8.8.3).
    pub(super) fn validator(&self, version: ScopeVersion) -> String {
        let ScopeVersion { cursor, revision } = version;
        format!("\"{:08x}-{cursor}-{revision}\"", self.incarnation)
    }
}
