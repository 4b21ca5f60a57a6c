//! Creating, claiming, reclaiming and reassigning tasks (`ch04 §1` to `§3`, `§5`, `§6`).

use serde_json::Value;

use super::checks::require_running;
use super::{ChangeSet, NewEvent, SubmissionChange, check_claim, check_target, created_by, new_event, text};
use crate::embedded::{ProtocolError, ProtocolResult};
use crate::protocol::*;

/// What the store contains about the entities that a new task names.
#[derive(Debug, Default)]
pub(crate) struct TaskReferences {
    /// The task id is taken.
    pub(crate) exists: bool,
    /// Execution: the idea. Evaluation: the idea of its variant.
    pub(crate) idea: Option<Idea>,
    /// Evaluation: the variant.
    pub(crate) variant: Option<Variant>,
    /// Another task of this kind is live for the same idea or variant.
    pub(crate) has_live_task: bool,
}

/// `– → pending` (`ch04 §1`), which also dispatches the idea of an execution task.
pub(crate) fn create_task(
    experiment: &Experiment,
    by: &WorkerId,
    mut task: Task,
    found: TaskReferences,
) -> ProtocolResult<ChangeSet> {
    check_new_task(&task)?;
    task.created_by = created_by(task.created_by.as_ref(), by)?;
    if task.state != TaskState::Pending {
        return Err(ProtocolError::invalid_precondition("a task is created pending"));
    }
    require_running(experiment)?;
    let named = task.payload.get("experiment_id").and_then(Value::as_str);
    if task.kind == TaskKind::Ideation && named != Some(experiment.experiment_id.as_str()) {
        return Err(ProtocolError::invalid_precondition(format!(
            "payload.experiment_id is not {}",
            experiment.experiment_id
        )));
    }
    if found.exists {
        return Err(ProtocolError::already_exists(format!("task {} exists", task.task_id)));
    }
    let (dispatched, default_target) = match task.kind {
        TaskKind::Ideation => (None, None),
        TaskKind::Execution => {
            let mut idea = ready_idea(&task, found)?;
            idea.state = IdeaState::Dispatched;
            let target = idea.intended_executor.clone();
            (Some(idea), target)
        }
        TaskKind::Evaluation => {
            require_evaluable(&task, &found)?;
            (None, found.idea.and_then(|idea| idea.intended_evaluator))
        }
    };
    task.target = task.target.or(default_target);
    let mut events = vec![new_event(
        "task.created",
        [("task_id", text(&task.task_id)), ("kind", text(task.kind))],
    )];
    if let Some(idea) = &dispatched {
        events.push(new_event(
            "idea.dispatched",
            [("idea_id", text(&idea.idea_id)), ("task_id", text(&task.task_id))],
        ));
    }
    Ok(ChangeSet {
        task: Some(task),
        idea: dispatched,
        events,
        ..ChangeSet::default()
    })
}

/// The idea of an execution task, which must be ready.
fn ready_idea(task: &Task, found: TaskReferences) -> ProtocolResult<Idea> {
    let idea = found.idea;
    let idea = idea.ok_or_else(|| ProtocolError::not_found("idea", subject(task)))?;
    require_no_live_task(task, found.has_live_task)?;
    if idea.state != IdeaState::Ready {
        return Err(ProtocolError::invalid_precondition(format!(
            "idea {} is {}, not ready",
            idea.idea_id, idea.state
        )));
    }
    Ok(idea)
}

/// The variant of an evaluation task must be starting and have a commit.
fn require_evaluable(task: &Task, found: &TaskReferences) -> ProtocolResult {
    let variant = found.variant.as_ref();
    let variant = variant.ok_or_else(|| ProtocolError::not_found("variant", subject(task)))?;
    let has_commit = variant.commit_sha.is_some();
    if variant.status != VariantStatus::Starting || !has_commit {
        return Err(ProtocolError::invalid_precondition(format!(
            "variant {} is {} and {}: only a starting one with a commit is evaluated",
            variant.variant_id,
            variant.status,
            if has_commit { "has a commit" } else { "has no commit" },
        )));
    }
    require_no_live_task(task, found.has_live_task)
}

fn require_no_live_task(task: &Task, has_live_task: bool) -> ProtocolResult {
    if has_live_task {
        let detail = format!("{} has a live {} task already", subject(task), task.kind);
        return Err(ProtocolError::already_exists(detail));
    }
    Ok(())
}

fn check_new_task(task: &Task) -> ProtocolResult {
    check_claim(task)?;
    if task.submitted_by.is_some() {
        return Err(ProtocolError::bad_request(
            "submitted_by is written by the server: leave it out",
        ));
    }
    let (key, is_good) = match task.kind {
        TaskKind::Ideation => (
            "experiment_id",
            task.payload
                .get("experiment_id")
                .and_then(Value::as_str)
                .is_some_and(|id| id.parse::<ExperimentId>().is_ok()),
        ),
        TaskKind::Execution => ("idea_id", task.idea_id().is_some()),
        TaskKind::Evaluation => ("variant_id", task.variant_id().is_some()),
    };
    if !is_good {
        return Err(ProtocolError::bad_request(format!(
            "payload of an {} task needs {key}",
            task.kind
        )));
    }
    check_target(task.target.as_ref(), "target")
}

