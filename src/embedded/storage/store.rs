//! The database: one connection that writes, and two pools that read.

use sqlx::SqlitePool;

use super::error::StorageError;
use super::group_commit::WriteQueue;
use super::session::Session;
use super::write_session::WriteSession;
use crate::embedded::scope::ScopeKey;

/// The database. Cloning it is cheap.
#[derive(Debug, Clone)]
pub(in crate::embedded) struct Store {
    pub(super) writes: WriteQueue,
    pub(super) readers: SqlitePool,
    /// For long reads, so that they never keep short ones waiting.
    pub(super) long_readers: SqlitePool,
}

impl Store {
    /// A snapshot: all that is read through it belongs to the same moment.
    pub(in crate::embedded) async fn read(&self, scope: ScopeKey) -> Result<Session, StorageError> {
        Ok(Session::snapshot(self.readers.begin().await?, scope))
    }

    /// A snapshot for reading a lot.
    pub(in crate::embedded) async fn read_long(&self, scope: ScopeKey) -> Result<Session, StorageError> {
        Ok(Session::snapshot(self.long_readers.begin().await?, scope))
    }

    /// Waits for exclusive use of the writing connection.
    pub(in crate::embedded) async fn write(&self, scope: ScopeKey) -> Result<WriteSession, StorageError> {
        Ok(WriteSession::new(self.writes.acquire().await?, scope))
    }

    /// Runs a request, and returns its answer only when everything that it read while writing is committed.
    ///
    /// # Errors
    /// [`StorageError::Commit`] when some of that was rolled back.
    pub(in crate::embedded) async fn after_commit<T>(
        &self,
        request: impl Future<Output = T>,
    ) -> Result<T, StorageError> {
        self.writes.after_commit(request).await
    }
}
