//! Opening a database: settings, schema, and faults said in one line each.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Row, SqlSafeStr, SqliteConnection};
use tokio::sync::{Mutex, watch};

use super::{ScopeKey, StorageError, Store, Writer};
use crate::protocol::*;

/// Why the data directory cannot be used; each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or a file in it cannot be created or written.
    #[error("cannot write to the data directory {}: {source}", path.display())]
    Unwritable {
        /// The directory or file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another process has it open.
    #[error("the data directory {} is in use by another process: stop that one or choose another --data-dir", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// Not a database, or a damaged one.
    #[error("{} is damaged or is no database: restore it from a backup or move it away to begin anew", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: sqlx::Error,
    },
    /// Written by a later version of the program.
    #[error("{} was written by a newer version (schema {found}, this version knows {known}): upgrade the program", path.display())]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// The schema version of the file.
        found: i64,
        /// The newest schema version this program knows.
        known: i64,
    },
    /// The schema of the file is not the one this program wrote under that version.
    #[error("cannot bring {} to the present schema: {source}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// What failed.
        #[source]
        source: Box<MigrateError>,
    },
    /// Any other fault of the database.
    #[error("cannot open {}: {source}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: sqlx::Error,
    },
    /// Stored content that this program cannot read.
    #[error("{} holds an experiment that cannot be read: {detail}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The admin token file is there but not usable.
    #[error("{} holds no usable token: delete it to have a new one made", path.display())]
    Token {
        /// The file.
        path: PathBuf,
    },
}

/// An experiment found in the database at start.
#[derive(Debug)]
pub(in crate::embedded) struct Stored {
    pub(in crate::embedded) scope: ScopeKey,
    pub(in crate::embedded) experiment_id: ExperimentId,
    pub(in crate::embedded) config: ExperimentConfig,
    /// Length of its log.
    pub(in crate::embedded) length: u64,
}

/// What a commit waits for before it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::embedded) enum Durability {
    /// The disk.
    Synced,
    /// Nothing, since nothing is to outlive the process.
    Unsynced,
}

fn migrator() -> Migrator {
    let steps = [
        (1, "first", include_str!("migrations/0001_first.sql")),
        (2, "whole protocol", include_str!("migrations/0002_whole_protocol.sql")),
    ];
    let simple = |(version, name, sql): (i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(steps.into_iter().map(simple).collect())
}

impl Store {
    /// Opens or creates the database file at `path`.
    pub(in crate::embedded) async fn open(
        path: &Path,
        durability: Durability,
    ) -> Result<(Self, Vec<Stored>), OpenError> {
        // FULL syncs the log on every commit: an acknowledged write survives the death of the process and of
        // the machine alike. NORMAL would be enough for the first, but not for `ch08 §3.1` as we read it.
        let synchronous = match durability {
            Durability::Synced => SqliteSynchronous::Full,
            Durability::Unsynced => SqliteSynchronous::Off,
        };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            // A large import makes the log as large; it need not stay so.
            .pragma("journal_size_limit", "67108864")
            .disable_statement_logging();
        let faults = |source| classify(path, source);
        let mut writer = options.connect().await.map_err(faults)?;
        prepare(&mut writer, path).await?;
        let options = options.create_if_missing(false).pragma("query_only", "on");
        let readers = pool(8).connect_with(options.clone()).await.map_err(faults)?;
        let long = pool(4).min_connections(0).connect_lazy_with(options);
        let finished = watch::Sender::default();
        let store = Self {
            writer: Arc::new(Mutex::new(Writer::new(writer, finished.clone()))),
            finished,
            readers,
            long,
        };
        let stored = store.stored(path).await?;
        Ok((store, stored))
    }

    async fn stored(&self, path: &Path) -> Result<Vec<Stored>, OpenError> {
        let stored = self.experiments().await.map_err(|error| match error {
            StorageError::Sql(source) => classify(path, source),
            other => OpenError::Content {
                path: path.to_owned(),
                detail: other.to_string(),
            },
        })?;
        let mut experiments = Vec::with_capacity(stored.len());
        for (scope, id, config, length) in stored {
            let unreadable = |detail: String| OpenError::Content {
                path: path.to_owned(),
                detail: format!("{id}: {detail}"),
            };
            experiments.push(Stored {
                scope: ScopeKey(scope),
                experiment_id: id.parse().map_err(|e: IdError| unreadable(e.to_string()))?,
                config: ExperimentConfig::from_yaml(&config).map_err(|e| unreadable(e.to_string()))?,
                length: u64::try_from(length).unwrap_or_default(),
            });
        }
        Ok(experiments)
    }

    async fn experiments(&self) -> Result<Vec<(i64, String, String, i64)>, StorageError> {
        let rows = sqlx::query(
            "SELECT scope.num, scope.id, experiment.config,
                    (SELECT COALESCE(MAX(seq), 0) FROM event WHERE event.scope = scope.num)
             FROM experiment JOIN scope ON scope.num = experiment.scope ORDER BY scope.num",
        )
        .fetch_all(&self.readers)
        .await?;
        let read =
            |row: &sqlx::sqlite::SqliteRow| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?));
        rows.iter()
            .map(read)
            .collect::<Result<_, sqlx::Error>>()
            .map_err(Into::into)
    }
}

