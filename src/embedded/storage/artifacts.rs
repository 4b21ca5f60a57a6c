//! The records of artifacts (`ch08 §5.5`). The bytes of each are in a file named after it.

use super::{Session, StorageResult, WriteSession};
use crate::protocol::Timestamp;

/// One deposit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Artifact {
    /// 32 lowercase hex digits.
    pub(crate) id: String,
    /// The principal that deposited it.
    pub(crate) created_by: String,
    /// As the depositor gave it. It is valid as a header.
    pub(crate) content_type: String,
    pub(crate) size_bytes: u64,
}

impl Session {
    /// An artifact of this scope.
    pub(crate) async fn artifact(&mut self, id: &str) -> StorageResult<Option<Artifact>> {
        let (connection, scope) = self.reading();
        let query =
            sqlx::query_as("SELECT created_by, content_type, size_bytes FROM artifact WHERE scope = ? AND id = ?");
        let row: Option<(String, String, i64)> = query.bind(scope).bind(id).fetch_optional(connection).await?;
        Ok(row.map(|(created_by, content_type, size)| Artifact {
            id: id.to_owned(),
            created_by,
            content_type,
            size_bytes: u64::try_from(size).unwrap_or_default(),
        }))
    }
}

impl WriteSession {
    /// Records an artifact whose file is in its place.
    pub(crate) async fn insert_artifact(&mut self, artifact: &Artifact, now: Timestamp) -> StorageResult {
        let (connection, scope) = self.writing().await?;
        let query = sqlx::query(
            "INSERT INTO artifact (scope, id, created_by, content_type, size_bytes, created_at)
             VALUES (?, ?, ?, ?, ?, ?)",
        );
        query
            .bind(scope)
            .bind(&artifact.id)
            .bind(&artifact.created_by)
            .bind(&artifact.content_type)
            .bind(i64::try_from(artifact.size_bytes).unwrap_or(i64::MAX))
            .bind(now.to_string())
            .execute(connection)
            .await?;
        Ok(())
    }
}
