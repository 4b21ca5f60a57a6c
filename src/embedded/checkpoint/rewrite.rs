//! The lines of an archive on their way into the database: each is read again, made the receiver's own, and written
//! with some hundred others.

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::CheckpointError;
use super::archive::Member;
use super::import::Checked;
use super::lines::Lines;
use crate::embedded::storage::{Archived, Batch, Row, Write};
use crate::embedded::transition::Refusal;
use crate::protocol::*;

/// What goes to the database at once.
const BATCH_ROWS: usize = 500;
const BATCH_BYTES: usize = 2 * 1024 * 1024;

/// Reads every line again, as it will be stored, and writes it.
pub(super) async fn insert(
    write: &mut Write,
    checked: Checked,
    id: &ExperimentId,
    hash: String,
) -> Result<Checked, CheckpointError> {
    let (batches, mut receiver) = mpsc::channel(2);
    let id = id.clone();
    let reader = tokio::task::spawn_blocking(move || {
        let lines = Rewriting {
            checked: &checked,
            id: &id,
            hash: &hash,
        };
        let outcome = lines.send(&batches);
        (checked, outcome)
    });
    while let Some(batch) = receiver.recv().await {
        write.insert_batch(&batch).await?;
    }
    let (checked, outcome) = reader.await.map_err(std::io::Error::other)?;
    outcome?;
    Ok(checked)
}

struct Rewriting<'a> {
    checked: &'a Checked,
    id: &'a ExperimentId,
    hash: &'a str,
}

impl Rewriting<'_> {
    /// Sends all lines in batches; stops early when nobody takes them.
    fn send(&self, batches: &mpsc::Sender<Batch>) -> Result<(), Refusal> {
        for (member, kind) in [
            (Member::Ideas, Archived::Idea),
            (Member::Variants, Archived::Variant),
            (Member::Tasks, Archived::Task),
            (Member::Submissions, Archived::Submission),
            (Member::Workers, Archived::Worker),
            (Member::Groups, Archived::Group),
            (Member::Events, Archived::Event),
        ] {
            let mut lines = Lines::new(&self.checked.archive, member);
            let mut batch = Batch {
                kind,
                first: 1,
                rows: Vec::new(),
            };
            let mut size = 0;
            while let Some(value) = lines.next()? {
                let row = self.row(kind, value, lines.number);
                size += row.entity.len();
                batch.rows.push(row);
                if batch.rows.len() >= BATCH_ROWS || size >= BATCH_BYTES {
                    let next = Batch {
                        kind,
                        first: lines.number + 1,
                        rows: Vec::new(),
                    };
                    size = 0;
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

    /// A line as it is stored: under the new id, and with nobody's claim that rests on a credential of the source.
    fn row(&self, kind: Archived, mut value: Value, number: u64) -> Row {
        let mut task = None;
        if let Some(entity) = value.as_object_mut() {
            match kind {
                Archived::Task => {
                    let payload = entity
                        .get_mut("payload")
                        .and_then(|payload| payload.get_mut("experiment_id"));
                    if let Some(named) = payload
                        && *named == *self.checked.manifest.experiment_id.as_str()
                    {
                        *named = self.id.as_str().into();
                    }
                    if entity.get("state").and_then(Value::as_str) == Some(TaskState::Claimed.as_str()) {
                        entity.insert("state".to_owned(), TaskState::Pending.as_str().into());
                        entity.remove("claim");
                    }
                }
                Archived::Submission => {
                    task = entity.remove("task_id").and_then(|id| id.as_str().map(str::to_owned));
                    let kind = task.as_deref().and_then(|task| self.checked.ledger.kind(task));
                    entity.insert("kind".to_owned(), json!(kind));
                }
                _ => {
                    entity.insert("experiment_id".to_owned(), self.id.as_str().into());
                }
            }
            if kind == Archived::Event {
                // Ids are the log's own: those that follow must not meet these again.
                entity.insert("event_id".to_owned(), format!("evt-{number:06}").into());
            }
        }
        let word = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let words = match kind {
            Archived::Task => {
                let payload = |key: &str| Some(value.get("payload")?.get(key)?.as_str()?.to_owned());
                let subject = match word("kind").as_deref() {
                    Some("execution") => payload("idea_id"),
                    Some("evaluation") => payload("variant_id"),
                    _ => None,
                };
                vec![word("task_id"), word("kind"), word("state"), subject]
            }
            Archived::Idea => vec![word("idea_id"), word("state"), word("slug")],
            Archived::Variant => vec![word("variant_id"), word("status"), word("idea_id"), word("branch")],
            Archived::Submission => vec![task],
            Archived::Worker => vec![word("worker_id"), word("name"), Some(self.hash.to_owned())],
            Archived::Group => vec![word("group_id"), word("name")],
            Archived::Event => Vec::new(),
        };
        Row {
            entity: value.to_string(),
            words,
        }
    }
}
