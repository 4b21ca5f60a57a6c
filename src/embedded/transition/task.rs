//! Creating, claiming, taking back and redirecting tasks (`ch04 §1` to `§3`, `§5`, `§6`).

use serde_json::Value;

use super::{Change, Draft, Refusal, SubmissionChange, attributed, draft, good_target, running, text};
use crate::protocol::*;

/// What the store knows about the entities a new task names.
#[derive(Debug, Default)]
pub(in crate::embedded) struct Referenced {
    /// The task id is taken.
    pub(in crate::embedded) exists: bool,
    /// Execution: the idea. Evaluation: the idea its variant came from.
    pub(in crate::embedded) idea: Option<Idea>,
    /// Evaluation: the variant.
    pub(in crate::embedded) variant: Option<Variant>,
    /// Another task of this kind is live for the same idea or variant.
    pub(in crate::embedded) live: bool,
}

/// `– → pending` (`ch04 §1`), which also dispatches the idea of an execution task.
pub(in crate::embedded) fn create_task(
    experiment: &Experiment,
    by: &WorkerId,
    mut task: Task,
    found: Referenced,
) -> Result<Change, Refusal> {
    good_shape(&task)?;
    task.created_by = attributed(task.created_by.as_ref(), by)?;
    if task.state != TaskState::Pending {
        return Err(Refusal::precondition("a task is created pending"));
    }
    running(experiment)?;
    let mut idea_dispatched = None;
    let mut hint = None;
    match task.kind {
        TaskKind::Ideation => {
            let named = task.payload.get("experiment_id").and_then(Value::as_str);
            if named != Some(experiment.experiment_id.as_str()) {
                return Err(Refusal::precondition(format!(
                    "payload.experiment_id is not {}",
                    experiment.experiment_id
                )));
            }
            unused(&task, &found)?;
        }
        TaskKind::Execution => {
            unused(&task, &found)?;
            let mut idea = found.idea.ok_or_else(|| Refusal::unknown("idea", subject(&task)))?;
            if found.live {
                return Err(already_served(&task));
            }
            if idea.state != IdeaState::Ready {
                return Err(Refusal::precondition(format!(
                    "idea {} is {}, not ready",
                    idea.idea_id, idea.state
                )));
            }
            hint = idea.intended_executor.clone();
            idea.state = IdeaState::Dispatched;
            idea_dispatched = Some(idea);
        }
        TaskKind::Evaluation => {
            unused(&task, &found)?;
            let variant = found
                .variant
                .ok_or_else(|| Refusal::unknown("variant", subject(&task)))?;
            if variant.status != VariantStatus::Starting || variant.commit_sha.is_none() {
                return Err(Refusal::precondition(format!(
                    "variant {} is {} and {}: only a starting one with a commit is evaluated",
                    variant.variant_id,
                    variant.status,
                    if variant.commit_sha.is_some() {
                        "has a commit"
                    } else {
                        "has no commit"
                    },
                )));
            }
            if found.live {
                return Err(already_served(&task));
            }
            hint = found.idea.and_then(|idea| idea.intended_evaluator);
        }
    }
    task.target = task.target.or(hint);
    let mut events = vec![draft(
        "task.created",
        [("task_id", text(&task.task_id)), ("kind", text(task.kind))],
    )];
    if let Some(idea) = &idea_dispatched {
        events.push(draft(
            "idea.dispatched",
            [("idea_id", text(&idea.idea_id)), ("task_id", text(&task.task_id))],
        ));
    }
    Ok(Change {
        task: Some(task),
        idea: idea_dispatched,
        events,
        ..Change::default()
    })
}

fn good_shape(task: &Task) -> Result<(), Refusal> {
    let held = matches!(task.state, TaskState::Claimed | TaskState::Submitted);
    if task.claim.is_some() != held {
        return Err(Refusal::bad("claim is present exactly on a claimed or submitted task"));
    }
    if task.submitted_by.is_some() {
        return Err(Refusal::bad("submitted_by is written by the server: leave it out"));
    }
    let (key, good) = match task.kind {
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
    if !good {
        return Err(Refusal::bad(format!("payload of an {} task needs {key}", task.kind)));
    }
    good_target(task.target.as_ref(), "target")
}

fn unused(task: &Task, found: &Referenced) -> Result<(), Refusal> {
    if found.exists {
        return Err(Refusal::new(
            ErrorType::AlreadyExists,
            format!("task {} exists", task.task_id),
        ));
    }
    Ok(())
}

fn subject(task: &Task) -> String {
    task.subject().unwrap_or_default().to_owned()
}

fn already_served(task: &Task) -> Refusal {
    Refusal::new(
        ErrorType::AlreadyExists,
        format!("{} has a live {} task already", subject(task), task.kind),
    )
}

/// What the store knows about a worker that wants to claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::embedded) enum Standing {
    /// It is registered, and the task's target admits it.
    Eligible,
    /// The task's target does not admit it.
    Ineligible,
    /// Nobody registered it, which only a caller that is merely believed can be.
    Unregistered,
}

