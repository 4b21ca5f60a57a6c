//! One immutable state of an experiment. A clone shares structure, so the snapshot after a change costs the change and
//! not the experiment.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet, Vector};

use super::loaded_config::LoadedConfig;
use super::order::{Order, Sorted, Table};
use super::row_orders::{ByCreation, ByIdea, ByMetric, ByPriority, BySubject, ByUpdate};
use super::rows::{IdeaRow, TaskRow, VariantRow};
use super::scores::Scores;
use super::task_counts::TaskCounts;
use super::weight;
use crate::experiment_configs::ConfigError;
use crate::protocol::{
    CommitSha, Event, Experiment, ExperimentConfig, Group, Idea, IdeaId, MetricType, Task, TaskId, Timestamp, Variant,
    VariantId, Worker, WorkerId,
};

/// The most metrics that variants are kept in order of, and that lists show.
const MAX_METRICS: usize = 4;

/// The most events that a snapshot holds, the newest ones. Older events are read on demand.
pub(super) const MAX_EVENTS: usize = 500;

/// The positions of the orders in the tables.
pub(super) mod index {
    pub const CREATION: usize = 0;
    /// Of tasks.
    pub const UPDATE: usize = 1;
    /// Of ideas.
    pub const PRIORITY: usize = 1;
    /// Of variants: the first metric; the others follow.
    pub const FIRST_METRIC: usize = 1;
}

/// An experiment at one position of its log.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The experiment object.
    pub experiment: Experiment,
    /// Its configuration: from the server if that serves it, else from a file.
    pub config: Result<Arc<ExperimentConfig>, ConfigError>,
    /// The revision of the files that the configuration was read from; none when the server sent it.
    pub(super) config_revision: Option<u64>,
    /// Events consumed.
    pub cursor: u64,
    /// Tasks by kind and state.
    pub counts: TaskCounts,
    pub(super) metrics: Arc<[Arc<str>]>,
    pub(super) tasks: Table<TaskRow>,
    pub(super) tasks_by_subject: Sorted<TaskRow>,
    pub(super) ideas: Table<IdeaRow>,
    pub(super) variants: Table<VariantRow>,
    pub(super) variants_by_idea: Sorted<VariantRow>,
    /// None without an objective that is a single metric.
    scores: Option<Scores>,
    integrated: usize,
    commits: OrdSet<CommitEntry>,
    pub(super) workers: Arc<OrdMap<WorkerId, Worker>>,
    pub(super) groups: Arc<Vec<Group>>,
    /// The newest events, oldest first, each with the cursor after it.
    events: Vector<(u64, Arc<Event>)>,
    /// Memory of the events, in bytes.
    events_weight: usize,
}

/// A commit, whether the variant that has it is a baseline, and the variant.
///
/// The order decides which variant is taken for the maker of a commit. A baseline is measured on its parent's own
/// commit, so any other variant comes before it; of several, the first that was started. An entry without a variant
/// comes first, and is only searched for.
type CommitEntry = (CommitSha, bool, Option<(Timestamp, VariantId)>);

fn commit_entries(row: &VariantRow) -> impl Iterator<Item = CommitEntry> {
    let commits = row.commit.iter().chain(&row.integrated);
    commits.map(|sha| (sha.clone(), row.baseline, Some((row.started_at, row.id.clone()))))
}

/// Everything that a list of an experiment reads, as entities.
pub(super) struct Entities {
    pub tasks: Vec<Task>,
    pub ideas: Vec<Idea>,
    pub variants: Vec<Variant>,
}

/// The same as rows.
pub(super) struct Rows {
    pub tasks: Vec<Arc<TaskRow>>,
    pub ideas: Vec<Arc<IdeaRow>>,
    pub variants: Vec<Arc<VariantRow>>,
}

impl Snapshot {
    /// A snapshot of what was listed at `cursor`; its rows carry `revision`. Workers, groups and events are added
    /// later.
    pub(super) fn of(
        experiment: Experiment,
        config: LoadedConfig,
        cursor: u64,
        entities: Entities,
        revision: u64,
    ) -> Self {
        // One kind after the other: entities are much larger than their rows, and each kind is freed before the next.
        let rows = Rows {
            tasks: rows(entities.tasks, |task| TaskRow::new(&task, revision)),
            ideas: rows(entities.ideas, |idea| IdeaRow::new(&idea, revision)),
            variants: rows(entities.variants, |variant| VariantRow::new(&variant, revision)),
        };
        Self::of_rows(experiment, config, cursor, rows)
    }

