//! Faults of the storage.

use std::sync::Arc;

/// The storage failed. The caller sees a 500, and the cause is logged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    #[error("the database failed")]
    Sql(#[from] sqlx::Error),
    #[error("a commit that this write was part of failed")]
    Commit(#[source] Arc<sqlx::Error>),
    #[error("a stored entity cannot be read or written")]
    Entity(#[from] serde_json::Error),
    #[error("a secret cannot be hashed")]
    Hash,
    #[error("a file of the data directory cannot be read or written")]
    File(#[from] std::io::Error),
}

/// A result of the storage.
pub(crate) type StorageResult<T = ()> = Result<T, StorageError>;
