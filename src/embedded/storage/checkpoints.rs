//! A whole experiment at once, out of the database and into it.

use std::sync::Arc;

use futures_util::stream::BoxStream;
use sqlx::{QueryBuilder, Sqlite};

use super::{ScopeKey, Session, StorageError, Write};
use crate::embedded::hub::Hosted;
use crate::protocol::*;

/// What an archive has a file of lines for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::embedded) enum Archived {
    Task,
    Idea,
    Variant,
    Submission,
    Event,
    Worker,
    Group,
}

impl Archived {
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

    /// What [`Row::words`] are, in their order.
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

/// One line of an archive, ready to be written.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::embedded) struct Row {
    /// The stored JSON.
    pub(in crate::embedded) entity: String,
    /// What it is looked up by: of a task id, kind, state and subject; of an idea id, state and slug; of a variant id,
    /// status, idea and branch; of a worker id, name and the hash of its secret; of a group id and name; of a
    /// submission the id of its task; of an event nothing.
    pub(in crate::embedded) words: Vec<Option<String>>,
}

/// Lines of one kind that are written together. Few enough of them, since a statement has room for 32,766 values.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::embedded) struct Batch {
    pub(in crate::embedded) kind: Archived,
    /// The place in its file of the first line, from 1.
    pub(in crate::embedded) first: u64,
    pub(in crate::embedded) rows: Vec<Row>,
}

impl Session {
    /// How many there are.
    pub(in crate::embedded) async fn count(&mut self, kind: Archived) -> Result<u64, StorageError> {
        let (connection, scope) = self.parts();
        let count: i64 = sqlx::query_scalar(kind.count())
            .bind(scope)
            .fetch_one(connection)
            .await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// The id and the stored JSON of all of them, in the order of their making, not all at once.
    pub(in crate::embedded) fn lines(
        &mut self,
        kind: Archived,
    ) -> BoxStream<'_, Result<(String, String), sqlx::Error>> {
        let (connection, scope) = self.parts();
        sqlx::query_as(kind.all()).bind(scope).fetch(connection)
    }

    /// The configuration of a hosted experiment as it was written, whatever the scope of this session.
    pub(in crate::embedded) async fn config_text_of(&mut self, hosted: &Hosted) -> Result<String, StorageError> {
        let own = std::mem::replace(&mut self.scope, hosted.scope.key);
        let text = self.config_text().await;
        self.scope = own;
        text
    }

    /// The configuration as it was written.
    pub(in crate::embedded) async fn config_text(&mut self) -> Result<String, StorageError> {
        let (connection, scope) = self.parts();
        let query = sqlx::query_scalar("SELECT config FROM experiment WHERE scope = ?").bind(scope);
        Ok(query.fetch_one(connection).await?)
    }

    /// Whether the database hosts an experiment. A write that landed in the same commit as this one may have begun
    /// to, and nobody have been told yet.
    pub(in crate::embedded) async fn is_hosted(&mut self, id: &ExperimentId) -> Result<bool, StorageError> {
        let (connection, _) = self.parts();
        let query = sqlx::query_scalar::<_, i64>("SELECT 1 FROM scope WHERE id = ?").bind(id.as_str());
        Ok(query.fetch_optional(connection).await?.is_some())
    }

    /// Whether the database hosts an experiment that came out of an archive.
    pub(in crate::embedded) async fn is_imported(&mut self, id: &ExperimentId) -> Result<bool, StorageError> {
        let (connection, _) = self.parts();
        let query = sqlx::query_scalar::<_, String>(
            "SELECT experiment.entity FROM experiment JOIN scope ON scope.num = experiment.scope WHERE scope.id = ?",
        );
        let entity = super::decode::<Experiment>(query.bind(id.as_str()).fetch_optional(connection).await?)?;
        Ok(entity.is_some_and(|experiment| experiment.imported_from.is_some()))
    }

    /// Whether nothing has happened in a hosted experiment, so that it may become what an archive holds.
    pub(in crate::embedded) async fn is_untouched(&mut self, hosted: &Hosted) -> Result<bool, StorageError> {
        let own = std::mem::replace(&mut self.scope, hosted.scope.key);
        let untouched = self.nothing_happened(hosted).await;
        self.scope = own;
        untouched
    }

    async fn nothing_happened(&mut self, hosted: &Hosted) -> Result<bool, StorageError> {
        for kind in [
            Archived::Event,
            Archived::Worker,
            Archived::Group,
            Archived::Task,
            Archived::Idea,
            Archived::Variant,
        ] {
            if self.count(kind).await? > 0 {
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

impl Write {
    /// Makes an experiment what an archive says, in the scope it has or in a new one, and goes on in that scope.
    /// The lines follow by [`Write::insert_batch`]; once committed it is hosted with a log of `length`.
    pub(in crate::embedded) async fn land(
        &mut self,
        experiment: &Experiment,
        (config_text, config): (&str, ExperimentConfig),
        mode: &Extra,
        onto: Option<&Hosted>,
        length: u64,
    ) -> Result<Arc<Hosted>, StorageError> {
        let id = &experiment.experiment_id;
        let hosted = match onto {
            Some(hosted) => hosted.reconfigured(config)?,
            None => {
                let (connection, _) = self.changing().await?;
                let query = sqlx::query("INSERT INTO scope (id) VALUES (?)").bind(id.as_str());
                let scope = query.execute(connection).await?.last_insert_rowid();
                Hosted::new(ScopeKey(scope), id.clone(), config, 0)?
            }
        };
        self.scope = hosted.scope.key;
        let (connection, scope) = self.changing().await?;
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
        self.host(hosted.clone(), length);
        Ok(hosted)
    }

    /// Writes lines of an archive.
    pub(in crate::embedded) async fn insert_batch(&mut self, batch: &Batch) -> Result<(), StorageError> {
        let (connection, scope) = self.changing().await?;
        if batch.kind == Archived::Submission {
            for row in &batch.rows {
                let query = sqlx::query("UPDATE task SET submission = ? WHERE scope = ? AND id = ?");
                let query = query.bind(&row.entity).bind(scope).bind(row.words.first());
                query.execute(&mut *connection).await?;
            }
            return Ok(());
        }
        if batch.rows.is_empty() {
            return Ok(());
        }
        let mut query = QueryBuilder::<Sqlite>::new(batch.kind.insert());
        let mut seq = i64::try_from(batch.first).unwrap_or(i64::MAX);
        query.push_values(&batch.rows, |mut values, row| {
            values.push_bind(scope).push_bind(row.entity.as_str());
            for word in &row.words {
                values.push_bind(word.as_deref());
            }
            if batch.kind == Archived::Event {
                values.push_bind(seq);
                seq += 1;
            }
        });
        query.build().execute(connection).await?;
        Ok(())
    }
}
