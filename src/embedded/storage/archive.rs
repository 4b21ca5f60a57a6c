//! A whole experiment at once: for exporting and importing checkpoints.

use std::sync::Arc;

use futures_util::stream::BoxStream;
use sqlx::{QueryBuilder, Sqlite};

use super::session::decode;
use super::{Session, StorageResult, WriteSession};
use crate::embedded::{HostedExperiment, ScopeKey};
use crate::protocol::*;

/// The rows that an archive has a file of lines for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArchiveTable {
    Task,
    Idea,
    Variant,
    Submission,
    Event,
    Worker,
    Group,
}

impl ArchiveTable {
    fn all(self) -> &'static str {
        match self {
            Self::Task => "SELECT id, entity FROM task WHERE scope = ? ORDER BY position",
            Self::Idea => "SELECT id, entity FROM idea WHERE scope = ? ORDER BY position",
            Self::Variant => "SELECT id, entity FROM variant WHERE scope = ? ORDER BY position",
            Self::Submission => {
                "SELECT id, submission FROM task WHERE scope = ? AND submission IS NOT NULL ORDER BY position"
            }
            Self::Event => "SELECT '', entity FROM event WHERE scope = ? ORDER BY seq",
            Self::Worker => "SELECT id, entity FROM worker WHERE scope = ? ORDER BY position",
            Self::Group => "SELECT id, entity FROM worker_group WHERE scope = ? ORDER BY position",
        }
    }

    fn count(self) -> &'static str {
        match self {
            Self::Task => "SELECT COUNT(*) FROM task WHERE scope = ?",
            Self::Idea => "SELECT COUNT(*) FROM idea WHERE scope = ?",
            Self::Variant => "SELECT COUNT(*) FROM variant WHERE scope = ?",
            Self::Submission => "SELECT COUNT(*) FROM task WHERE scope = ? AND submission IS NOT NULL",
            Self::Event => "SELECT COUNT(*) FROM event WHERE scope = ?",
            Self::Worker => "SELECT COUNT(*) FROM worker WHERE scope = ?",
            Self::Group => "SELECT COUNT(*) FROM worker_group WHERE scope = ?",
        }
    }

    /// The last columns are [`Row::columns`], in this order.
    fn insert(self) -> &'static str {
        match self {
            Self::Task => "INSERT INTO task (scope, entity, id, kind, state, subject) ",
            Self::Idea => "INSERT INTO idea (scope, entity, id, state, slug) ",
            Self::Variant => "INSERT INTO variant (scope, entity, id, status, idea, branch) ",
            Self::Worker => "INSERT INTO worker (scope, entity, id, name, secret_hash) ",
            Self::Group => "INSERT INTO worker_group (scope, entity, id, name) ",
            Self::Event => "INSERT INTO event (scope, entity, seq) ",
            Self::Submission => "",
        }
    }
}

/// One line of an archive, ready to be inserted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// The stored JSON.
    pub(crate) entity: String,
    /// The columns that it is looked up by. Task: id, kind, state, subject. Idea: id, state, slug. Variant: id, status,
    /// idea, branch. Worker: id, name, hash of its secret. Group: id, name. Submission: id of its task. Event: none.
    pub(crate) columns: Vec<Option<String>>,
}

/// Rows of one table that are inserted by one statement. A statement has room for 32,766 values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RowBatch {
    table: ArchiveTable,
    /// The number of the first line in its file, from 1.
    first: u64,
    pub(crate) rows: Vec<Row>,
}

impl RowBatch {
    /// An empty batch whose first row will be line `first` of its file.
    pub(crate) fn new(table: ArchiveTable, first: u64) -> Self {
        Self {
            table,
            first,
            rows: Vec::new(),
        }
    }
}

impl Session {
    /// How many rows there are.
    pub(crate) async fn count(&mut self, table: ArchiveTable) -> StorageResult<u64> {
        let (connection, scope) = self.reading();
        let count: i64 = sqlx::query_scalar(table.count())
            .bind(scope)
            .fetch_one(connection)
            .await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Streams the id and the stored JSON of every row, in the order of insertion.
    pub(crate) fn lines(&mut self, table: ArchiveTable) -> BoxStream<'_, Result<(String, String), sqlx::Error>> {
        let (connection, scope) = self.reading();
        sqlx::query_as(table.all()).bind(scope).fetch(connection)
    }

    /// The text of the configuration as it was uploaded.
    pub(crate) async fn config_text(&mut self) -> StorageResult<String> {
        let (connection, scope) = self.reading();
        let query = sqlx::query_scalar("SELECT config FROM experiment WHERE scope = ?").bind(scope);
        Ok(query.fetch_one(connection).await?)
    }

