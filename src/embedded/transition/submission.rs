//! Handing in work and judging it (`ch04 §4`, `ch03 §2.4`, `§3.4`, `§4.4`).

use std::collections::BTreeMap;

use super::{Change, Draft, Refusal, SubmissionChange, draft, good_uri, text};
use crate::protocol::*;

/// What the store knows about the entities a submission names.
#[derive(Debug, Default)]
pub(in crate::embedded) struct Cited {
    /// The submission stored for the task.
    pub(in crate::embedded) stored: Option<Submission>,
    /// The variant the submission names.
    pub(in crate::embedded) variant: Option<Variant>,
    /// The idea of an execution task.
    pub(in crate::embedded) idea: Option<Idea>,
    /// Ideation: the state of each idea named that exists.
    pub(in crate::embedded) ideas: BTreeMap<IdeaId, IdeaState>,
}

/// `claimed → submitted`; a repeat with the same content changes nothing (`ch04 §4.1`, `§4.2`).
pub(in crate::embedded) fn submit(
    mut task: Task,
    by: &WorkerId,
    mut payload: Submission,
    cited: &Cited,
    now: Timestamp,
) -> Result<Change, Refusal> {
    let holder = match (&task.claim, task.state) {
        (Some(claim), TaskState::Claimed | TaskState::Submitted) => &claim.worker_id,
        (_, state) => {
            return Err(Refusal::new(
                ErrorType::NotClaimed,
                format!("task {} is {state}: nobody holds it", task.task_id),
            ));
        }
    };
    if holder != by {
        return Err(Refusal::new(
            ErrorType::WrongClaimant,
            format!("task {} is held by {holder}", task.task_id),
        ));
    }
    good_payload(&task, &payload)?;
    if let Some(fault) = binding_fault(&task, &payload, cited) {
        return Err(Refusal::illegal(fault));
    }
    payload.kind = Some(task.kind);
    if let (TaskState::Submitted, Some(stored)) = (task.state, &cited.stored) {
        if stored.is_equivalent(&payload, task.kind) {
            return Ok(Change::default());
        }
        return Err(Refusal::new(
            ErrorType::ConflictingResubmission,
            format!("task {} has a submission with other content", task.task_id),
        ));
    }
    if let (Some(commit), Some(idea), SubmissionStatus::Success) = (&payload.commit_sha, &cited.idea, payload.status)
        && task.kind == TaskKind::Execution
        && idea.parent_commits.iter().all(|parent| parent == commit)
    {
        return Err(Refusal::new(
            ErrorType::NoOpVariant,
            format!("commit {commit} is the parent of idea {} itself", idea.idea_id),
        ));
    }
    task.state = TaskState::Submitted;
    task.submitted_by = Some(by.clone());
    task.updated_at = now;
    let event = draft(
        "task.submitted",
        [("task_id", text(&task.task_id)), ("worker_id", text(by))],
    );
    Ok(Change {
        task: Some(task),
        submission: SubmissionChange::Put(payload),
        events: vec![event],
        ..Change::default()
    })
}

