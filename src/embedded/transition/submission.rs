//! Submitting work (`ch04 §4.1`, `§4.2`).

use std::collections::BTreeMap;

use super::{ChangeSet, SubmissionChange, check_uri, new_event, text};
use crate::embedded::{ProtocolError, ProtocolResult};
use crate::protocol::*;

/// What the store contains about the entities that a submission names.
#[derive(Debug, Default)]
pub(crate) struct SubmissionReferences {
    /// The submission stored for the task.
    pub(crate) stored: Option<Submission>,
    /// The variant the submission names.
    pub(crate) variant: Option<Variant>,
    /// The idea of an execution task.
    pub(crate) idea: Option<Idea>,
    /// Ideation: the state of each named idea that exists.
    pub(crate) ideas: BTreeMap<IdeaId, IdeaState>,
}

/// `claimed → submitted`. A repeat with the same content changes nothing (`ch04 §4.1`, `§4.2`).
pub(crate) fn submit(
    mut task: Task,
    by: &WorkerId,
    mut payload: Submission,
    found: &SubmissionReferences,
    now: Timestamp,
) -> ProtocolResult<ChangeSet> {
    let holder = match (&task.claim, task.state) {
        (Some(claim), TaskState::Claimed | TaskState::Submitted) => &claim.worker_id,
        (_, state) => {
            return Err(ProtocolError::new(
                ErrorType::NotClaimed,
                format!("task {} is {state}: nobody holds it", task.task_id),
            ));
        }
    };
    if holder != by {
        return Err(ProtocolError::new(
            ErrorType::WrongClaimant,
            format!("task {} is held by {holder}", task.task_id),
        ));
    }
    check_payload(&task, &payload)?;
    if let Some(fault) = binding_fault(&task, &payload, found) {
        return Err(ProtocolError::illegal_transition(fault));
    }
    payload.kind = Some(task.kind);
    if let (TaskState::Submitted, Some(stored)) = (task.state, &found.stored) {
        if stored.is_equivalent(&payload, task.kind) {
            return Ok(ChangeSet::default());
        }
        return Err(ProtocolError::new(
            ErrorType::ConflictingResubmission,
            format!("task {} has a submission with other content", task.task_id),
        ));
    }
    if let (Some(commit), Some(idea), SubmissionStatus::Success) = (&payload.commit_sha, &found.idea, payload.status)
        && task.kind == TaskKind::Execution
        && idea.parent_commits.iter().all(|parent| parent == commit)
    {
        return Err(ProtocolError::new(
            ErrorType::NoOpVariant,
            format!("commit {commit} is the parent of idea {} itself", idea.idea_id),
        ));
    }
    task.state = TaskState::Submitted;
    task.submitted_by = Some(by.clone());
    task.updated_at = now;
    let event = new_event(
        "task.submitted",
        [("task_id", text(&task.task_id)), ("worker_id", text(by))],
    );
    Ok(ChangeSet {
        task: Some(task),
        submission: SubmissionChange::Put(payload),
        events: vec![event],
        ..ChangeSet::default()
    })
}

fn check_payload(task: &Task, payload: &Submission) -> ProtocolResult {
    if payload.kind.is_some_and(|kind| kind != task.kind) {
        return Err(ProtocolError::bad_request(format!("the task is of kind {}", task.kind)));
    }
    if payload.status == SubmissionStatus::EvaluationError && task.kind != TaskKind::Evaluation {
        return Err(ProtocolError::bad_request(format!(
            "evaluation_error does not answer an {} task",
            task.kind
        )));
    }
    let missing = match task.kind {
        TaskKind::Ideation if payload.idea_ids.is_none() => Some("idea_ids"),
        TaskKind::Execution | TaskKind::Evaluation if payload.variant_id.is_none() => Some("variant_id"),
        TaskKind::Execution if payload.status == SubmissionStatus::Success && payload.commit_sha.is_none() => {
            Some("commit_sha")
        }
        _ => None,
    };
    if let Some(missing) = missing {
        return Err(ProtocolError::bad_request(format!("payload needs {missing}")));
    }
    check_uri(payload.artifacts_uri.as_deref(), "artifacts_uri")
}

/// Why a submission does not belong to the task, if it does not (`ch04 §4.1`).
pub(super) fn binding_fault(task: &Task, payload: &Submission, found: &SubmissionReferences) -> Option<String> {
    match task.kind {
        TaskKind::Ideation => payload
            .idea_ids
            .iter()
            .flatten()
            .find_map(|id| match found.ideas.get(id) {
                None => Some(format!("there is no idea {id}")),
                Some(IdeaState::Drafting) => Some(format!("idea {id} is still drafting")),
                Some(_) => None,
            }),
        TaskKind::Execution => match &found.variant {
            None => Some("there is no such variant".to_owned()),
            Some(variant) if variant.idea_id != task.idea_id() => {
                Some(format!("variant {} belongs to another idea", variant.variant_id))
            }
            Some(_) => None,
        },
        TaskKind::Evaluation if payload.variant_id != task.variant_id() => {
            Some("the task is about another variant".to_owned())
        }
        TaskKind::Evaluation => None,
    }
}
