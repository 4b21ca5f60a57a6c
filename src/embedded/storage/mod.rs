//! The only SQL. A [`Session`] reads one consistent snapshot; a [`Write`] is the one writer's turn, and what it
//! commits lands whole or not at all. Readers never block the writer, nor it them (WAL).

mod entities;
mod lease;
mod log;
mod open;
mod registry;
mod write;

use serde::de::DeserializeOwned;
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};
use std::sync::Arc;
use tokio::sync::Mutex;

pub(super) use entities::Table;
pub use open::OpenError;
pub(super) use open::{Durability, Stored};
pub(super) use write::Write;

/// A fault of the storage itself; the caller sees a 500 and the cause is logged.
#[derive(Debug, thiserror::Error)]
pub(super) enum StorageError {
    #[error("the database failed")]
    Sql(#[from] sqlx::Error),
    #[error("a stored entity cannot be read or written")]
    Entity(#[from] serde_json::Error),
    #[error("a secret cannot be hashed")]
    Hash,
}

/// The registry of an experiment, or of the deployment, as rows refer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ScopeKey(i64);

impl ScopeKey {
    /// The deployment's own workers and groups, and the registry of experiments.
    pub(super) const DEPLOYMENT: Self = Self(0);
}

/// The database. Cheap to share behind an `Arc`.
#[derive(Debug)]
pub(super) struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
    /// Held from the beginning of a write until what it changed has been announced, so that
    /// announcements keep the order of commits. Waiters are served in turn.
    turn: Arc<Mutex<()>>,
}

impl Store {
    /// A snapshot: everything read through it is true for one moment.
    pub(super) async fn read(&self, scope: ScopeKey) -> Result<Session, StorageError> {
        Ok(Session {
            tx: self.readers.begin().await?,
            scope,
        })
    }
}

/// One transaction on the rows of one scope.
#[derive(Debug)]
pub(super) struct Session {
    tx: Transaction<'static, Sqlite>,
    scope: ScopeKey,
}

impl Session {
    fn parts(&mut self) -> (&mut SqliteConnection, i64) {
        (&mut self.tx, self.scope.0)
    }
}

fn decode<T: DeserializeOwned>(text: Option<String>) -> Result<Option<T>, StorageError> {
    Ok(text.as_deref().map(serde_json::from_str).transpose()?)
}
