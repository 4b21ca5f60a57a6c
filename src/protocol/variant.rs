//! Variants and their evaluations (`ch02 §9`).

use serde::{Deserialize, Serialize};

use super::text::checked_text;
use super::wire_enum::wire_enum;
use super::{ExperimentId, Extra, IdeaId, Timestamp, VariantId, WorkerId};

/// Metric name to value (`ch02 §8`).
pub type Evaluation = serde_json::Map<String, serde_json::Value>;

checked_text! {
    /// A full git object name: 40 or 64 lowercase hex digits (`ch02 §1.4`).
    CommitSha, &'static str,
    |text| {
        let is_hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if is_hex && matches!(text.len(), 40 | 64) {
            Ok(())
        } else {
            Err("a commit is 40 or 64 lowercase hex digits")
        }
    }
}

wire_enum! {
    /// Status of a variant (`ch02 §9`).
    VariantStatus {
        /// Being built or measured.
        Starting = "starting",
        /// Measured.
        Success = "success",
        /// Did not work.
        Error = "error",
        /// Could not be measured.
        EvaluationError = "evaluation_error",
    }
}

/// One candidate solution: a commit and what was measured of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// Its id; part of branch names.
    pub variant_id: VariantId,
    /// The experiment it belongs to.
    pub experiment_id: ExperimentId,
    /// `baseline`, or absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Where it stands.
    pub status: VariantStatus,
    /// The idea it realises; absent only on a baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idea_id: Option<IdeaId>,
    /// The commits it descends from, at least one.
    pub parent_commits: Vec<CommitSha>,
    /// The executor's branch, `work/…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The tip of that branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_sha: Option<CommitSha>,
    /// The integrator's squash commit on `variant/…`; written once (`ch08 §1.7`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant_commit_sha: Option<CommitSha>,
    /// What the executor says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<Evaluation>,
    /// The evaluator's files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifacts_uri: Option<String>,
    /// The executor's files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor_artifacts_uri: Option<String>,
    /// When it was begun.
    pub started_at: Timestamp,
    /// When it left `starting`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// Who executed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executed_by: Option<WorkerId>,
    /// Who measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluated_by: Option<WorkerId>,
    /// Members this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Variant {
    /// A variant that has been started, and nothing more.
    pub fn starting(
        variant_id: VariantId,
        experiment_id: ExperimentId,
        parent_commits: Vec<CommitSha>,
        started_at: Timestamp,
    ) -> Self {
        Self {
            variant_id,
            experiment_id,
            kind: None,
            status: VariantStatus::Starting,
            idea_id: None,
            parent_commits,
            branch: None,
            commit_sha: None,
            variant_commit_sha: None,
            description: None,
            evaluation: None,
            artifacts_uri: None,
            executor_artifacts_uri: None,
            started_at,
            completed_at: None,
            executed_by: None,
            evaluated_by: None,
            extra: Extra::new(),
        }
    }

    /// Whether this is the experiment's baseline (`ch02 §9.4`).
    pub fn is_baseline(&self) -> bool {
        self.kind.as_deref() == Some("baseline")
    }
}

/// Body of `POST /variants/{V}/integrate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntegrateRequest {
    /// The squash commit.
    pub variant_commit_sha: CommitSha,
}
