//! Reading entities. An entity that is only sent on is returned as the stored JSON, without parsing it.

use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use serde::de::DeserializeOwned;
use sqlx::{QueryBuilder, Sqlite};

use super::error::StorageError;
use super::session::{Session, decode};
use crate::protocol::*;

/// A table of entities with an id each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::embedded) enum Table {
    Task,
    Idea,
    Variant,
    Worker,
    Group,
}

/// A column of a table, and the value that it must have. `None` is any value.
pub(in crate::embedded) type Filter = (&'static str, Option<String>);

/// A place in the order of insertion. The default is before everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::embedded) struct Position(pub(super) i64);

impl From<u64> for Position {
    /// The place of a log cursor. SQLite counts in i64, and no log is longer than that.
    fn from(cursor: u64) -> Self {
        Self(i64::try_from(cursor).unwrap_or(i64::MAX))
    }
}

/// Entities in the order of insertion.
#[derive(Debug)]
pub(in crate::embedded) struct Page {
    pub(in crate::embedded) rows: Vec<String>,
    /// The place of the last row.
    pub(in crate::embedded) last: Position,
    /// Whether there may be more after it.
    pub(in crate::embedded) has_more: bool,
}

/// A page ends after this many bytes, however few its rows are.
const PAGE_BYTES: usize = 1024 * 1024;

impl Page {
    pub(super) async fn read(
        mut found: BoxStream<'_, Result<(i64, String), sqlx::Error>>,
        after: Position,
        limit: u32,
    ) -> Result<Self, StorageError> {
        let (mut rows, mut last, mut bytes) = (Vec::new(), after, 0);
        while bytes < PAGE_BYTES
            && let Some((position, entity)) = found.try_next().await?
        {
            last = Position(position);
            bytes += entity.len();
            rows.push(entity);
        }
        Ok(Self {
            has_more: bytes >= PAGE_BYTES || u32::try_from(rows.len()).is_ok_and(|read| read == limit),
            rows,
            last,
        })
    }
}

impl Table {
    /// What one of its entities is called.
    pub(in crate::embedded) fn noun(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Idea => "idea",
            Self::Variant => "variant",
            Self::Worker => "worker",
            Self::Group => "group",
        }
    }

    fn by_id(self) -> &'static str {
        match self {
            Self::Task => "SELECT entity FROM task WHERE scope = ? AND id = ?",
            Self::Idea => "SELECT entity FROM idea WHERE scope = ? AND id = ?",
            Self::Variant => "SELECT entity FROM variant WHERE scope = ? AND id = ?",
            Self::Worker => "SELECT entity FROM worker WHERE scope = ? AND id = ?",
            Self::Group => "SELECT entity FROM worker_group WHERE scope = ? AND id = ?",
        }
    }

    fn all(self) -> &'static str {
        match self {
            Self::Task => "SELECT position, entity FROM task WHERE scope = ",
            Self::Idea => "SELECT position, entity FROM idea WHERE scope = ",
            Self::Variant => "SELECT position, entity FROM variant WHERE scope = ",
            Self::Worker => "SELECT position, entity FROM worker WHERE scope = ",
            Self::Group => "SELECT position, entity FROM worker_group WHERE scope = ",
        }
    }
}

impl Session {
    /// The stored JSON of one entity.
    pub(in crate::embedded) async fn text(&mut self, table: Table, id: &str) -> Result<Option<String>, StorageError> {
        let (connection, scope) = self.reading();
        let query = sqlx::query_scalar(table.by_id()).bind(scope).bind(id);
        Ok(query.fetch_optional(connection).await?)
    }

    /// One entity.
    pub(in crate::embedded) async fn get<T: DeserializeOwned>(
        &mut self,
        table: Table,
        id: &str,
    ) -> Result<Option<T>, StorageError> {
        decode(self.text(table, id).await?)
    }

    /// The stored JSON of the next entities that match the filters, in the order of insertion.
    pub(in crate::embedded) async fn page(
        &mut self,
        table: Table,
        filters: &[Filter],
        after: Position,
        limit: u32,
    ) -> Result<Page, StorageError> {
        let (connection, scope) = self.reading();
        let mut query = QueryBuilder::<Sqlite>::new(table.all());
        query.push_bind(scope).push(" AND position > ").push_bind(after.0);
        for (column, value) in filters {
            if let Some(value) = value {
                query.push(" AND ").push(column).push(" = ").push_bind(value.as_str());
            }
        }
        query.push(" ORDER BY position LIMIT ").push_bind(limit);
        let rows = query.build_query_as().fetch(connection);
        Page::read(rows, after, limit).await
    }

