//! One immutable picture of an experiment. Cloning shares structure, so a new picture after a change
//! costs the change and not the experiment.

use std::sync::Arc;

use imbl::{OrdMap, Vector};

use super::configuration::Configuration;
use super::rows::{IdeaRow, TaskRow, VariantRow};
use crate::configs::ConfigTrouble;
use crate::protocol::{
    CommitSha, Event, Experiment, ExperimentConfig, Group, Idea, IdeaId, Task, TaskId, TaskKind, TaskState, Timestamp,
    Variant, VariantId, VariantStatus, Worker, WorkerId,
};

/// How many of the newest events a picture holds; older ones are read on demand.
pub(super) const TAIL: usize = 500;

/// Tasks by kind and state, kept as rows change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts([[u64; TaskState::ALL.len()]; TaskKind::ALL.len()]);

impl Counts {
    /// Tasks of one kind in one state.
    pub fn of(&self, kind: TaskKind, state: TaskState) -> u64 {
        self.0[kind as usize][state as usize]
    }

    /// Tasks of one kind.
    pub fn of_kind(&self, kind: TaskKind) -> u64 {
        self.0[kind as usize].iter().sum()
    }

    /// Tasks in one state.
    pub fn in_state(&self, state: TaskState) -> u64 {
        self.0.iter().map(|states| states[state as usize]).sum()
    }

    /// Every task.
    pub fn total(&self) -> u64 {
        self.0.iter().flatten().sum()
    }

    fn slot(&mut self, row: &TaskRow) -> &mut u64 {
        &mut self.0[row.kind as usize][row.state as usize]
    }
}

/// An experiment as it was at one position of its log.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The experiment object.
    pub experiment: Experiment,
    /// Its configuration: the server's answer where it tells it, else that of a file.
    pub config: Result<Arc<ExperimentConfig>, ConfigTrouble>,
    /// Which version of the files the configuration is of; none when it is the server's.
    pub(super) config_revision: Option<u64>,
    /// Events consumed.
    pub cursor: u64,
    /// Tasks by kind and state.
    pub counts: Counts,
    pub(super) tasks: OrdMap<TaskId, Arc<TaskRow>>,
    pub(super) tasks_by_age: OrdMap<(Timestamp, TaskId), Arc<TaskRow>>,
    pub(super) tasks_by_change: OrdMap<(Timestamp, TaskId), Arc<TaskRow>>,
    pub(super) ideas: OrdMap<IdeaId, Arc<IdeaRow>>,
    pub(super) ideas_by_age: OrdMap<(Timestamp, IdeaId), Arc<IdeaRow>>,
    pub(super) variants: OrdMap<VariantId, Arc<VariantRow>>,
    pub(super) variants_by_age: OrdMap<(Timestamp, VariantId), Arc<VariantRow>>,
    pub(super) scored: OrdMap<(Timestamp, VariantId), f64>,
    pub(super) by_commit: OrdMap<CommitSha, VariantId>,
    pub(super) workers: Arc<OrdMap<WorkerId, Worker>>,
    pub(super) groups: Arc<Vec<Group>>,
    pub(super) tail: Vector<(u64, Arc<Event>)>,
}

impl Snapshot {
    pub(super) fn empty(experiment: Experiment, config: Configuration, cursor: u64) -> Self {
        Self {
            experiment,
            config: config.known,
            config_revision: config.revision,
            cursor,
            counts: Counts::default(),
            tasks: OrdMap::new(),
            tasks_by_age: OrdMap::new(),
            tasks_by_change: OrdMap::new(),
            ideas: OrdMap::new(),
            ideas_by_age: OrdMap::new(),
            variants: OrdMap::new(),
            variants_by_age: OrdMap::new(),
            scored: OrdMap::new(),
            by_commit: OrdMap::new(),
            workers: Arc::default(),
            groups: Arc::default(),
            tail: Vector::new(),
        }
    }

    /// Its configuration, when there is a good one.
    pub fn config(&self) -> Option<&ExperimentConfig> {
        self.config.as_deref().ok()
    }

    /// One task.
    pub fn task(&self, id: &TaskId) -> Option<&Arc<TaskRow>> {
        self.tasks.get(id)
    }

    /// Every task, newest first.
    pub fn tasks_newest_first(&self) -> impl DoubleEndedIterator<Item = &Arc<TaskRow>> {
        self.tasks_by_age.values().rev()
    }

    /// Every task, the one that changed last first.
    pub fn tasks_last_changed_first(&self) -> impl DoubleEndedIterator<Item = &Arc<TaskRow>> {
        self.tasks_by_change.values().rev()
    }

    /// One idea.
    pub fn idea(&self, id: &IdeaId) -> Option<&Arc<IdeaRow>> {
        self.ideas.get(id)
    }

    /// Every idea, by id.
    pub fn ideas(&self) -> impl ExactSizeIterator<Item = &Arc<IdeaRow>> {
        self.ideas.values()
    }

    /// Every idea, newest first.
    pub fn ideas_newest_first(&self) -> impl DoubleEndedIterator<Item = &Arc<IdeaRow>> {
        self.ideas_by_age.values().rev()
    }