    /// A snapshot of rows, given in any order.
    pub(super) fn of_rows(experiment: Experiment, config: LoadedConfig, cursor: u64, rows: Rows) -> Self {
        let Rows { tasks, ideas, variants } = rows;
        let valid_config = config.config.as_deref().ok();
        let metrics: Arc<[Arc<str>]> = valid_config.map(metrics).unwrap_or_default().into();

        let orders: [Arc<dyn Order<TaskRow>>; 2] = [Arc::new(ByCreation), Arc::new(ByUpdate)];
        let task_table = Table::of(orders.into(), tasks);
        let mut tasks: Vec<_> = task_table.rows().cloned().collect();
        let orders: [Arc<dyn Order<IdeaRow>>; 2] = [Arc::new(ByCreation), Arc::new(ByPriority)];
        let idea_table = Table::of(orders.into(), ideas);
        let mut orders: Vec<Arc<dyn Order<VariantRow>>> = vec![Arc::new(ByCreation)];
        orders.extend(
            metrics
                .iter()
                .map(|metric| Arc::new(ByMetric(metric.clone())) as Arc<_>),
        );
        let variant_table = Table::of(orders, variants);
        let mut variants: Vec<_> = variant_table.rows().cloned().collect();

        let objective =
            valid_config.and_then(|config| Some((Arc::from(config.objective_metric()?), config.objective.direction)));
        let counts = tasks.iter().fold(TaskCounts::default(), |mut counts, row| {
            *counts.slot(row) += 1;
            counts
        });
        Self {
            experiment,
            config: config.config,
            config_revision: config.file_revision,
            cursor,
            counts,
            metrics,
            tasks: task_table,
            tasks_by_subject: Sorted::sorting(Arc::new(BySubject), &mut tasks),
            ideas: idea_table,
            scores: objective.map(|(metric, direction)| Scores::of(&metric, direction, &variants)),
            integrated: variants.iter().filter(|row| row.integrated.is_some()).count(),
            commits: variants.iter().flat_map(|row| commit_entries(row)).collect(),
            variants: variant_table,
            variants_by_idea: Sorted::sorting(Arc::new(ByIdea), &mut variants),
            workers: Arc::default(),
            groups: Arc::default(),
            events: Vector::new(),
            events_weight: 0,
        }
    }

    /// The configuration, if there is a valid one.
    pub fn config(&self) -> Option<&ExperimentConfig> {
        self.config.as_deref().ok()
    }

    /// The metrics that variants are kept in order of and that lists show: the objective's first, then other numbers of
    /// the schema.
    pub fn metrics(&self) -> &[Arc<str>] {
        &self.metrics
    }

    /// One task.
    pub fn task(&self, id: &TaskId) -> Option<&Arc<TaskRow>> {
        self.tasks.get(id)
    }

    /// One idea.
    pub fn idea(&self, id: &IdeaId) -> Option<&Arc<IdeaRow>> {
        self.ideas.get(id)
    }

    /// One variant.
    pub fn variant(&self, id: &VariantId) -> Option<&Arc<VariantRow>> {
        self.variants.get(id)
    }

    /// The number of integrated variants.
    pub fn integrated(&self) -> usize {
        self.integrated
    }

    /// The objective over time; none when it is not a single metric, or unknown.
    pub fn scores(&self) -> Option<&Scores> {
        self.scores.as_ref()
    }

    /// The value of the objective's metric, if the variant has a measurement of it.
    pub fn score(&self, variant: &VariantRow) -> Option<f64> {
        variant.metric(self.config()?.objective_metric()?)
    }

    /// The variant whose work branch or squash commit this is.
    pub fn variant_of_commit(&self, sha: &CommitSha) -> Option<&Arc<VariantRow>> {
        let (found, _, variant) = self.commits.range((sha.clone(), false, None)..).next()?;
        let (_, id) = variant.as_ref().filter(|_| found == sha)?;
        self.variant(id)
    }

    /// The registered workers.
    pub fn workers(&self) -> impl ExactSizeIterator<Item = &Worker> {
        self.workers.values()
    }

    /// The registered groups.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The display name of a worker.
    pub fn worker_name(&self, id: &WorkerId) -> Option<&str> {
        self.workers.get(id)?.name.as_ref().map(|name| name.as_str())
    }

    /// The newest events, newest first, each with the cursor after it.
    pub fn newest_events(&self) -> impl Iterator<Item = (u64, &Arc<Event>)> {
        self.events.iter().rev().map(|(cursor, event)| (*cursor, event))
    }

    /// The same events, oldest first.
    pub(super) fn oldest_events(&self) -> impl Iterator<Item = (u64, &Arc<Event>)> {
        self.events.iter().map(|(cursor, event)| (*cursor, event))
    }