    /// The stored JSON of every entity of a table that stays small.
    async fn all(&mut self, table: Table) -> Result<Vec<String>, StorageError> {
        let (mut rows, mut next) = (Vec::new(), Position::default());
        loop {
            let mut page = self.page(table, &[], next, u32::MAX).await?;
            rows.append(&mut page.rows);
            if !page.has_more {
                return Ok(rows);
            }
            next = page.last;
        }
    }

    /// The experiment of this scope.
    pub(in crate::embedded) async fn experiment(&mut self) -> Result<Experiment, StorageError> {
        let (connection, scope) = self.reading();
        let query = sqlx::query_scalar("SELECT entity FROM experiment WHERE scope = ?").bind(scope);
        let text: String = query.fetch_one(connection).await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// The dispatch mode as stored, unknown keys included.
    pub(in crate::embedded) async fn dispatch_mode(&mut self) -> Result<Extra, StorageError> {
        let (connection, scope) = self.reading();
        let query = sqlx::query_scalar("SELECT dispatch_mode FROM experiment WHERE scope = ?").bind(scope);
        let text: String = query.fetch_one(connection).await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Every group of this scope.
    pub(in crate::embedded) async fn groups(&mut self) -> Result<Vec<Group>, StorageError> {
        let rows = self.all(Table::Group).await?;
        rows.iter()
            .map(|row| serde_json::from_str(row).map_err(Into::into))
            .collect()
    }

    /// The submission of a task.
    pub(in crate::embedded) async fn submission(&mut self, task: &str) -> Result<Option<Submission>, StorageError> {
        decode(self.submission_text(task).await?)
    }

    /// The stored JSON of the submission of a task.
    pub(in crate::embedded) async fn submission_text(&mut self, task: &str) -> Result<Option<String>, StorageError> {
        let (connection, scope) = self.reading();
        let query = sqlx::query_scalar("SELECT submission FROM task WHERE scope = ? AND id = ?");
        let row: Option<Option<String>> = query.bind(scope).bind(task).fetch_optional(connection).await?;
        Ok(row.flatten())
    }

    /// Whether a task of this kind is live for an idea or variant.
    pub(in crate::embedded) async fn has_live_task(
        &mut self,
        kind: TaskKind,
        subject: &str,
    ) -> Result<bool, StorageError> {
        let (connection, scope) = self.reading();
        let query = sqlx::query_scalar::<_, i64>(
            "SELECT 1 FROM task WHERE scope = ? AND subject = ? AND kind = ?
             AND state IN ('pending', 'claimed', 'submitted') LIMIT 1",
        );
        let row = query.bind(scope).bind(subject).bind(kind.as_str());
        Ok(row.fetch_optional(connection).await?.is_some())
    }

    /// The first starting variant of an idea.
    pub(in crate::embedded) async fn starting_variant(&mut self, idea: &str) -> Result<Option<Variant>, StorageError> {
        let (connection, scope) = self.reading();
        let query = sqlx::query_scalar(
            "SELECT entity FROM variant WHERE scope = ? AND idea = ? AND status = 'starting'
             ORDER BY position LIMIT 1",
        );
        decode(query.bind(scope).bind(idea).fetch_optional(connection).await?)
    }

    /// Whether an idea has this slug.
    pub(in crate::embedded) async fn has_slug(&mut self, slug: &str) -> Result<bool, StorageError> {
        let (connection, scope) = self.reading();
        let query = sqlx::query_scalar::<_, i64>("SELECT 1 FROM idea WHERE scope = ? AND slug = ? LIMIT 1");
        let row = query.bind(scope).bind(slug).fetch_optional(connection).await?;
        Ok(row.is_some())
    }

    /// Whether a variant has this branch.
    pub(in crate::embedded) async fn has_branch(&mut self, branch: &str) -> Result<bool, StorageError> {
        let (connection, scope) = self.reading();
        let query = sqlx::query_scalar::<_, i64>("SELECT 1 FROM variant WHERE scope = ? AND branch = ? LIMIT 1");
        let row = query.bind(scope).bind(branch).fetch_optional(connection).await?;
        Ok(row.is_some())
    }

    /// The hash of a worker's secret.
    pub(in crate::embedded) async fn secret_hash(&mut self, worker: &WorkerId) -> Result<Option<String>, StorageError> {
        let (connection, scope) = self.reading();
        let query = sqlx::query_scalar("SELECT secret_hash FROM worker WHERE scope = ? AND id = ?");
        let row = query.bind(scope).bind(worker.as_str());
        Ok(row.fetch_optional(connection).await?)
    }

    /// How often the workers, groups or experiments of this scope have changed.
    pub(in crate::embedded) async fn revision(&mut self) -> Result<u64, StorageError> {
        let (connection, scope) = self.reading();
        let query = sqlx::query_scalar("SELECT revision FROM scope WHERE num = ?").bind(scope);
        let revision: i64 = query.fetch_one(connection).await?;
        Ok(u64::try_from(revision).unwrap_or_default())
    }
}