    /// One variant.
    pub fn variant(&self, id: &VariantId) -> Option<&Arc<VariantRow>> {
        self.variants.get(id)
    }

    /// Every variant, by id.
    pub fn variants(&self) -> impl ExactSizeIterator<Item = &Arc<VariantRow>> {
        self.variants.values()
    }

    /// Every variant, the one begun last first.
    pub fn variants_newest_first(&self) -> impl DoubleEndedIterator<Item = &Arc<VariantRow>> {
        self.variants_by_age.values().rev()
    }

    /// Variants measured in the objective's metric, in the order they were completed.
    pub fn scored(&self) -> impl ExactSizeIterator<Item = (Timestamp, &VariantId, f64)> {
        self.scored.iter().map(|((at, id), value)| (*at, id, *value))
    }

    /// The best score so far and the variant that has it.
    pub fn best(&self) -> Option<(&VariantId, f64)> {
        let direction = self.config()?.objective.direction;
        self.scored.iter().fold(None, |best, ((_, id), value)| match best {
            Some((_, held)) if !direction.better(*value, held) => best,
            _ => Some((id, *value)),
        })
    }

    /// The value of the objective's metric, when the variant was measured in it.
    pub fn score(&self, variant: &VariantRow) -> Option<f64> {
        variant.metric(self.config()?.objective_metric()?)
    }

    /// The variant whose work branch or squash commit this is.
    pub fn variant_of_commit(&self, sha: &CommitSha) -> Option<&Arc<VariantRow>> {
        self.variants.get(self.by_commit.get(sha)?)
    }

    /// The registered workers.
    pub fn workers(&self) -> impl ExactSizeIterator<Item = &Worker> {
        self.workers.values()
    }

    /// The registered groups.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// What people call a worker.
    pub fn worker_name(&self, id: &WorkerId) -> Option<&str> {
        self.workers.get(id)?.name.as_ref().map(|name| name.as_str())
    }

    /// The newest events, newest first, each with the length of the log once it is consumed.
    pub fn newest_events(&self) -> impl Iterator<Item = (u64, &Arc<Event>)> {
        self.tail.iter().rev().map(|(cursor, event)| (*cursor, event))
    }

    /// The cursor of the oldest event that is held.
    pub fn oldest_held(&self) -> Option<u64> {
        self.tail.front().map(|(cursor, _)| *cursor)
    }

    /// The last event consumed and its cursor, when it is held.
    pub(super) fn last_event(&self) -> Option<(u64, &Event)> {
        let (cursor, event) = self.tail.back()?;
        (*cursor == self.cursor).then_some((*cursor, event))
    }

    pub(super) fn put_task(&mut self, task: &Task, revision: u64) {
        let row = Arc::new(TaskRow::new(task, revision));
        if let Some(old) = self.tasks.insert(row.id.clone(), row.clone()) {
            *self.counts.slot(&old) -= 1;
            self.tasks_by_age.remove(&(old.created_at, old.id.clone()));
            self.tasks_by_change.remove(&(old.updated_at, old.id.clone()));
        }
        *self.counts.slot(&row) += 1;
        self.tasks_by_age.insert((row.created_at, row.id.clone()), row.clone());
        self.tasks_by_change.insert((row.updated_at, row.id.clone()), row);
    }

    pub(super) fn put_idea(&mut self, idea: &Idea, revision: u64) {
        let row = Arc::new(IdeaRow::new(idea, revision));
        if let Some(old) = self.ideas.insert(row.id.clone(), row.clone()) {
            self.ideas_by_age.remove(&(old.created_at, old.id.clone()));
        }
        self.ideas_by_age.insert((row.created_at, row.id.clone()), row);
    }

    pub(super) fn put_variant(&mut self, variant: &Variant, revision: u64) {
        let row = Arc::new(VariantRow::new(variant, revision));
        let metric = self.config().and_then(|config| config.objective_metric());
        if let (VariantStatus::Success, Some(at), Some(value)) = (
            row.status,
            row.completed_at,
            metric.and_then(|metric| row.metric(metric)),
        ) {
            self.scored.insert((at, row.id.clone()), value);
        }
        for sha in row.commit.iter().chain(&row.integrated) {
            // A baseline is measured on its parent's own commit; the variant that made a commit comes first.
            if !row.baseline || !self.by_commit.contains_key(sha) {
                self.by_commit.insert(sha.clone(), row.id.clone());
            }
        }
        if let Some(old) = self.variants.insert(row.id.clone(), row.clone()) {
            self.variants_by_age.remove(&(old.started_at, old.id.clone()));
        }
        self.variants_by_age.insert((row.started_at, row.id.clone()), row);
    }

    pub(super) fn push_event(&mut self, cursor: u64, event: Arc<Event>) {
        if cursor <= self.cursor && self.tail.back().is_some_and(|(held, _)| *held >= cursor) {
            return;
        }
        self.cursor = self.cursor.max(cursor);
        self.tail.push_back((cursor, event));
        while self.tail.len() > TAIL {
            self.tail.pop_front();
        }
    }
}
