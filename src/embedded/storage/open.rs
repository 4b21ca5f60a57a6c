//! Opening a database.

use std::path::Path;
use std::sync::Arc;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqlitePool};

use super::schema::{classify, prepare};
use super::{Store, WriteQueue};
use crate::embedded::{Durability, HostedExperiment, HostedExperiments, OpenError, ScopeKey};
use crate::protocol::*;

impl Store {
    /// Opens or creates the database file at `path`, and loads the experiments that it holds.
    pub(crate) async fn open(path: &Path, durability: Durability) -> Result<(Self, Arc<HostedExperiments>), OpenError> {
        // FULL syncs the log on every commit: an acknowledged write survives the death of the process and of
        // the machine. NORMAL would be enough for the first, but `ch08 §3.1` asks for both.
        let synchronous = match durability {
            Durability::Synced => SqliteSynchronous::Full,
            Durability::Unsynced => SqliteSynchronous::Off,
        };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            // A large import makes the log as large; afterwards it shrinks to this again.
            .pragma("journal_size_limit", "67108864")
            .disable_statement_logging();
        let database_error = |source| classify(path, source);
        let mut writer = options.connect().await.map_err(database_error)?;
        prepare(&mut writer, path).await?;
        let options = options.create_if_missing(false).pragma("query_only", "on");
        let readers = pool(8).connect_with(options.clone()).await.map_err(database_error)?;
        let long_readers = pool(4).min_connections(0).connect_lazy_with(options);
        let experiments = Arc::new(HostedExperiments::new(load_experiments(&readers, path).await?));
        let store = Self {
            writes: WriteQueue::new(writer, experiments.clone()),
            readers,
            long_readers,
        };
        Ok((store, experiments))
    }
}

/// The experiments in the database.
async fn load_experiments(readers: &SqlitePool, path: &Path) -> Result<Vec<HostedExperiment>, OpenError> {
    let rows = sqlx::query_as(
        "SELECT scope.num, scope.id, experiment.config,
                (SELECT COALESCE(MAX(seq), 0) FROM event WHERE event.scope = scope.num)
         FROM experiment JOIN scope ON scope.num = experiment.scope ORDER BY scope.num",
    );
    let rows: Vec<(i64, String, String, i64)> =
        rows.fetch_all(readers).await.map_err(|source| classify(path, source))?;
    let load = |(scope, id, config, length): (i64, String, String, i64)| {
        let unreadable = |detail: String| OpenError::Content {
            path: path.to_owned(),
            detail: format!("{id}: {detail}"),
        };
        let experiment_id = id.parse().map_err(|error: IdError| unreadable(error.to_string()))?;
        let config = ExperimentConfig::from_yaml(&config).map_err(|error| unreadable(error.to_string()))?;
        let length = u64::try_from(length).unwrap_or_default();
        HostedExperiment::new(ScopeKey(scope), experiment_id, config, length)
            .map_err(|error| unreadable(error.to_string()))
    };
    rows.into_iter().map(load).collect()
}

fn pool(size: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(size)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_of_a_newer_version_is_refused() -> Result<(), Box<dyn std::error::Error>> {
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
            .fetch_one(write.reading().0)
            .await?;
        let journal: String = sqlx::query_scalar("PRAGMA journal_mode")
            .fetch_one(write.reading().0)
            .await?;
        assert_eq!((full, journal.as_str()), (2, "wal"));
        let write = sqlx::query("DELETE FROM scope").execute(&store.readers).await;
        assert!(write.is_err());
        Ok(())
    }
}
