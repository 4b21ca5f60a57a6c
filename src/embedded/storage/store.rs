//! The database: one connection that writes, and two pools that read.

use sqlx::SqlitePool;

use super::{Session, StorageResult, WriteQueue, WriteSession};
use crate::embedded::ScopeKey;

/// The database. Cloning it is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(super) writes: WriteQueue,
    pub(super) readers: SqlitePool,
    /// For long reads, so that they never keep short ones waiting.
    pub(super) long_readers: SqlitePool,
}

impl Store {
    /// A snapshot: all that is read through it belongs to the same moment.
    pub(crate) async fn read(&self, scope: ScopeKey) -> StorageResult<Session> {
        Ok(Session::snapshot(self.readers.begin().await?, scope))
    }

    /// A snapshot for reading a lot.
    pub(crate) async fn read_long(&self, scope: ScopeKey) -> StorageResult<Session> {
        Ok(Session::snapshot(self.long_readers.begin().await?, scope))
    }

    /// Waits for exclusive use of the writing connection.
    pub(crate) async fn write(&self, scope: ScopeKey) -> StorageResult<WriteSession> {
        Ok(WriteSession::new(self.writes.acquire().await?, scope))
    }

    /// Runs a request, and returns its answer only when everything that it read while writing is committed.
    ///
    /// # Errors
    /// [`StorageError::Commit`] when some of that was rolled back.
    pub(crate) async fn after_commit<T>(&self, request: impl Future<Output = T>) -> StorageResult<T> {
        self.writes.after_commit(request).await
    }
}