    /// Whether the database hosts an experiment. An uncommitted write of the same batch may have added it, and nobody
    /// has been told yet.
    pub(crate) async fn is_hosted(&mut self, id: &ExperimentId) -> StorageResult<bool> {
        let (connection, _) = self.reading();
        let query = sqlx::query_scalar::<_, i64>("SELECT 1 FROM scope WHERE id = ?").bind(id.as_str());
        Ok(query.fetch_optional(connection).await?.is_some())
    }

    /// Whether the database hosts an experiment that was imported.
    pub(crate) async fn is_imported(&mut self, id: &ExperimentId) -> StorageResult<bool> {
        let (connection, _) = self.reading();
        let query = sqlx::query_scalar::<_, String>(
            "SELECT experiment.entity FROM experiment JOIN scope ON scope.num = experiment.scope WHERE scope.id = ?",
        );
        let entity = decode::<Experiment>(query.bind(id.as_str()).fetch_optional(connection).await?)?;
        Ok(entity.is_some_and(|experiment| experiment.imported_from.is_some()))
    }

    /// Whether nothing has happened yet in the hosted experiment of this scope, so that an archive may be imported
    /// into it.
    pub(crate) async fn is_untouched(&mut self, hosted: &HostedExperiment) -> StorageResult<bool> {
        for table in [
            ArchiveTable::Event,
            ArchiveTable::Worker,
            ArchiveTable::Group,
            ArchiveTable::Task,
            ArchiveTable::Idea,
            ArchiveTable::Variant,
        ] {
            if self.count(table).await? > 0 {
                return Ok(false);
            }
        }
        let experiment = self.experiment().await?;
        let initial = hosted.config.initial_dispatch_mode().ok();
        let initial = initial.map(serde_json::to_value).transpose()?;
        Ok(experiment.state == ExperimentState::Running
            && experiment.imported_from.is_none()
            && Some(serde_json::Value::Object(self.dispatch_mode().await?)) == initial)
    }
}

impl WriteSession {
    /// Adds an experiment in a new scope, or replaces the `existing` one in its scope, and enters that scope. After
    /// the commit the experiment is hosted with a log of `log_length`. The lines of an archive follow with
    /// [`WriteSession::insert_batch`].
    pub(crate) async fn host_experiment(
        &mut self,
        experiment: &Experiment,
        (config_text, config): (&str, ExperimentConfig),
        mode: &Extra,
        existing: Option<&HostedExperiment>,
        log_length: u64,
    ) -> StorageResult<Arc<HostedExperiment>> {
        let id = &experiment.experiment_id;
        let hosted = match existing {
            Some(hosted) => hosted.with_config(config)?,
            None => {
                let (connection, _) = self.writing().await?;
                let query = sqlx::query("INSERT INTO scope (id) VALUES (?)").bind(id.as_str());
                let scope = query.execute(connection).await?.last_insert_rowid();
                HostedExperiment::new(ScopeKey(scope), id.clone(), config, 0)?
            }
        };
        self.enter(hosted.scope.key);
        let (connection, scope) = self.writing().await?;
        let query = sqlx::query(
            "INSERT INTO experiment (scope, entity, config, dispatch_mode) VALUES (?, ?, ?, ?)
             ON CONFLICT (scope) DO UPDATE SET
             entity = excluded.entity, config = excluded.config, dispatch_mode = excluded.dispatch_mode",
        );
        query
            .bind(scope)
            .bind(serde_json::to_string(experiment)?)
            .bind(config_text)
            .bind(serde_json::to_string(mode)?)
            .execute(connection)
            .await?;
        let hosted = Arc::new(hosted);
        self.announce_hosted(hosted.clone(), log_length);
        Ok(hosted)
    }

    /// Inserts lines of an archive.
    pub(crate) async fn insert_batch(&mut self, batch: &RowBatch) -> StorageResult {
        let (connection, scope) = self.writing().await?;
        if batch.table == ArchiveTable::Submission {
            for row in &batch.rows {
                let query = sqlx::query("UPDATE task SET submission = ? WHERE scope = ? AND id = ?");
                let query = query.bind(&row.entity).bind(scope).bind(row.columns.first());
                query.execute(&mut *connection).await?;
            }
            return Ok(());
        }
        if batch.rows.is_empty() {
            return Ok(());
        }
        let mut query = QueryBuilder::<Sqlite>::new(batch.table.insert());
        let mut seq = i64::try_from(batch.first).unwrap_or(i64::MAX);
        query.push_values(&batch.rows, |mut values, row| {
            values.push_bind(scope).push_bind(row.entity.as_str());
            for column in &row.columns {
                values.push_bind(column.as_deref());
            }
            if batch.table == ArchiveTable::Event {
                values.push_bind(seq);
                seq += 1;
            }
        });
        query.build().execute(connection).await?;
        Ok(())
    }
}
