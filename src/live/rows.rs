//! Compact rows: enough of each entity to draw lists, counts and charts without a call.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::weight::{block, id, shared, value};
use crate::protocol::{
    Actor, CommitSha, Evaluation, Idea, IdeaId, IdeaState, Target, Task, TaskId, TaskKind, TaskState, Timestamp,
    Variant, VariantId, VariantStatus, WorkerId,
};

/// A task, as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRow {
    /// Its id.
    pub id: TaskId,
    /// What it asks for.
    pub kind: TaskKind,
    /// Where it stands.
    pub state: TaskState,
    /// What it works on.
    pub subject: TaskSubject,
    /// Who may claim it.
    pub target: Option<Target>,
    /// Who holds it, or handed it in.
    pub worker: Option<WorkerId>,
    /// When the present claim may be considered abandoned.
    pub expires_at: Option<Timestamp>,
    /// Creation.
    pub created_at: Timestamp,
    /// Last transition.
    pub updated_at: Timestamp,
    /// The mirror's revision when this row last changed; zero of a row of an earlier life.
    #[serde(skip)]
    pub revision: u64,
}

/// What a task works on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TaskSubject {
    /// Ideation: the experiment as a whole.
    Experiment,
    /// Execution: an idea.
    Idea(IdeaId),
    /// Evaluation: a variant.
    Variant(VariantId),
}

impl TaskRow {
    pub(super) fn new(task: &Task, revision: u64) -> Self {
        let subject = match task.kind {
            TaskKind::Ideation => None,
            TaskKind::Execution => task.idea_id().map(TaskSubject::Idea),
            TaskKind::Evaluation => task.variant_id().map(TaskSubject::Variant),
        };
        Self {
            id: task.task_id.clone(),
            kind: task.kind,
            state: task.state,
            subject: subject.unwrap_or(TaskSubject::Experiment),
            target: task.target.clone(),
            worker: task
                .claim
                .as_ref()
                .map(|claim| claim.worker_id.clone())
                .or_else(|| task.submitted_by.clone()),
            expires_at: task.claim.as_ref().and_then(|claim| claim.expires_at),
            created_at: task.created_at,
            updated_at: task.updated_at,
            revision,
        }
    }

    /// What it weighs in memory, in bytes.
    pub(super) fn weight(&self) -> usize {
        let subject = match &self.subject {
            TaskSubject::Experiment => 0,
            TaskSubject::Idea(idea) => id(idea.as_str()),
            TaskSubject::Variant(variant) => id(variant.as_str()),
        };
        let target = self.target.as_ref().map_or(0, |target| id(target.id.as_str()));
        let worker = self.worker.as_ref().map_or(0, |worker| id(worker.as_str()));
        shared(size_of::<Self>()) + id(self.id.as_str()) + subject + target + worker
    }
}

/// An idea, as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdeaRow {
    /// Its id.
    pub id: IdeaId,
    /// Its short name.
    pub slug: String,
    /// Larger is sooner.
    pub priority: f64,
    /// Where it stands.
    pub state: IdeaState,
    /// The commits to start from.
    pub parents: Vec<CommitSha>,
    /// Who proposed it.
    pub created_by: Option<Actor>,
    /// When it was drafted.
    pub created_at: Timestamp,
    /// The mirror's revision when this row last changed; zero of a row of an earlier life.
    #[serde(skip)]
    pub revision: u64,
}

impl IdeaRow {
    pub(super) fn new(idea: &Idea, revision: u64) -> Self {
        Self {
            id: idea.idea_id.clone(),
            slug: idea.slug.clone(),
            priority: idea.priority,
            state: idea.state,
            parents: idea.parent_commits.clone(),
            created_by: idea.created_by.clone(),
            created_at: idea.created_at,
            revision,
        }
    }

    /// What it weighs in memory, in bytes.
    pub(super) fn weight(&self) -> usize {
        let author = self.created_by.as_ref().and_then(Actor::worker);
        shared(size_of::<Self>())
            + id(self.id.as_str())
            + block(self.slug.capacity())
            + commits(&self.parents)
            + author.map_or(0, |worker| id(worker.as_str()))
    }
}

/// A variant, as lists and the chart show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VariantRow {
    /// Its id.
    pub id: VariantId,
    /// Whether it is the baseline.
    pub baseline: bool,
    /// Where it stands.
    pub status: VariantStatus,
    /// The idea it realises.
    pub idea: Option<IdeaId>,
    /// The commits it descends from.
    pub parents: Vec<CommitSha>,
    /// The tip of its work branch.
    pub commit: Option<CommitSha>,
    /// Its squash commit, once integrated.
    pub integrated: Option<CommitSha>,
    /// What was measured.
    pub evaluation: Option<Measurements>,
    /// When it was begun.
    pub started_at: Timestamp,
    /// When it left `starting`.
    pub completed_at: Option<Timestamp>,
    /// Who executed it.
    pub executed_by: Option<WorkerId>,
    /// Who measured it.
    pub evaluated_by: Option<WorkerId>,
    /// The mirror's revision when this row last changed; zero of a row of an earlier life.
    #[serde(skip)]
    pub revision: u64,
}

impl VariantRow {
    pub(super) fn new(variant: &Variant, revision: u64) -> Self {
        Self {
            id: variant.variant_id.clone(),
            baseline: variant.is_baseline(),
            status: variant.status,
            idea: variant.idea_id.clone(),
            parents: variant.parent_commits.clone(),
            commit: variant.commit_sha.clone(),
            integrated: variant.variant_commit_sha.clone(),
            evaluation: variant.evaluation.as_ref().map(Measurements::new),
            started_at: variant.started_at,
            completed_at: variant.completed_at,
            executed_by: variant.executed_by.clone(),
            evaluated_by: variant.evaluated_by.clone(),
            revision,
        }
    }

    /// The value of one metric, when it was measured and is a number.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.evaluation.as_ref()?.get(name)?.as_f64()
    }

    /// What it weighs in memory, in bytes.
    pub(super) fn weight(&self) -> usize {
        let people = self.executed_by.iter().chain(&self.evaluated_by);
        let single = self.commit.iter().chain(&self.integrated);
        shared(size_of::<Self>())
            + id(self.id.as_str())
            + self.idea.as_ref().map_or(0, |idea| id(idea.as_str()))
            + commits(&self.parents)
            + single.map(|sha| id(sha.as_str())).sum::<usize>()
            + self.evaluation.as_ref().map_or(0, Measurements::weight)
            + people.map(|worker| id(worker.as_str())).sum::<usize>()
    }
}

/// What was measured of a variant, by name. A map would take ten times the memory for the few metrics that there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurements(Box<[(Box<str>, Value)]>);

impl Measurements {
    fn new(evaluation: &Evaluation) -> Self {
        let pairs = evaluation.iter();
        Self(
            pairs
                .map(|(name, value)| (name.as_str().into(), value.clone()))
                .collect(),
        )
    }

    /// The value of one metric.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let (_, value) = self.0.iter().find(|(known, _)| **known == *name)?;
        Some(value)
    }

    /// Every metric with its value, in the order of the evaluation.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    fn weight(&self) -> usize {
        let held = self.0.iter().map(|(name, held)| block(name.len()) + value(held));
        block(size_of_val(&*self.0)) + held.sum::<usize>()
    }
}

fn commits(shas: &Vec<CommitSha>) -> usize {
    block(shas.capacity() * size_of::<CommitSha>()) + shas.iter().map(|sha| id(sha.as_str())).sum::<usize>()
}
