//! Reading entities. An entity that is only sent on is returned as the stored JSON, without parsing it.

use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use serde::de::DeserializeOwned;
use sqlx::{QueryBuilder, Sqlite};

use super::session::decode;
use super::{Session, StorageResult};
use crate::protocol::*;

/// A table of entities with an id each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Task,
    Idea,
    Variant,
    Worker,
    Group,
}

/// A column of a table, and the value that it must have. `None` is any value.
pub(crate) type Filter = (&'static str, Option<String>);

/// A place in the order of insertion. The default is before everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Position(pub(super) i64);

impl From<u64> for Position {
    /// The place of a log cursor. SQLite counts in i64, and no log is longer than that.
    fn from(cursor: u64) -> Self {
        Self(i64::try_from(cursor).unwrap_or(i64::MAX))
    }
}

/// Entities in the order of insertion.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) rows: Vec<String>,
    /// The place of the last row.
    pub(crate) last: Position,
    /// Whether there may be more after it.
    pub(crate) has_more: bool,
}

/// A page ends after this many bytes, however few its rows are.
const PAGE_BYTES: usize = 1024 * 1024;

impl Page {
    pub(super) async fn read(
        mut found: BoxStream<'_, Result<(i64, String), sqlx::Error>>,
        after: Position,
        limit: u32,
    ) -> StorageResult<Self> {
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
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Idea => "idea",
            Self::Variant => "variant",
            Self::Worker => "worker",
            Self::Group => "group",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Group => "worker_group",
            other => other.noun(),
        }
    }
}

impl Session {
    /// The stored JSON of one entity.
    pub(crate) async fn text(&mut self, table: Table, id: &str) -> StorageResult<Option<String>> {
        let (connection, scope) = self.reading();
        let mut query = QueryBuilder::<Sqlite>::new("SELECT entity FROM ");
        query.push(table.name()).push(" WHERE scope = ").push_bind(scope);
        query.push(" AND id = ").push_bind(id);
        Ok(query.build_query_scalar().fetch_optional(connection).await?)
    }

    /// One entity.
    pub(crate) async fn get<T: DeserializeOwned>(&mut self, table: Table, id: &str) -> StorageResult<Option<T>> {
        decode(self.text(table, id).await?)
    }

    /// The stored JSON of the next entities that match the filters, in the order of insertion.
    pub(crate) async fn page(
        &mut self,
        table: Table,
        filters: &[Filter],
        after: Position,
        limit: u32,
    ) -> StorageResult<Page> {
        let (connection, scope) = self.reading();
        let mut query = QueryBuilder::<Sqlite>::new("SELECT position, entity FROM ");
        query.push(table.name()).push(" WHERE scope = ").push_bind(scope);
        query.push(" AND position > ").push_bind(after.0);
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
    async fn all(&mut self, table: Table) -> StorageResult<Vec<String>> {
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
    pub(crate) async fn experiment(&mut self) -> StorageResult<Experiment> {
        let (connection, scope) = self.reading();
        let query = sqlx::query_scalar("SELECT entity FROM experiment WHERE scope = ?").bind(scope);
        let text: String = query.fetch_one(connection).await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// The dispatch mode as stored, unknown keys included.
    pub(crate) async fn dispatch_mode(&mut self) -> StorageResult<Extra> {
        let (connection, scope) = self.reading();
        let query = sqlx::query_scalar("SELECT dispatch_mode FROM experiment WHERE scope = ?").bind(scope);
        let text: String = query.fetch_one(connection).await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Every group of this scope.
    pub(crate) async fn groups(&mut self) -> StorageResult<Vec<Group>> {
        let rows = self.all(Table::Group).await?;
        rows.iter()
            .map(|row| serde_json::from_str(row).map_err(Into::into))
            .collect()
    }

    /// The submission of a task.
    pub(crate) async fn submission(&mut self, task: &str) -> StorageResult<Option<Submission>> {
        decode(self.submission_text(task).await?)
    }

    /// The stored JSON of the submission of a task.
    pub(crate) async fn submission_text(&mut self, task: &str) -> StorageResult<Option<String>> {
        let (connection, scope) = self.reading();
        let query = sqlx::query_scalar("SELECT submission FROM task WHERE scope = ? AND id = ?");
        let row: Option<Option<String>> = query.bind(scope).bind(task).fetch_optional(connection).await?;
        Ok(row.flatten())
    }

    /// Whether a task of this kind is live for an idea or variant.
    pub(crate) async fn has_live_task(&mut self, kind: TaskKind, subject: &str) -> StorageResult<bool> {
        let (connection, scope) = self.reading();
        let query = sqlx::query_scalar::<_, i64>(
            "SELECT 1 FROM task WHERE scope = ? AND subject = ? AND kind = ?
             AND state IN ('pending', 'claimed', 'submitted') LIMIT 1",
        );
        let row = query.bind(scope).bind(subject).bind(kind.as_str());
        Ok(row.fetch_optional(connection).await?.is_some())
    }

    /// The first starting variant of an idea.
    pub(crate) async fn starting_variant(&mut self, idea: &str) -> StorageResult<Option<Variant>> {
        let (connection, scope) = self.reading();
        let query = sqlx::query_scalar(
            "SELECT entity FROM variant WHERE scope = ? AND idea = ? AND status = 'starting'
             ORDER BY position LIMIT 1",
        );
        decode(query.bind(scope).bind(idea).fetch_optional(connection).await?)
    }

    /// Whether an idea has this slug.
    pub(crate) async fn has_slug(&mut self, slug: &str) -> StorageResult<bool> {
        self.exists("SELECT 1 FROM idea WHERE scope = ? AND slug = ? LIMIT 1", slug)
            .await
    }

    /// Whether a variant has this branch.
    pub(crate) async fn has_branch(&mut self, branch: &str) -> StorageResult<bool> {
        self.exists("SELECT 1 FROM variant WHERE scope = ? AND branch = ? LIMIT 1", branch)
            .await
    }

    async fn exists(&mut self, query: &'static str, value: &str) -> StorageResult<bool> {
        let (connection, scope) = self.reading();
        let query = sqlx::query_scalar::<_, i64>(query).bind(scope).bind(value);
        Ok(query.fetch_optional(connection).await?.is_some())
    }

    /// The hash of a worker's secret.
    pub(crate) async fn secret_hash(&mut self, worker: &WorkerId) -> StorageResult<Option<String>> {
        let (connection, scope) = self.reading();
        let query = sqlx::query_scalar("SELECT secret_hash FROM worker WHERE scope = ? AND id = ?");
        let row = query.bind(scope).bind(worker.as_str());
        Ok(row.fetch_optional(connection).await?)
    }

    /// How often the workers, groups or experiments of this scope have changed.
    pub(crate) async fn revision(&mut self) -> StorageResult<u64> {
        let (connection, scope) = self.reading();
        let query = sqlx::query_scalar("SELECT revision FROM scope WHERE num = ?").bind(scope);
        let revision: i64 = query.fetch_one(connection).await?;
        Ok(u64::try_from(revision).unwrap_or_default())
    }
}
