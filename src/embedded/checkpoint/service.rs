//! Exports and imports checkpoints.

use std::io;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::RepositoryStore;
use crate::clock::Clock;
use crate::embedded::storage::{StorageResult, Store};
use crate::embedded::{Authenticator, BlobStore, HostedExperiments, Scope, ScopeKey};

/// Exports and imports checkpoints. `export` and `import` are in files of their own.
pub(crate) struct Checkpoints {
    pub(crate) store: Store,
    pub(crate) experiments: Arc<HostedExperiments>,
    pub(crate) deployment: Arc<Scope>,
    pub(crate) auth: Arc<Authenticator>,
    pub(crate) blobs: BlobStore,
    pub(crate) repositories: RepositoryStore,
    pub(crate) clock: Clock,
    pub(crate) import_permits: Arc<Semaphore>,
}

/// The right to import. It is given back when this is dropped.
pub(crate) type ImportPermit = OwnedSemaphorePermit;

impl Checkpoints {
    /// One archive at a time is checked and written, since each takes its share of memory.
    pub(crate) fn one_import_at_a_time() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(1))
    }

    /// Waits until no other import runs.
    pub(crate) async fn import_permit(&self) -> StorageResult<ImportPermit> {
        let permit = self.import_permits.clone().acquire_owned().await;
        Ok(permit.map_err(io::Error::other)?)
    }

    /// Keeps or removes the repositories of imports whose outcome an earlier process did not record.
    pub(crate) async fn settle_interrupted_imports(&self) -> StorageResult {
        let unsettled = self.repositories.unsettled_imports()?;
        if unsettled.is_empty() {
            return Ok(());
        }
        let mut session = self.store.read(ScopeKey::DEPLOYMENT).await?;
        for id in unsettled {
            let is_committed = session.is_imported(&id).await?;
            self.repositories.settle_import(&id, is_committed)?;
        }
        Ok(())
    }
}