    /// The cursor after the oldest event that is held.
    pub fn oldest_event_cursor(&self) -> Option<u64> {
        self.events.front().map(|(cursor, _)| *cursor)
    }

    /// The last event consumed and the cursor after it, if the event is held.
    pub(super) fn last_event(&self) -> Option<(u64, &Event)> {
        let (cursor, event) = self.events.back()?;
        (*cursor == self.cursor).then_some((*cursor, event))
    }

    /// Memory, in bytes. It is an estimate, good enough to keep within a budget.
    pub fn weight(&self) -> usize {
        // A worker or group has a name and a few labels at most.
        const MEMBER: usize = 400;
        // An entry in the set; the text of the ids is shared with the row.
        const COMMIT: usize = 80;
        size_of::<Self>()
            + self.tasks.weight()
            + self.tasks_by_subject.weight()
            + self.ideas.weight()
            + self.variants.weight()
            + self.variants_by_idea.weight()
            + self.scores.as_ref().map_or(0, Scores::weight)
            + self.commits.len() * COMMIT
            + (self.workers.len() + self.groups.len()) * MEMBER
            + self.events_weight
    }

    pub(super) fn put_task(&mut self, task: &Task, revision: u64) {
        let row = Arc::new(TaskRow::new(task, revision));
        let old = self.tasks.put(&row);
        if let Some(old) = &old {
            *self.counts.slot(old) -= 1;
            self.tasks_by_subject.remove(old);
        }
        *self.counts.slot(&row) += 1;
        self.tasks_by_subject.insert(row);
    }

    pub(super) fn put_idea(&mut self, idea: &Idea, revision: u64) {
        self.ideas.put(&Arc::new(IdeaRow::new(idea, revision)));
    }

    pub(super) fn put_variant(&mut self, variant: &Variant, revision: u64) {
        let row = Arc::new(VariantRow::new(variant, revision));
        let old = self.variants.put(&row);
        if let Some(old) = &old {
            self.integrated -= usize::from(old.integrated.is_some());
            self.variants_by_idea.remove(old);
            for entry in commit_entries(old) {
                self.commits.remove(&entry);
            }
        }
        self.integrated += usize::from(row.integrated.is_some());
        if let Some(scores) = &mut self.scores {
            scores.put(&row, old.as_ref());
        }
        self.commits.extend(commit_entries(&row));
        self.variants_by_idea.insert(row);
    }

    /// Swaps in the workers and groups of the experiment. Answers whether they changed.
    pub(super) fn put_members(&mut self, workers: Vec<Worker>, groups: Vec<Group>) -> bool {
        let workers = workers.into_iter().map(|worker| (worker.worker_id.clone(), worker));
        let workers: OrdMap<_, _> = workers.collect();
        let has_changed = *self.workers != workers || *self.groups != groups;
        self.workers = Arc::new(workers);
        self.groups = Arc::new(groups);
        has_changed
    }

    /// Adds an event, unless it was consumed before. Beyond [`MAX_EVENTS`] the oldest goes.
    pub(super) fn push_event(&mut self, cursor: u64, event: Arc<Event>) {
        if cursor <= self.cursor && self.events.back().is_some_and(|(held, _)| *held >= cursor) {
            return;
        }
        self.cursor = self.cursor.max(cursor);
        self.events_weight += event_weight(&event);
        self.events.push_back((cursor, event));
        while self.events.len() > MAX_EVENTS
            && let Some((_, oldest)) = self.events.pop_front()
        {
            self.events_weight -= event_weight(&oldest);
        }
    }
}

/// The objective's metric first, then the other numbers of the schema.
fn metrics(config: &ExperimentConfig) -> Vec<Arc<str>> {
    let objective = config.objective_metric();
    let schema = config.evaluation_schema.iter();
    let numbers = schema.filter(|(_, kind)| *kind != MetricType::Text);
    let others = numbers.map(|(name, _)| name).filter(|name| Some(*name) != objective);
    objective
        .into_iter()
        .chain(others)
        .take(MAX_METRICS)
        .map(Arc::from)
        .collect()
}

fn rows<E, R>(entities: Vec<E>, row: impl Fn(E) -> R) -> Vec<Arc<R>> {
    entities.into_iter().map(|entity| Arc::new(row(entity))).collect()
}

fn event_weight(event: &Event) -> usize {
    // The text fields of an event and their headers.
    const FIXED: usize = 240;
    weight::shared(size_of::<Event>()) + FIXED + weight::object(&event.data) + weight::object(&event.extra)
}
