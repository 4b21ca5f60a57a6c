//! Accepting and rejecting submissions (`ch04 §4.3`, `ch03 §2.4`, `§3.4`, `§4.4`).

use super::submission::binding_fault;
use super::{ChangeSet, NewEvent, SubmissionReferences, new_event, text};
use crate::embedded::{ProtocolError, ProtocolResult};
use crate::protocol::*;

fn take_submission(task: &Task, found: &mut SubmissionReferences) -> ProtocolResult<Submission> {
    match (task.state, found.stored.take()) {
        (TaskState::Submitted, Some(stored)) => Ok(stored),
        (state, _) => Err(ProtocolError::illegal_transition(format!(
            "task {} is {state}, not submitted",
            task.task_id
        ))),
    }
}

/// `submitted → completed` (`ch04 §4.3`). The stored submission must keep the contract of its role.
pub(crate) fn accept(
    mut task: Task,
    mut found: SubmissionReferences,
    config: &ExperimentConfig,
    now: Timestamp,
) -> ProtocolResult<ChangeSet> {
    let stored = take_submission(&task, &mut found)?;
    if stored.status != SubmissionStatus::Success {
        return Err(ProtocolError::illegal_transition(format!(
            "the submission reports {}: reject it",
            stored.status
        )));
    }
    if let Some(fault) = binding_fault(&task, &stored, &found) {
        return Err(ProtocolError::illegal_transition(fault));
    }
    let mut change = ChangeSet {
        events: vec![ended_event("task.completed", &task)],
        ..ChangeSet::default()
    };
    match task.kind {
        TaskKind::Ideation => {}
        TaskKind::Execution => {
            let mut variant = require_starting(found.variant)?;
            let mut idea = found
                .idea
                .ok_or_else(|| ProtocolError::illegal_transition("the idea of the task is gone"))?;
            if stored.commit_sha.is_none() {
                return Err(ProtocolError::illegal_transition("the submission names no commit"));
            }
            variant.commit_sha = stored.commit_sha;
            variant.executed_by = task.submitted_by.clone();
            variant.executor_artifacts_uri = stored.artifacts_uri;
            idea.state = IdeaState::Completed;
            change.events.push(idea_completed(&idea, &task));
            change.idea = Some(idea);
            change.variant = Some(variant);
        }
        TaskKind::Evaluation => {
            let mut variant = require_starting(found.variant)?;
            let evaluation = stored.evaluation.filter(|metrics| !metrics.is_empty());
            let evaluation =
                evaluation.ok_or_else(|| ProtocolError::illegal_transition("the submission holds no metrics"))?;
            if let Some(fault) = config.evaluation_fault(&evaluation) {
                return Err(ProtocolError::illegal_transition(fault));
            }
            let Some(commit) = variant.commit_sha.clone() else {
                return Err(ProtocolError::illegal_transition(format!(
                    "variant {} has no commit",
                    variant.variant_id
                )));
            };
            variant.status = VariantStatus::Success;
            variant.evaluation = Some(evaluation);
            variant.artifacts_uri = stored.artifacts_uri;
            variant.evaluated_by = task.submitted_by.clone();
            variant.completed_at = Some(now);
            change.events.push(new_event(
                "variant.succeeded",
                [("variant_id", text(&variant.variant_id)), ("commit_sha", text(commit))],
            ));
            change.variant = Some(variant);
        }
    }
    end_task(&mut task, TaskState::Completed, now);
    change.task = Some(task);
    Ok(change)
}

