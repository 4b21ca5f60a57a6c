//! A view of the rows of one scope: a snapshot, or what a writer sees.

use serde::de::DeserializeOwned;
use sqlx::{Sqlite, SqliteConnection, Transaction};

use super::{StorageResult, WriterGuard};
use crate::embedded::ScopeKey;

/// A view of the rows of one scope.
#[derive(Debug)]
pub(crate) struct Session {
    source: Source,
    scope: ScopeKey,
}

#[derive(Debug)]
enum Source {
    Snapshot(Transaction<'static, Sqlite>),
    Writer(WriterGuard),
}

impl Session {
    pub(super) fn snapshot(transaction: Transaction<'static, Sqlite>, scope: ScopeKey) -> Self {
        Self {
            source: Source::Snapshot(transaction),
            scope,
        }
    }

    pub(super) fn writer(guard: WriterGuard, scope: ScopeKey) -> Self {
        Self {
            source: Source::Writer(guard),
            scope,
        }
    }

    /// From here on the session is about another scope.
    pub(crate) fn enter(&mut self, scope: ScopeKey) {
        self.scope = scope;
    }

    /// The connection, and the scope to bind in a query.
    pub(super) fn reading(&mut self) -> (&mut SqliteConnection, i64) {
        let connection = match &mut self.source {
            Source::Snapshot(transaction) => transaction,
            Source::Writer(guard) => guard.connection(),
        };
        (connection, self.scope.0)
    }

    /// The same for a change. Through a snapshot SQLite refuses it.
    pub(super) async fn writing(&mut self) -> StorageResult<(&mut SqliteConnection, i64)> {
        let connection = match &mut self.source {
            Source::Snapshot(transaction) => transaction,
            Source::Writer(guard) => guard.change().await?,
        };
        Ok((connection, self.scope.0))
    }

    /// The writer, if this is no snapshot.
    pub(super) fn into_writer(self) -> Option<WriterGuard> {
        match self.source {
            Source::Snapshot(_) => None,
            Source::Writer(guard) => Some(guard),
        }
    }
}

pub(super) fn decode<T: DeserializeOwned>(text: Option<String>) -> StorageResult<Option<T>> {
    Ok(text.as_deref().map(serde_json::from_str).transpose()?)
}
