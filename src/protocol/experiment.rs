//! The experiment object and its dispatch mode (`ch02 §2.4`, `ch02 §2.5`).

use serde::{Deserialize, Serialize};

use super::wire_enum::wire_enum;
use super::{CommitSha, DisplayName, ExperimentId, Extra, Timestamp};

wire_enum! {
    /// Lifecycle of an experiment: once terminated, always terminated (`ch02 §2.5`).
    ExperimentState {
        /// Tasks may be created and claimed.
        Running = "running",
        /// No new task and no claim; what is in flight may finish.
        Terminated = "terminated",
    }
}

/// `GET /v0/experiments/{E}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// Its id.
    pub experiment_id: ExperimentId,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<DisplayName>,
    /// Running or terminated.
    pub state: ExperimentState,
    /// When the task store created it.
    pub created_at: Timestamp,
    /// The seed commit, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_commit_sha: Option<CommitSha>,
    /// Where it was imported from. Always present, null for a native experiment.
    #[serde(default)]
    pub imported_from: Option<serde_json::Value>,
    /// Members this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `GET /v0/experiments/{E}/state`: exactly one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateReply {
    /// Running or terminated.
    pub state: ExperimentState,
}

/// Reply of `POST /artifacts` (`ch07 §16.1`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepositReply {
    /// The URI to fetch it by; opaque, and to be passed on verbatim.
    pub artifacts_uri: String,
    /// How many bytes were kept.
    pub size_bytes: u64,
    /// What the depositor said they are.
    pub content_type: String,
}

/// Reply of `POST /v0/checkpoints/import` (`ch07 §14.2`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReply {
    /// The id under which the experiment goes on.
    pub experiment_id: ExperimentId,
    /// What the operator should know or do.
    pub warnings: Vec<String>,
}

wire_enum! {
    /// Who makes a decision: the orchestrator (`auto`) or a person (`manual`).
    DecisionMode {
        /// The orchestrator decides.
        Auto = "auto",
        /// The orchestrator must not decide.
        Manual = "manual",
    }
}

/// The five decisions of an orchestrator and who makes each (`ch02 §2.4`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DispatchMode {
    /// Ending the experiment.
    pub termination: DecisionMode,
    /// Creating ideation tasks.
    pub ideation_creation: DecisionMode,
    /// Creating execution tasks for ready ideas.
    pub execution_dispatch: DecisionMode,
    /// Creating evaluation tasks for variants.
    pub evaluation_dispatch: DecisionMode,
    /// Integrating successful variants.
    pub integration: DecisionMode,
}

impl Default for DispatchMode {
    fn default() -> Self {
        Self {
            termination: DecisionMode::Manual,
            ideation_creation: DecisionMode::Auto,
            execution_dispatch: DecisionMode::Auto,
            evaluation_dispatch: DecisionMode::Auto,
            integration: DecisionMode::Auto,
        }
    }
}

/// Body of `POST /terminate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TerminateRequest {
    /// Why, for the log; may be empty.
    pub reason: String,
}

/// Body of `POST /policy-errors`: an orchestrator's policy raised (`ch03 §6.1`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyErrorRequest {
    /// Which policy; not empty.
    pub policy_kind: String,
    /// What kind of fault; not empty.
    pub error_type: String,
    /// The fault in words.
    pub error_message: String,
}
