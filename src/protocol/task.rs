//! Tasks, claims and submissions (`ch02 §3`, `ch04`).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::wire_enum::wire_enum;
use super::{Actor, CommitSha, Evaluation, Extra, IdeaId, MemberId, TaskId, Timestamp, VariantId, WorkerId};

wire_enum! {
    /// What a task asks for.
    TaskKind {
        /// Propose ideas.
        Ideation = "ideation",
        /// Turn an idea into a committed variant.
        Execution = "execution",
        /// Measure a variant.
        Evaluation = "evaluation",
    }
}

wire_enum! {
    /// State of a task (`ch04 §1`).
    TaskState {
        /// Waiting for a worker.
        Pending = "pending",
        /// Held by a worker.
        Claimed = "claimed",
        /// Done by the worker, waiting for the orchestrator's word.
        Submitted = "submitted",
        /// Accepted.
        Completed = "completed",
        /// Rejected.
        Failed = "failed",
    }
}

impl TaskState {
    /// Pending, claimed or submitted (`ch03 §6.4`).
    pub fn is_live(self) -> bool {
        matches!(self, Self::Pending | Self::Claimed | Self::Submitted)
    }
}

wire_enum! {
    /// Whether a target names one worker or a group.
    TargetKind {
        /// One worker.
        Worker = "worker",
        /// Anybody in a group, at any depth.
        Group = "group",
    }
}

/// Who may claim a task; absent means anybody (`ch02 §3.5`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Worker or group.
    pub kind: TargetKind,
    /// Its id.
    pub id: MemberId,
}

/// Who holds a task. `expires_at` is a note for the one who reclaims: no claim expires on its own (`ch04 §3`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The holder.
    pub worker_id: WorkerId,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// When others may consider it abandoned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// A unit of work for a role (`ch02 §3`); also the body of `POST /tasks`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub task_id: TaskId,
    /// What it asks for.
    pub kind: TaskKind,
    /// Where it stands.
    pub state: TaskState,
    /// `experiment_id`, `idea_id` or `variant_id` by kind, and hints.
    pub payload: Extra,
    /// Who may claim it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// Who created it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Actor>,
    /// Whose submission was recorded; survives the end of the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_by: Option<WorkerId>,
    /// Present exactly while claimed or submitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// Creation.
    pub created_at: Timestamp,
    /// Last transition.
    pub updated_at: Timestamp,
    /// Members this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Task {
    /// The idea of an execution task.
    pub fn idea_id(&self) -> Option<IdeaId> {
        self.payload_id("idea_id")
    }

    /// The variant of an evaluation task.
    pub fn variant_id(&self) -> Option<VariantId> {
        self.payload_id("variant_id")
    }

    /// What the task is about: its idea or its variant.
    pub fn subject(&self) -> Option<&str> {
        let key = match self.kind {
            TaskKind::Ideation => return None,
            TaskKind::Execution => "idea_id",
            TaskKind::Evaluation => "variant_id",
        };
        self.payload.get(key)?.as_str()
    }

    fn payload_id<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.payload.get(key)?.as_str()?.parse().ok()
    }
}

/// Body of `POST /tasks/{T}/claim`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimRequest {
    /// When others may consider the claim abandoned; kept as given, even in the past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

wire_enum! {
    /// Outcome a worker reports.
    SubmissionStatus {
        /// It worked.
        Success = "success",
        /// It did not.
        Error = "error",
        /// The measurement itself failed; says nothing about the variant.
        EvaluationError = "evaluation_error",
    }
}

/// What a worker hands in; the members depend on the kind of task (`ch03 §2.4`, `§3.4`, `§4.4`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// The kind of task it answers. Redundant in requests, present in replies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<TaskKind>,
    /// The outcome.
    pub status: SubmissionStatus,
    /// Ideation: the ideas proposed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idea_ids: Option<Vec<IdeaId>>,
    /// Execution and evaluation: the variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant_id: Option<VariantId>,
    /// Execution: the tip of the work branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_sha: Option<CommitSha>,
    /// Evaluation: the measured metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<Evaluation>,
    /// Where the worker left its files; an opaque URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifacts_uri: Option<String>,
    /// Members this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Submission {
    /// An empty submission of the given outcome.
    pub fn new(status: SubmissionStatus) -> Self {
        Self {
            kind: None,
            status,
            idea_ids: None,
            variant_id: None,
            commit_sha: None,
            evaluation: None,
            artifacts_uri: None,
            extra: Extra::new(),
        }
    }

    /// Content equivalence of a repeated submission (`ch04 §4.2`); `artifacts_uri` never counts.
    pub fn is_equivalent(&self, other: &Self, kind: TaskKind) -> bool {
        let ideas = |s: &Self| s.idea_ids.iter().flatten().cloned().collect::<BTreeSet<_>>();
        self.status == other.status
            && match kind {
                TaskKind::Ideation => ideas(self) == ideas(other),
                TaskKind::Execution => self.variant_id == other.variant_id && self.commit_sha == other.commit_sha,
                TaskKind::Evaluation => {
                    self.variant_id == other.variant_id
                        && same_metrics(self.evaluation.as_ref(), other.evaluation.as_ref())
                }
            }
    }
}

/// Equality of JSON values, for which `1` and `1.0` are one number (`ch04 §4.2`).
fn same_metrics(ours: Option<&Evaluation>, theirs: Option<&Evaluation>) -> bool {
    let same = |a: &Value, b: &Value| a == b || a.as_f64().is_some_and(|a| Some(a) == b.as_f64());
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => {
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .all(|(name, value)| theirs.get(name).is_some_and(|other| same(value, other)))
        }
        (ours, theirs) => ours.is_none() && theirs.is_none(),
    }
}

/// Body of `POST /tasks/{T}/submit`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmitRequest {
    /// The submission itself.
    pub payload: Submission,
}

wire_enum! {
    /// Why a submission was rejected (`ch04 §4.3`).
    RejectReason {
        /// The worker said it failed.
        WorkerError = "worker_error",
        /// The submission does not hold up.
        ValidationError = "validation_error",
        /// A limit of the experiment forbids it.
        PolicyLimit = "policy_limit",
    }
}

/// Body of `POST /tasks/{T}/reject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RejectRequest {
    /// Why.
    pub reason: RejectReason,
}

wire_enum! {
    /// Why a task is taken back (`ch04 §5`).
    ReclaimCause {
        /// The claim ran out.
        Expired = "expired",
        /// A person decided.
        Operator = "operator",
        /// A health rule decided.
        HealthPolicy = "health_policy",
    }
}

/// Body of `POST /tasks/{T}/reclaim`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReclaimRequest {
    /// Why.
    pub cause: ReclaimCause,
}

/// Body of `POST /tasks/{T}/reassign`. Both members are required; a null target opens the task to anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReassignRequest {
    /// Who may claim the task from now on.
    #[serde(deserialize_with = "Option::deserialize")]
    pub new_target: Option<Target>,
    /// Why, for the log; not empty.
    pub reason: String,
}