/// `submitted → failed` (`ch04 §4.3`). What happens to the variant depends on what the worker reported, not on the
/// reason. But nothing of a submission that failed validation is kept.
pub(crate) fn reject(
    mut task: Task,
    mut found: SubmissionReferences,
    reason: RejectReason,
    config: &ExperimentConfig,
    now: Timestamp,
) -> ProtocolResult<ChangeSet> {
    let stored = take_submission(&task, &mut found)?;
    let is_valid = reason != RejectReason::ValidationError;
    let mut failed = ended_event("task.failed", &task);
    failed.data.insert("reason".to_owned(), text(reason));
    let mut change = ChangeSet {
        events: vec![failed],
        ..ChangeSet::default()
    };
    let errored = match task.kind {
        TaskKind::Ideation => None,
        TaskKind::Execution => {
            if let Some(mut idea) = found.idea.filter(|idea| idea.state == IdeaState::Dispatched) {
                idea.state = IdeaState::Completed;
                change.events.push(idea_completed(&idea, &task));
                change.idea = Some(idea);
            }
            let own =
                |variant: &Variant| variant.idea_id == task.idea_id() && variant.status == VariantStatus::Starting;
            found.variant.filter(own).map(|mut variant| {
                variant.executed_by = task.submitted_by.clone();
                if is_valid && stored.artifacts_uri.is_some() {
                    variant.executor_artifacts_uri = stored.artifacts_uri;
                }
                variant
            })
        }
        TaskKind::Evaluation if stored.status == SubmissionStatus::Error => {
            let mut variant = require_starting(found.variant)?;
            if is_valid {
                if let Some(fault) = stored.evaluation.as_ref().and_then(|e| config.evaluation_fault(e)) {
                    return Err(ProtocolError::invalid_precondition(fault));
                }
                variant.evaluation = stored.evaluation;
                variant.artifacts_uri = stored.artifacts_uri;
            }
            variant.evaluated_by = task.submitted_by.clone();
            Some(variant)
        }
        TaskKind::Evaluation => None,
    };
    change.variant = errored.map(|mut variant| {
        variant.status = VariantStatus::Error;
        variant.completed_at = Some(now);
        let event = new_event("variant.errored", [("variant_id", text(&variant.variant_id))]);
        change.events.push(event);
        variant
    });
    end_task(&mut task, TaskState::Failed, now);
    change.task = Some(task);
    Ok(change)
}

/// What an orchestrator should do with a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TerminalDecision {
    /// Accept it: the submission keeps the contract of its role, or there is none to judge.
    Accept,
    /// Reject it with `worker_error`: the worker itself reports a failure.
    WorkerError,
    /// Reject it with `validation_error`, for this reason.
    ValidationError(String),
}

/// What [`accept`] or [`reject`] would return, without changing anything.
pub(crate) fn terminal_decision(
    task: Task,
    found: SubmissionReferences,
    config: &ExperimentConfig,
    now: Timestamp,
) -> TerminalDecision {
    if task.state != TaskState::Submitted {
        return TerminalDecision::Accept;
    }
    let (decision, result) = match found.stored.as_ref().map(|stored| stored.status) {
        None => return TerminalDecision::ValidationError("nothing was handed in".to_owned()),
        Some(SubmissionStatus::Success) => (TerminalDecision::Accept, accept(task, found, config, now)),
        Some(_) => (
            TerminalDecision::WorkerError,
            reject(task, found, RejectReason::WorkerError, config, now),
        ),
    };
    match result {
        Ok(_) => decision,
        Err(error) => TerminalDecision::ValidationError(error.detail),
    }
}

fn require_starting(variant: Option<Variant>) -> ProtocolResult<Variant> {
    let variant = variant.ok_or_else(|| ProtocolError::illegal_transition("the variant of the submission is gone"))?;
    if variant.status == VariantStatus::Starting {
        return Ok(variant);
    }
    Err(ProtocolError::illegal_transition(format!(
        "variant {} is {}, not starting",
        variant.variant_id, variant.status
    )))
}

fn end_task(task: &mut Task, state: TaskState, now: Timestamp) {
    task.state = state;
    task.claim = None;
    task.updated_at = now;
}

fn ended_event(kind: &'static str, task: &Task) -> NewEvent {
    let mut event = new_event(kind, [("task_id", text(&task.task_id))]);
    if let Some(worker) = &task.submitted_by {
        event.data.insert("worker_id".to_owned(), text(worker));
    }
    event
}

fn idea_completed(idea: &Idea, task: &Task) -> NewEvent {
    new_event(
        "idea.completed",
        [("idea_id", text(&idea.idea_id)), ("task_id", text(&task.task_id))],
    )
}
