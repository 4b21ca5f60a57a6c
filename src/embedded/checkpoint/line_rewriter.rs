//! Writes the lines of an archive into the database. Each line is read again, made the receiver's own, and inserted
//! in a batch with others.

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{CheckedArchive, CheckpointResult, LINE_MEMBERS, LineReader};
use crate::embedded::ProtocolResult;
use crate::embedded::storage::{ArchiveTable, Row, RowBatch, WriteSession};
use crate::protocol::*;

/// A batch is sent when it has this many rows or bytes.
const BATCH_ROWS: usize = 500;
const BATCH_BYTES: usize = 2 * 1024 * 1024;

/// Reads every line again and inserts it as it will be stored. Each worker gets `secret_hash`.
pub(super) async fn insert_lines(
    write: &mut WriteSession,
    checked: CheckedArchive,
    id: &ExperimentId,
    secret_hash: String,
) -> CheckpointResult<CheckedArchive> {
    let (batches, mut receiver) = mpsc::channel(2);
    let id = id.clone();
    let reader = tokio::task::spawn_blocking(move || {
        let rewriter = LineRewriter {
            checked: &checked,
            id: &id,
            secret_hash: &secret_hash,
        };
        let result = rewriter.send_all(&batches);
        (checked, result)
    });
    while let Some(batch) = receiver.recv().await {
        write.insert_batch(&batch).await?;
    }
    let (checked, result) = reader.await.map_err(std::io::Error::other)?;
    result?;
    Ok(checked)
}

struct LineRewriter<'a> {
    checked: &'a CheckedArchive,
    id: &'a ExperimentId,
    secret_hash: &'a str,
}

impl LineRewriter<'_> {
    /// Sends all lines in batches. Stops early when the receiver is gone.
    fn send_all(&self, batches: &mpsc::Sender<RowBatch>) -> ProtocolResult {
        for (member, table) in LINE_MEMBERS {
            let mut lines = LineReader::new(&self.checked.archive, member);
            let mut batch = RowBatch::new(table, 1);
            let mut size = 0;
            while let Some(value) = lines.next()? {
                let row = self.row(table, value, lines.number);
                size += row.entity.len();
                batch.rows.push(row);
                if batch.rows.len() >= BATCH_ROWS || size >= BATCH_BYTES {
                    size = 0;
                    let next = RowBatch::new(table, lines.number + 1);
                    if batches.blocking_send(std::mem::replace(&mut batch, next)).is_err() {
                        return Ok(());
                    }
                }
            }
            if batches.blocking_send(batch).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// A line as it is stored: under the new id, and without claims, since their workers' credentials are the source's.
    fn row(&self, table: ArchiveTable, mut value: Value, number: u64) -> Row {
        let mut task = None;
        if let Some(entity) = value.as_object_mut() {
            match table {
                ArchiveTable::Task => self.rewrite_task(entity),
                ArchiveTable::Submission => {
                    task = entity.remove("task_id").and_then(|id| id.as_str().map(str::to_owned));
                    let kind = task.as_deref().and_then(|task| self.checked.index.task_kind(task));
                    entity.insert("kind".to_owned(), json!(kind));
                }
                _ => {
                    entity.insert("experiment_id".to_owned(), self.id.as_str().into());
                }
            }
            if table == ArchiveTable::Event {
                // Event ids are made from the position in the log, so that later events get other ids.
                entity.insert("event_id".to_owned(), format!("evt-{number:06}").into());
            }
        }
        let columns = match table {
            ArchiveTable::Submission => vec![task],
            _ => self.columns(table, &value),
        };
        Row {
            entity: value.to_string(),
            columns,
        }
    }

    fn rewrite_task(&self, task: &mut Extra) {
        let named = task
            .get_mut("payload")
            .and_then(|payload| payload.get_mut("experiment_id"));
        if let Some(named) = named
            && *named == *self.checked.manifest.experiment_id.as_str()
        {
            *named = self.id.as_str().into();
        }
        if task.get("state").and_then(Value::as_str) == Some(TaskState::Claimed.as_str()) {
            task.insert("state".to_owned(), TaskState::Pending.as_str().into());
            task.remove("claim");
        }
    }

    fn columns(&self, table: ArchiveTable, value: &Value) -> Vec<Option<String>> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        match table {
            ArchiveTable::Task => {
                let payload = |key: &str| Some(value.get("payload")?.get(key)?.as_str()?.to_owned());
                let subject = match text("kind").as_deref() {
                    Some("execution") => payload("idea_id"),
                    Some("evaluation") => payload("variant_id"),
                    _ => None,
                };
                vec![text("task_id"), text("kind"), text("state"), subject]
            }
            ArchiveTable::Idea => vec![text("idea_id"), text("state"), text("slug")],
            ArchiveTable::Variant => vec![text("variant_id"), text("status"), text("idea_id"), text("branch")],
            ArchiveTable::Worker => vec![text("worker_id"), text("name"), Some(self.secret_hash.to_owned())],
            ArchiveTable::Group => vec![text("group_id"), text("name")],
            ArchiveTable::Submission | ArchiveTable::Event => Vec::new(),
        }
    }
}
