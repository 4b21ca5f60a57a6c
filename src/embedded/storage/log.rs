//! Reading the event log of an experiment (`ch05 §4`). A cursor is the number of events consumed.

use super::{Session, StorageError};

impl Session {
    /// The length of the log, which is the cursor after its last entry.
    pub(in crate::embedded) async fn log_length(&mut self) -> Result<u64, StorageError> {
        let (connection, scope) = self.parts();
        let query = sqlx::query_scalar("SELECT COALESCE(MAX(seq), 0) FROM event WHERE scope = ?").bind(scope);
        let length: i64 = query.fetch_one(connection).await?;
        Ok(u64::try_from(length).unwrap_or_default())
    }

    /// The stored JSON of at most `limit` entries after `cursor`.
    pub(in crate::embedded) async fn log_after(
        &mut self,
        cursor: u64,
        limit: Option<u64>,
    ) -> Result<Vec<String>, StorageError> {
        let (connection, scope) = self.parts();
        // SQLite counts in i64; a cursor beyond that is beyond every log.
        let cursor = i64::try_from(cursor).unwrap_or(i64::MAX);
        let limit = limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
        let query = sqlx::query_scalar("SELECT entity FROM event WHERE scope = ? AND seq > ? ORDER BY seq LIMIT ?");
        let rows = query.bind(scope).bind(cursor).bind(limit);
        Ok(rows.fetch_all(connection).await?)
    }
}
