//! Compact rows: enough of each entity to draw lists, counts and charts without a request; and the filters that lists
//! keep them under.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::order::Row;
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
    /// Its kind.
    pub kind: TaskKind,
    /// Its state.
    pub state: TaskState,
    /// The idea or variant that it works on.
    pub subject: TaskSubject,
    /// Who may claim it.
    pub target: Option<Target>,
    /// The worker that holds the claim, else the one that submitted it.
    pub worker: Option<WorkerId>,
    /// When the claim expires.
    pub expires_at: Option<Timestamp>,
    /// Creation.
    pub created_at: Timestamp,
    /// Last transition.
    pub updated_at: Timestamp,
    /// The mirror's revision when this row last changed; zero for a row that was restored from disk.
    #[serde(skip)]
    pub revision: u64,
}

/// Which tasks a list keeps. A field that is none keeps any.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskFilter {
    /// Their kind.
    pub kind: Option<TaskKind>,
    /// Their state.
    pub state: Option<TaskState>,
    /// The worker that holds or submitted them.
    pub worker: Option<WorkerId>,
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
}

impl Row for TaskRow {
    type Id = TaskId;
    type Filter = TaskFilter;

    fn filters(&self) -> impl Iterator<Item = TaskFilter> {
        let kinds_and_states = [
            (None, None),
            (Some(self.kind), None),
            (None, Some(self.state)),
            (Some(self.kind), Some(self.state)),
        ];
        let workers = std::iter::once(None).chain(self.worker.iter().map(Some));
        workers.flat_map(move |worker| {
            kinds_and_states.into_iter().map(move |(kind, state)| TaskFilter {
                kind,
                state,
                worker: worker.cloned(),
            })
        })
    }

    fn id(&self) -> &Self::Id {
        &self.id
    }

    fn weight(&self) -> usize {
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
    /// Larger comes first.
    pub priority: f64,
    /// Its state.
    pub state: IdeaState,
    /// The commits that it starts from.
    pub parents: Vec<CommitSha>,
    /// The actor that proposed it.
    pub created_by: Option<Actor>,
    /// Creation.
    pub created_at: Timestamp,
    /// The mirror's revision when this row last changed; zero for a row that was restored from disk.
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
}

impl Row for IdeaRow {
    type Id = IdeaId;
    type Filter = Option<IdeaState>;

    fn filters(&self) -> impl Iterator<Item = Self::Filter> {
        [None, Some(self.state)].into_iter()
    }

    fn id(&self) -> &Self::Id {
        &self.id
    }

    fn weight(&self) -> usize {
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
    /// Its state.
    pub status: VariantStatus,
    /// The idea that it implements.
    pub idea: Option<IdeaId>,
    /// The commits it descends from.
    pub parents: Vec<CommitSha>,
    /// The tip of its work branch.
    pub commit: Option<CommitSha>,
    /// Its squash commit, once integrated.
    pub integrated: Option<CommitSha>,
    /// Its measurements.
    pub evaluation: Option<Measurements>,
    /// Start.
    pub started_at: Timestamp,
    /// When it left the status `starting`.
    pub completed_at: Option<Timestamp>,
    /// The worker that executed it.
    pub executed_by: Option<WorkerId>,
    /// The worker that evaluated it.
    pub evaluated_by: Option<WorkerId>,
    /// The mirror's revision when this row last changed; zero for a row that was restored from disk.
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

    /// The value of one metric, if it was measured and is a number.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.evaluation.as_ref()?.get(name)?.as_f64()
    }
}

impl Row for VariantRow {
    type Id = VariantId;
    type Filter = Option<VariantStatus>;

    fn filters(&self) -> impl Iterator<Item = Self::Filter> {
        [None, Some(self.status)].into_iter()
    }

    fn id(&self) -> &Self::Id {
        &self.id
    }

    fn weight(&self) -> usize {
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

/// The measurements of a variant, by metric. A map would take ten times the memory for so few entries.
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