fn pool(size: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(size)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// Reads the header (a file that is no database fails here, whatever its size) and migrates.
async fn prepare(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    sqlx::query("SELECT COUNT(*) FROM sqlite_schema")
        .fetch_one(&mut *connection)
        .await
        .map_err(|e| classify(path, e))?;
    let migrator = migrator();
    let known = migrator.iter().map(|m| m.version).max().unwrap_or_default();
    migrator.run(connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) if found > known => OpenError::NewerSchema {
            path: path.to_owned(),
            found,
            known,
        },
        MigrateError::Execute(source) => classify(path, source),
        source => OpenError::Schema {
            path: path.to_owned(),
            source: Box::new(source),
        },
    })
}

fn classify(path: &Path, source: sqlx::Error) -> OpenError {
    let path = path.to_owned();
    let code = source
        .as_database_error()
        .and_then(|e| e.code())
        .map(|c| c.into_owned());
    // The primary result code is the low byte of the extended one.
    match code.and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff) {
        Some(11 | 26) => OpenError::Corrupt { path, source },
        Some(8 | 14) => OpenError::Unwritable {
            path,
            source: io::Error::other(source),
        },
        _ => OpenError::Database { path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_of_a_newer_version_is_left_alone() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("switchboard.db");
        drop(Store::open(&path, Durability::Synced).await?);
        let mut later = SqliteConnectOptions::new().filename(&path).connect().await?;
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9, 'later', 1, x'00', 0)",
        )
        .execute(&mut later)
        .await?;
        let error = Store::open(&path, Durability::Synced).await.err().ok_or("it opened")?;
        assert!(
            matches!(error, OpenError::NewerSchema { found: 9, known: 2, .. }),
            "{error}"
        );
        Ok(())
    }

    #[tokio::test]
    async fn writes_are_synced_and_readers_cannot_write() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let (store, _) = Store::open(&dir.path().join("switchboard.db"), Durability::Synced).await?;
        let mut write = store.write(ScopeKey::DEPLOYMENT).await?;
        let full: i64 = sqlx::query_scalar("PRAGMA synchronous")
            .fetch_one(write.parts().0)
            .await?;
        let journal: String = sqlx::query_scalar("PRAGMA journal_mode")
            .fetch_one(write.parts().0)
            .await?;
        assert_eq!((full, journal.as_str()), (2, "wal"));
        let write = sqlx::query("DELETE FROM scope").execute(&store.readers).await;
        assert!(write.is_err());
        Ok(())
    }
}
