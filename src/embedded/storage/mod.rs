//! The only SQL. A [`Session`] reads one consistent snapshot; a [`Write`] is the one writer's turn, and what it
//! commits lands whole or not at all. Readers never block the writer, nor it them (WAL).

mod artifacts;
mod batch;
mod checkpoints;
mod entities;
mod lease;
mod log;
mod open;
mod registry;
mod write;

use std::sync::Arc;

use serde::de::DeserializeOwned;
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};
use tokio::sync::{Mutex, watch};

pub(super) use artifacts::Artifact;
use batch::{Finished, Turn, Writer};
pub(super) use checkpoints::{Archived, Batch, Row};
pub(super) use entities::{Filter, Page, Position, Table};
pub(super) use log::Version;
pub use open::OpenError;
pub(super) use open::{Durability, Stored};
pub(super) use write::Write;

/// A fault of the storage itself; the caller sees a 500 and the cause is logged.
#[derive(Debug, thiserror::Error)]
pub(super) enum StorageError {
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
    /// Held for a turn. Waiters are served in the order in which they came, which a batch relies on.
    writer: Arc<Mutex<Writer>>,
    finished: watch::Sender<Finished>,
    readers: SqlitePool,
    /// For what takes long to read, so that it never keeps the others waiting.
    long: SqlitePool,
}

impl Store {
    /// A snapshot: everything read through it is true for one moment.
    pub(super) async fn read(&self, scope: ScopeKey) -> Result<Session, StorageError> {
        Ok(Session {
            source: Source::Snapshot(self.readers.begin().await?),
            scope,
        })
    }

    /// A snapshot from which a lot is to be read.
    pub(super) async fn read_long(&self, scope: ScopeKey) -> Result<Session, StorageError> {
        Ok(Session {
            source: Source::Snapshot(self.long.begin().await?),
            scope,
        })
    }
}

/// One view of the rows of one scope.
#[derive(Debug)]
pub(super) struct Session {
    source: Source,
    scope: ScopeKey,
}

#[derive(Debug)]
enum Source {
    Snapshot(Transaction<'static, Sqlite>),
    Turn(Turn),
}

impl Session {
    fn parts(&mut self) -> (&mut SqliteConnection, i64) {
        let connection = match &mut self.source {
            Source::Snapshot(transaction) => transaction,
            Source::Turn(turn) => turn.connection(),
        };
        (connection, self.scope.0)
    }

    /// The connection for a change. Through a snapshot SQLite refuses it.
    async fn changing(&mut self) -> Result<(&mut SqliteConnection, i64), StorageError> {
        let connection = match &mut self.source {
            Source::Snapshot(transaction) => transaction,
            Source::Turn(turn) => turn.change().await?,
        };
        Ok((connection, self.scope.0))
    }
}

fn decode<T: DeserializeOwned>(text: Option<String>) -> Result<Option<T>, StorageError> {
    Ok(text.as_deref().map(serde_json::from_str).transpose()?)
}