fn good_payload(task: &Task, payload: &Submission) -> Result<(), Refusal> {
    if payload.kind.is_some_and(|kind| kind != task.kind) {
        return Err(Refusal::bad(format!("the task is of kind {}", task.kind)));
    }
    if payload.status == SubmissionStatus::EvaluationError && task.kind != TaskKind::Evaluation {
        return Err(Refusal::bad(format!(
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
        return Err(Refusal::bad(format!("payload needs {missing}")));
    }
    good_uri(payload.artifacts_uri.as_deref(), "artifacts_uri")
}

/// What a submission names must belong to the task (`ch04 §4.1`).
fn binding_fault(task: &Task, payload: &Submission, cited: &Cited) -> Option<String> {
    match task.kind {
        TaskKind::Ideation => payload
            .idea_ids
            .iter()
            .flatten()
            .find_map(|id| match cited.ideas.get(id) {
                None => Some(format!("there is no idea {id}")),
                Some(IdeaState::Drafting) => Some(format!("idea {id} is still drafting")),
                Some(_) => None,
            }),
        TaskKind::Execution => match &cited.variant {
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

fn submitted(task: &Task, cited: &mut Cited) -> Result<Submission, Refusal> {
    match (task.state, cited.stored.take()) {
        (TaskState::Submitted, Some(stored)) => Ok(stored),
        (state, _) => Err(Refusal::illegal(format!(
            "task {} is {state}, not submitted",
            task.task_id
        ))),
    }
}

/// `submitted → completed` (`ch04 §4.3`), when the stored submission keeps the contract of its role.
pub(in crate::embedded) fn accept(
    mut task: Task,
    mut cited: Cited,
    config: &ExperimentConfig,
    now: Timestamp,
) -> Result<Change, Refusal> {
    let stored = submitted(&task, &mut cited)?;
    if stored.status != SubmissionStatus::Success {
        return Err(Refusal::illegal(format!(
            "the submission reports {}: reject it",
            stored.status
        )));
    }
    if let Some(fault) = binding_fault(&task, &stored, &cited) {
        return Err(Refusal::illegal(fault));
    }
    let mut change = Change {
        events: vec![ended("task.completed", &task)],
        ..Change::default()
    };
    match task.kind {
        TaskKind::Ideation => {}
        TaskKind::Execution => {
            let mut variant = still_starting(cited.variant)?;
            let mut idea = cited
                .idea
                .ok_or_else(|| Refusal::illegal("the idea of the task is gone"))?;
            if stored.commit_sha.is_none() {
                return Err(Refusal::illegal("the submission names no commit"));
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
            let mut variant = still_starting(cited.variant)?;
            let evaluation = stored.evaluation.filter(|metrics| !metrics.is_empty());
            let evaluation = evaluation.ok_or_else(|| Refusal::illegal("the submission holds no metrics"))?;
            if let Some(fault) = config.evaluation_fault(&evaluation) {
                return Err(Refusal::illegal(fault));
            }
            let Some(commit) = variant.commit_sha.clone() else {
                return Err(Refusal::illegal(format!(
                    "variant {} has no commit",
                    variant.variant_id
                )));
            };
            variant.status = VariantStatus::Success;
            variant.evaluation = Some(evaluation);
            variant.artifacts_uri = stored.artifacts_uri;
            variant.evaluated_by = task.submitted_by.clone();
            variant.completed_at = Some(now);
            change.events.push(draft(
                "variant.succeeded",
                [("variant_id", text(&variant.variant_id)), ("commit_sha", text(commit))],
            ));
            change.variant = Some(variant);
        }
    }
    end(&mut task, TaskState::Completed, now);
    change.task = Some(task);
    Ok(change)
}

/// `submitted → failed` (`ch04 §4.3`). What happens to the variant depends on what the worker reported, not on
/// the reason, except that a submission that failed validation leaves nothing of itself behind.
pub(in crate::embedded) fn reject(
    mut task: Task,
    mut cited: Cited,
    reason: RejectReason,
    config: &ExperimentConfig,
    now: Timestamp,
) -> Result<Change, Refusal> {
    let stored = submitted(&task, &mut cited)?;
    let trusted = reason != RejectReason::ValidationError;
    let mut failed = ended("task.failed", &task);
    failed.data.insert("reason".to_owned(), text(reason));
    let mut change = Change {
        events: vec![failed],
        ..Change::default()
    };
    let errored = match task.kind {
        TaskKind::Ideation => None,
        TaskKind::Execution => {
            if let Some(mut idea) = cited.idea.filter(|idea| idea.state == IdeaState::Dispatched) {
                idea.state = IdeaState::Completed;
                change.events.push(idea_completed(&idea, &task));
                change.idea = Some(idea);
            }
            let own =
                |variant: &Variant| variant.idea_id == task.idea_id() && variant.status == VariantStatus::Starting;
            cited.variant.filter(own).map(|mut variant| {
                variant.executed_by = task.submitted_by.clone();
                if trusted && stored.artifacts_uri.is_some() {
                    variant.executor_artifacts_uri = stored.artifacts_uri;
                }
                variant
            })
        }
        TaskKind::Evaluation if stored.status == SubmissionStatus::Error => {
            let mut variant = still_starting(cited.variant)?;
            if trusted {
                if let Some(fault) = stored.evaluation.as_ref().and_then(|e| config.evaluation_fault(e)) {
                    return Err(Refusal::precondition(fault));
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
        let event = draft("variant.errored", [("variant_id", text(&variant.variant_id))]);
        change.events.push(event);
        variant
    });
    end(&mut task, TaskState::Failed, now);
    change.task = Some(task);
    Ok(change)
}

/// What an orchestrator should do with a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::embedded) enum Verdict {
    /// Accept it: the submission keeps the contract of its role, or there is nothing to judge.
    Accept,
    /// Reject it for `worker_error`: the worker itself reports a failure.
    WorkerError,
    /// Reject it for `validation_error`, for this reason.
    ValidationError(String),
}

/// Judges without deciding: what would [`accept`] or [`reject`] say?
pub(in crate::embedded) fn verdict(task: Task, cited: Cited, config: &ExperimentConfig, now: Timestamp) -> Verdict {
    if task.state != TaskState::Submitted {
        return Verdict::Accept;
    }
    let (good, judged) = match cited.stored.as_ref().map(|stored| stored.status) {
        None => return Verdict::ValidationError("nothing was handed in".to_owned()),
        Some(SubmissionStatus::Success) => (Verdict::Accept, accept(task, cited, config, now)),
        Some(_) => (
            Verdict::WorkerError,
            reject(task, cited, RejectReason::WorkerError, config, now),
        ),
    };
    match judged {
        Ok(_) => good,
        Err(refusal) => Verdict::ValidationError(refusal.detail),
    }
}

fn still_starting(variant: Option<Variant>) -> Result<Variant, Refusal> {
    let variant = variant.ok_or_else(|| Refusal::illegal("the variant of the submission is gone"))?;
    if variant.status == VariantStatus::Starting {
        return Ok(variant);
    }
    Err(Refusal::illegal(format!(
        "variant {} is {}, not starting",
        variant.variant_id, variant.status
    )))
}

fn end(task: &mut Task, state: TaskState, now: Timestamp) {
    task.state = state;
    task.claim = None;
    task.updated_at = now;
}

fn ended(kind: &'static str, task: &Task) -> Draft {
    let mut event = draft(kind, [("task_id", text(&task.task_id))]);
    if let Some(worker) = &task.submitted_by {
        event.data.insert("worker_id".to_owned(), text(worker));
    }
    event
}

fn idea_completed(idea: &Idea, task: &Task) -> Draft {
    draft(
        "idea.completed",
        [("idea_id", text(&idea.idea_id)), ("task_id", text(&task.task_id))],
    )
}
