//! Reading the event log of an experiment (`ch05 §4`). A cursor is the number of events consumed.

use super::entities::{Page, Position};
use super::{Session, StorageError};

/// What a list is true for: it changes whenever anything in its scope does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::embedded) struct Version {
    /// The length of the log.
    pub(in crate::embedded) cursor: u64,
    /// How often the registry of workers and groups has changed.
    pub(in crate::embedded) revision: u64,
}

impl Session {
    /// The version of everything that this session can see.
    pub(in crate::embedded) async fn version(&mut self) -> Result<Version, StorageError> {
        let (connection, scope) = self.parts();
        let query = sqlx::query_as(
            "SELECT (SELECT COALESCE(MAX(seq), 0) FROM event WHERE scope = num), revision FROM scope WHERE num = ?",
        );
        let (cursor, revision): (i64, i64) = query.bind(scope).fetch_one(connection).await?;
        Ok(Version {
            cursor: u64::try_from(cursor).unwrap_or_default(),
            revision: u64::try_from(revision).unwrap_or_default(),
        })
    }

    /// The length of the log, which is the cursor after its last entry.
    pub(in crate::embedded) async fn log_length(&mut self) -> Result<u64, StorageError> {
        let (connection, scope) = self.parts();
        let query = sqlx::query_scalar("SELECT COALESCE(MAX(seq), 0) FROM event WHERE scope = ?").bind(scope);
        let length: i64 = query.fetch_one(connection).await?;
        Ok(u64::try_from(length).unwrap_or_default())
    }

    /// The stored JSON of at most `limit` entries after a cursor.
    pub(in crate::embedded) async fn log_after(&mut self, cursor: Position, limit: u32) -> Result<Page, StorageError> {
        let (connection, scope) = self.parts();
        let query = sqlx::query_as("SELECT seq, entity FROM event WHERE scope = ? AND seq > ? ORDER BY seq LIMIT ?");
        let rows = query.bind(scope).bind(cursor.0).bind(limit).fetch(connection);
        Page::read(rows, cursor, limit).await
    }
}
