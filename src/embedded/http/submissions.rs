//! What a submission refers to, read for the transitions that need it.

use std::collections::BTreeMap;

use crate::embedded::storage::{Session, StorageError, Table};
use crate::embedded::transition::SubmissionReferences;
use crate::protocol::*;

/// The entities that a submission for `task` names.
pub(super) async fn references(
    session: &mut Session,
    task: &Task,
    submission: &Submission,
) -> Result<SubmissionReferences, StorageError> {
    let mut found = SubmissionReferences::default();
    if let Some(variant) = &submission.variant_id {
        found.variant = session.get(Table::Variant, variant.as_str()).await?;
    }
    if let (TaskKind::Execution, Some(idea)) = (task.kind, task.idea_id()) {
        found.idea = session.get(Table::Idea, idea.as_str()).await?;
    }
    if task.kind == TaskKind::Ideation {
        let mut ideas = BTreeMap::new();
        for id in submission.idea_ids.iter().flatten() {
            if let Some(idea) = session.get::<Idea>(Table::Idea, id.as_str()).await? {
                ideas.insert(id.clone(), idea.state);
            }
        }
        found.ideas = ideas;
    }
    Ok(found)
}

/// The stored submission of `task`, and the entities that it names.
pub(super) async fn stored_references(
    session: &mut Session,
    task: &Task,
) -> Result<SubmissionReferences, StorageError> {
    match session.submission(task.task_id.as_str()).await? {
        None => Ok(SubmissionReferences::default()),
        Some(stored) => Ok(SubmissionReferences {
            stored: Some(stored.clone()),
            ..references(session, task, &stored).await?
        }),
    }
}
