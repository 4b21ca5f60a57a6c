//! The event log of an experiment (`ch05 §4`). A cursor is the number of events consumed.

use std::sync::Arc;

use super::{Page, Position, Session, StorageResult, WriteSession};
use crate::embedded::HostedExperiment;
use crate::embedded::transition::NewEvent;
use crate::protocol::{Event, Extra, Timestamp};

/// The version of a scope. It changes whenever anything in the scope does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScopeVersion {
    /// The length of the log.
    pub(crate) cursor: u64,
    /// How often the workers and groups have changed.
    pub(crate) revision: u64,
}

impl Session {
    /// The version that this session sees.
    pub(crate) async fn version(&mut self) -> StorageResult<ScopeVersion> {
        let (connection, scope) = self.reading();
        let query = sqlx::query_as(
            "SELECT (SELECT COALESCE(MAX(seq), 0) FROM event WHERE scope = num), revision FROM scope WHERE num = ?",
        );
        let (cursor, revision): (i64, i64) = query.bind(scope).fetch_one(connection).await?;
        Ok(ScopeVersion {
            cursor: u64::try_from(cursor).unwrap_or_default(),
            revision: u64::try_from(revision).unwrap_or_default(),
        })
    }

    /// The length of the log, which is the cursor after its last entry.
    pub(crate) async fn log_length(&mut self) -> StorageResult<u64> {
        let (connection, scope) = self.reading();
        let query = sqlx::query_scalar("SELECT COALESCE(MAX(seq), 0) FROM event WHERE scope = ?").bind(scope);
        let length: i64 = query.fetch_one(connection).await?;
        Ok(u64::try_from(length).unwrap_or_default())
    }

    /// The stored JSON of at most `limit` entries after a cursor.
    pub(crate) async fn log_after(&mut self, cursor: Position, limit: u32) -> StorageResult<Page> {
        let (connection, scope) = self.reading();
        let query = sqlx::query_as("SELECT seq, entity FROM event WHERE scope = ? AND seq > ? ORDER BY seq LIMIT ?");
        let rows = query.bind(scope).bind(cursor.0).bind(limit).fetch(connection);
        Page::read(rows, cursor, limit).await
    }
}

impl WriteSession {
    /// Appends events to the log of the experiment.
    pub(super) async fn append(
        &mut self,
        hosted: &Arc<HostedExperiment>,
        events: Vec<NewEvent>,
        now: Timestamp,
    ) -> StorageResult {
        if events.is_empty() {
            return Ok(());
        }
        let mut length = self.log_length().await?;
        for new in events {
            length += 1;
            let event = Event {
                event_id: format!("evt-{length:06}"),
                kind: new.kind.to_owned(),
                occurred_at: now,
                experiment_id: hosted.scope.experiment_id.clone(),
                data: new.data,
                extra: Extra::new(),
            };
            let text = serde_json::to_string(&event)?;
            let (connection, scope) = self.writing().await?;
            let query = sqlx::query("INSERT INTO event (scope, seq, entity) VALUES (?, ?, ?)");
            let seq = i64::try_from(length).unwrap_or(i64::MAX);
            query.bind(scope).bind(seq).bind(text).execute(connection).await?;
        }
        self.announce_log_length(hosted, length);
        Ok(())
    }
}
