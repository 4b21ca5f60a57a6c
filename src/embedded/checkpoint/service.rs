//! Exports and imports checkpoints.

use std::io;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::repositories::RepositoryStore;
use crate::clock::Clock;
use crate::embedded::auth::Authenticator;
use crate::embedded::blobs::BlobStore;
use crate::embedded::hosted::HostedExperiments;
use crate::embedded::scope::{Scope, ScopeKey};
use crate::embedded::storage::{StorageError, Store};

/// Exports and imports checkpoints. `export` and `import` are in files of their own.
pub(in crate::embedded) struct Checkpoints {
    pub(in crate::embedded) store: Store,
    pub(in crate::embedded) experiments: Arc<HostedExperiments>,
    pub(in crate::embedded) deployment: Arc<Scope>,
    pub(in crate::embedded) auth: Arc<Authenticator>,
    pub(in crate::embedded) blobs: BlobStore,
    pub(in crate::embedded) repositories: RepositoryStore,
    pub(in crate::embedded) clock: Clock,
    pub(in crate::embedded) import_permits: Arc<Semaphore>,
}

/// The right to import. It is given back when this is dropped.
pub(in crate::embedded) type ImportPermit = OwnedSemaphorePermit;

impl Checkpoints {
    /// One archive at a time is checked and written, since each takes its share of memory.
    pub(in crate::embedded) fn one_import_at_a_time() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(1))
    }

    /// Waits until no other import runs.
    pub(in crate::embedded) async fn import_permit(&self) -> Result<ImportPermit, StorageError> {
        let permit = self.import_permits.clone().acquire_owned().await;
        Ok(permit.map_err(io::Error::other)?)
    }

    /// Keeps or removes the repositories of imports whose outcome an earlier process did not record.
    pub(in crate::embedded) async fn settle_interrupted_imports(&self) -> Result<(), StorageError> {
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