/// `pending → claimed` (`ch04 §3.5`).
pub(in crate::embedded) fn claim(
    experiment: &Experiment,
    mut task: Task,
    worker: &WorkerId,
    standing: Standing,
    request: ClaimRequest,
    now: Timestamp,
) -> Result<Change, Refusal> {
    running(experiment)?;
    if task.state != TaskState::Pending {
        return Err(Refusal::illegal(format!(
            "task {} is {}, not pending",
            task.task_id, task.state
        )));
    }
    match standing {
        Standing::Eligible => {}
        Standing::Ineligible => {
            return Err(Refusal::new(
                ErrorType::WorkerNotEligible,
                format!("the target of task {} does not admit {worker}", task.task_id),
            ));
        }
        Standing::Unregistered => {
            return Err(Refusal::new(
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
    let event = draft(
        "task.claimed",
        [("task_id", text(&task.task_id)), ("worker_id", text(worker))],
    );
    Ok(Change {
        task: Some(task),
        events: vec![event],
        ..Change::default()
    })
}

/// `claimed → pending`, and `submitted → pending` on an operator's word (`ch04 §5`). `starting` is the first
/// starting variant of an execution task's idea: nobody will finish it.
pub(in crate::embedded) fn reclaim(
    mut task: Task,
    cause: ReclaimCause,
    starting: Option<Variant>,
    now: Timestamp,
) -> Result<Change, Refusal> {
    match (task.state, cause) {
        (TaskState::Claimed, _) | (TaskState::Submitted, ReclaimCause::Operator) => {}
        (TaskState::Submitted, _) => {
            return Err(Refusal::illegal(format!(
                "task {} is submitted: only an operator may take it back",
                task.task_id
            )));
        }
        (state, _) => {
            return Err(Refusal::illegal(format!(
                "task {} is {state}: nobody holds it",
                task.task_id
            )));
        }
    }
    task.state = TaskState::Pending;
    task.claim = None;
    task.updated_at = now;
    let mut events = vec![draft(
        "task.reclaimed",
        [("task_id", text(&task.task_id)), ("cause", text(cause))],
    )];
    let abandoned = starting
        .filter(|_| task.kind == TaskKind::Execution)
        .map(|mut variant| {
            variant.status = VariantStatus::Error;
            variant.completed_at = Some(now);
            events.push(draft("variant.errored", [("variant_id", text(&variant.variant_id))]));
            variant
        });
    Ok(Change {
        task: Some(task),
        submission: SubmissionChange::Drop,
        variant: abandoned,
        events,
        ..Change::default()
    })
}

/// Whether a reassignment is one at all, whoever asks for it.
pub(in crate::embedded) fn good_reassign(request: &ReassignRequest) -> Result<(), Refusal> {
    if request.reason.is_empty() {
        return Err(Refusal::bad("reason must not be empty"));
    }
    good_target(request.new_target.as_ref(), "new_target")
}

/// Redirects a task, taking it back first when it is held (`ch04 §6`). A target that stays the same changes nothing.
/// The request has passed [`good_reassign`].
pub(in crate::embedded) fn reassign(
    task: Task,
    request: ReassignRequest,
    by: &WorkerId,
    starting: Option<Variant>,
    now: Timestamp,
) -> Result<Change, Refusal> {
    let mut change = match task.state {
        TaskState::Pending if task.target == request.new_target => return Ok(Change::default()),
        TaskState::Pending => Change {
            task: Some(task),
            ..Change::default()
        },
        TaskState::Claimed => reclaim(task, ReclaimCause::Operator, starting, now)?,
        state => {
            return Err(Refusal::precondition(format!(
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

fn reassigned(task: &Task, request: ReassignRequest, by: &WorkerId) -> Draft {
    let target = request.new_target.map_or(
        Value::Null,
        |target| serde_json::json!({ "kind": target.kind, "id": target.id }),
    );
    draft(
        "task.reassigned",
        [
            ("task_id", text(&task.task_id)),
            ("new_target", target),
            ("reason", text(request.reason)),
            ("reassigned_by", text(by)),
        ],
    )
}
