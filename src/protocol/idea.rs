//! Ideas: what an ideator proposes (`ch02 §5`).

use serde::{Deserialize, Serialize};

use super::wire_enum::wire_enum;
use super::{Actor, CommitSha, ExperimentId, Extra, IdeaId, Target, Timestamp};

wire_enum! {
    /// State of an idea (`ch02 §5`).
    IdeaState {
        /// Being written.
        Drafting = "drafting",
        /// May be dispatched.
        Ready = "ready",
        /// An execution task works on it.
        Dispatched = "dispatched",
        /// Its execution task has ended, either way.
        Completed = "completed",
    }
}

/// A proposal for a variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Idea {
    /// Its id.
    pub idea_id: IdeaId,
    /// The experiment it belongs to.
    pub experiment_id: ExperimentId,
    /// A short lowercase name; not unique.
    pub slug: String,
    /// Larger is sooner.
    pub priority: f64,
    /// The commits to start from, at least one.
    pub parent_commits: Vec<CommitSha>,
    /// Where the text of the idea is; an opaque URI.
    pub artifacts_uri: String,
    /// Where it stands.
    pub state: IdeaState,
    /// When it was drafted.
    pub created_at: Timestamp,
    /// Who proposed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Actor>,
    /// Who should execute it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intended_executor: Option<Target>,
    /// Who should evaluate what comes of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intended_evaluator: Option<Target>,
    /// Members this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}