fn subject(task: &Task) -> String {
    task.subject().unwrap_or_default().to_owned()
}

/// Whether a worker may claim a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClaimEligibility {
    /// The worker is registered, and the task's target admits it.
    Eligible,
    /// The task's target does not admit it.
    Ineligible,
    /// The worker is not registered. This happens only when authentication is off.
    Unregistered,
}

/// `pending → claimed` (`ch04 §3.5`).
pub(crate) fn claim(
    experiment: &Experiment,
    mut task: Task,
    worker: &WorkerId,
    eligibility: ClaimEligibility,
    request: ClaimRequest,
    now: Timestamp,
) -> ProtocolResult<ChangeSet> {
    require_running(experiment)?;
    if task.state != TaskState::Pending {
        return Err(ProtocolError::illegal_transition(format!(
            "task {} is {}, not pending",
            task.task_id, task.state
        )));
    }
    match eligibility {
        ClaimEligibility::Eligible => {}
        ClaimEligibility::Ineligible => {
            return Err(ProtocolError::new(
                ErrorType::WorkerNotEligible,
                format!("the target of task {} does not admit {worker}", task.task_id),
            ));
        }
        ClaimEligibility::Unregistered => {
            return Err(ProtocolError::new(
                ErrorType::WorkerNotRegistered,
                format!("worker {worker} is not registered in this experiment"),
            ));
        }
    }
    task.state = TaskState::Claimed;
    task.updated_at = now;
    task.claim = Some(Claim {
        worker_id: worker.clone(),
        claimed_at: now,
        expires_at: request.expires_at,
    });
    let event = new_event(
        "task.claimed",
        [("task_id", text(&task.task_id)), ("worker_id", text(worker))],
    );
    Ok(ChangeSet {
        task: Some(task),
        events: vec![event],
        ..ChangeSet::default()
    })
}

/// `claimed → pending`, and `submitted → pending` when an operator asks for it (`ch04 §5`). `starting` is the first
/// starting variant of an execution task's idea. Nobody will finish it, so it becomes an error.
pub(crate) fn reclaim(
    mut task: Task,
    cause: ReclaimCause,
    starting: Option<Variant>,
    now: Timestamp,
) -> ProtocolResult<ChangeSet> {
    match (task.state, cause) {
        (TaskState::Claimed, _) | (TaskState::Submitted, ReclaimCause::Operator) => {}
        (TaskState::Submitted, _) => {
            return Err(ProtocolError::illegal_transition(format!(
                "task {} is submitted: only an operator may take it back",
                task.task_id
            )));
        }
        (state, _) => {
            return Err(ProtocolError::illegal_transition(format!(
                "task {} is {state}: nobody holds it",
                task.task_id
            )));
        }
    }
    task.state = TaskState::Pending;
    task.claim = None;
    task.updated_at = now;
    let mut events = vec![new_event(
        "task.reclaimed",
        [("task_id", text(&task.task_id)), ("cause", text(cause))],
    )];
    let errored = starting
        .filter(|_| task.kind == TaskKind::Execution)
        .map(|mut variant| {
            variant.status = VariantStatus::Error;
            variant.completed_at = Some(now);
            events.push(new_event(
                "variant.errored",
                [("variant_id", text(&variant.variant_id))],
            ));
            variant
        });
    Ok(ChangeSet {
        task: Some(task),
        submission: SubmissionChange::Drop,
        variant: errored,
        events,
        ..ChangeSet::default()
    })
}

/// Checks the body of a reassignment.
pub(crate) fn check_reassign(request: &ReassignRequest) -> ProtocolResult {
    if request.reason.is_empty() {
        return Err(ProtocolError::bad_request("reason must not be empty"));
    }
    check_target(request.new_target.as_ref(), "new_target")
}

/// Changes the target of a task. A claimed task is reclaimed first (`ch04 §6`). The same target again changes nothing.
/// The request has passed [`check_reassign`].
pub(crate) fn reassign(
    task: Task,
    request: ReassignRequest,
    by: &WorkerId,
    starting: Option<Variant>,
    now: Timestamp,
) -> ProtocolResult<ChangeSet> {
    let mut change = match task.state {
        TaskState::Pending if task.target == request.new_target => return Ok(ChangeSet::default()),
        TaskState::Pending => ChangeSet {
            task: Some(task),
            ..ChangeSet::default()
        },
        TaskState::Claimed => reclaim(task, ReclaimCause::Operator, starting, now)?,
        state => {
            return Err(ProtocolError::invalid_precondition(format!(
                "task {} is {state}: only a pending or claimed one is reassigned",
                task.task_id
            )));
        }
    };
    if let Some(task) = &mut change.task {
        task.target = request.new_target.clone();
        task.updated_at = now;
        change.events.push(reassigned(task, request, by));
    }
    Ok(change)
}

fn reassigned(task: &Task, request: ReassignRequest, by: &WorkerId) -> NewEvent {
    let target = request.new_target.map_or(
        Value::Null,
        |target| serde_json::json!({ "kind": target.kind, "id": target.id }),
    );
    new_event(
        "task.reassigned",
        [
            ("task_id", text(&task.task_id)),
            ("new_target", target),
            ("reason", text(request.reason)),
            ("reassigned_by", text(by)),
        ],
    )
}
