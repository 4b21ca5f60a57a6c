//! One immutable picture of an experiment. Cloning shares structure, so a new picture after a change
//! costs the change and not the experiment.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet, Vector};

use super::configuration::Configuration;
use super::filing::{ByChange, ByCreation, ByIdea, ByMetric, ByPriority, ByStart, BySubject};
use super::order::{Order, Sorted, Table};
use super::rows::{IdeaRow, TaskRow, VariantRow};
use super::scores::Scores;
use super::task_counts::TaskCounts;
use super::weight;
use crate::experiment_configs::ConfigError;
use crate::protocol::{
    CommitSha, Event, Experiment, ExperimentConfig, Group, Idea, IdeaId, MetricType, Task, TaskId, Timestamp, Variant,
    VariantId, Worker, WorkerId,
};

/// How many metrics variants are kept in order of: those that lists show.
const METRICS: usize = 4;

/// How many of the newest events a picture holds; older ones are read on demand.
pub(super) const TAIL: usize = 500;

/// An experiment as it was at one position of its log.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The experiment object.
    pub experiment: Experiment,
    /// Its configuration: the server's answer where it tells it, else that of a file.
    pub config: Result<Arc<ExperimentConfig>, ConfigError>,
    /// Which version of the files the configuration is of; none when it is the server's.
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
    by_commit: OrdSet<Maker>,
    pub(super) workers: Arc<OrdMap<WorkerId, Worker>>,
    pub(super) groups: Arc<Vec<Group>>,
    tail: Vector<(u64, Arc<Event>)>,
    /// What the tail weighs, in bytes.
    tail_weight: usize,
}

/// A commit with a variant that has it, in the order in which they are asked: a baseline is measured on its parent's own
/// commit, and so any other variant is taken for the maker of it first; of several, the first that was begun.
type Maker = (CommitSha, bool, Option<(Timestamp, VariantId)>);

fn makers(row: &VariantRow) -> impl Iterator<Item = Maker> {
    let commits = row.commit.iter().chain(&row.integrated);
    commits.map(|sha| (sha.clone(), row.baseline, Some((row.started_at, row.id.clone()))))
}

/// What a picture is made of at once.
pub(super) struct Listed {
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
    /// The picture of what was listed at `cursor`, whose rows carry `revision`; workers, groups and events are added.
    pub(super) fn of(
        experiment: Experiment,
        config: Configuration,
        cursor: u64,
        listed: Listed,
        revision: u64,
    ) -> Self {
        // One kind after the other: the entities are much larger than their rows and are let go of as these are made.
        let rows = Rows {
            tasks: rows(listed.tasks, |task| TaskRow::new(&task, revision)),
            ideas: rows(listed.ideas, |idea| IdeaRow::new(&idea, revision)),
            variants: rows(listed.variants, |variant| VariantRow::new(&variant, revision)),
        };
        Self::of_rows(experiment, config, cursor, rows)
    }

    /// The picture of rows, in any order.
    pub(super) fn of_rows(experiment: Experiment, config: Configuration, cursor: u64, rows: Rows) -> Self {
        let Rows { tasks, ideas, variants } = rows;
        let known = config.known.as_deref().ok();
        let metrics: Arc<[Arc<str>]> = known.map(metrics).unwrap_or_default().into();

        let orders: [Arc<dyn Order<TaskRow>>; 2] = [Arc::new(ByCreation), Arc::new(ByChange)];
        let task_table = Table::of(orders.into(), tasks);
        let mut tasks: Vec<_> = task_table.rows().cloned().collect();
        let orders: [Arc<dyn Order<IdeaRow>>; 2] = [Arc::new(ByCreation), Arc::new(ByPriority)];
        let idea_table = Table::of(orders.into(), ideas);
        let mut orders: Vec<Arc<dyn Order<VariantRow>>> = vec![Arc::new(ByStart)];
        orders.extend(
            metrics
                .iter()
                .map(|metric| Arc::new(ByMetric(metric.clone())) as Arc<_>),
        );
        let variant_table = Table::of(orders, variants);
        let mut by_idea: Vec<_> = variant_table.rows().cloned().collect();

        let objective =
            known.and_then(|config| Some((Arc::from(config.objective_metric()?), config.objective.direction)));
        let counts = tasks.iter().fold(TaskCounts::default(), |mut counts, row| {
            *counts.slot(row) += 1;
            counts
        });
        Self {
            experiment,
            config: config.known,
            config_revision: config.revision,
            cursor,
            counts,
            metrics,
            tasks: task_table,
            tasks_by_subject: sorted(Arc::new(BySubject), &mut tasks),
            ideas: idea_table,
            scores: objective.map(|(metric, direction)| Scores::of(&metric, direction, &by_idea)),
            integrated: by_idea.iter().filter(|row| row.integrated.is_some()).count(),
            by_commit: by_idea.iter().flat_map(|row| makers(row)).collect(),
            variants: variant_table,
            variants_by_idea: sorted(Arc::new(ByIdea), &mut by_idea),
            workers: Arc::default(),
            groups: Arc::default(),
            tail: Vector::new(),
            tail_weight: 0,
        }
    }

    /// Its configuration, when there is a good one.
    pub fn config(&self) -> Option<&ExperimentConfig> {
        self.config.as_deref().ok()
    }

    /// The metrics that variants are kept in order of and lists show: the objective's first, then other numbers of the
    /// schema.
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

    /// How many variants were integrated.
    pub fn integrated(&self) -> usize {
        self.integrated
    }

    /// The objective over time; none when it is not a single metric, or unknown.
    pub fn scores(&self) -> Option<&Scores> {
        self.scores.as_ref()
    }

    /// The value of the objective's metric, when the variant was measured in it.
    pub fn score(&self, variant: &VariantRow) -> Option<f64> {
        variant.metric(self.config()?.objective_metric()?)
    }

    /// The variant whose work branch or squash commit this is.
    pub fn variant_of_commit(&self, sha: &CommitSha) -> Option<&Arc<VariantRow>> {
        let (found, _, maker) = self.by_commit.range((sha.clone(), false, None)..).next()?;
        let (_, id) = maker.as_ref().filter(|_| found == sha)?;
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

    /// What people call a worker.
    pub fn worker_name(&self, id: &WorkerId) -> Option<&str> {
        self.workers.get(id)?.name.as_ref().map(|name| name.as_str())
    }

    /// The newest events, newest first, each with the length of the log once it is consumed.
    pub fn newest_events(&self) -> impl Iterator<Item = (u64, &Arc<Event>)> {
        self.tail.iter().rev().map(|(cursor, event)| (*cursor, event))
    }

    /// The events that are held, in the order of the log, in the same way.
    pub(super) fn oldest_events(&self) -> impl Iterator<Item = (u64, &Arc<Event>)> {
        self.tail.iter().map(|(cursor, event)| (*cursor, event))
    }

    /// The cursor of the oldest event that is held.
    pub fn oldest_event_cursor(&self) -> Option<u64> {
        self.tail.front().map(|(cursor, _)| *cursor)
    }

    /// The last event consumed and its cursor, when it is held.
    pub(super) fn last_event(&self) -> Option<(u64, &Event)> {
        let (cursor, event) = self.tail.back()?;
        (*cursor == self.cursor).then_some((*cursor, event))
    }

    /// What the picture takes in memory, in bytes, near enough to keep within a budget.
    pub fn weight(&self) -> usize {
        // Members have a name and some labels at most; a commit has its place in a map and shares the rest with its row.
        const MEMBER: usize = 400;
        const COMMIT: usize = 80;
        size_of::<Self>()
            + self.tasks.weight()
            + self.tasks_by_subject.weight()
            + self.ideas.weight()
            + self.variants.weight()
            + self.variants_by_idea.weight()
            + self.scores.as_ref().map_or(0, Scores::weight)
            + self.by_commit.len() * COMMIT
            + (self.workers.len() + self.groups.len()) * MEMBER
            + self.tail_weight
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
            for maker in makers(old) {
                self.by_commit.remove(&maker);
            }
        }
        self.integrated += usize::from(row.integrated.is_some());
        if let Some(scores) = &mut self.scores {
            scores.put(&row, old.as_ref());
        }
        self.by_commit.extend(makers(&row));
        self.variants_by_idea.insert(row);
    }

    pub(super) fn push_event(&mut self, cursor: u64, event: Arc<Event>) {
        if cursor <= self.cursor && self.tail.back().is_some_and(|(held, _)| *held >= cursor) {
            return;
        }
        self.cursor = self.cursor.max(cursor);
        self.tail_weight += weight_of(&event);
        self.tail.push_back((cursor, event));
        while self.tail.len() > TAIL
            && let Some((_, oldest)) = self.tail.pop_front()
        {
            self.tail_weight -= weight_of(&oldest);
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
        .take(METRICS)
        .map(Arc::from)
        .collect()
}

fn rows<E, R>(entities: Vec<E>, row: impl Fn(E) -> R) -> Vec<Arc<R>> {
    entities.into_iter().map(|entity| Arc::new(row(entity))).collect()
}

fn sorted<T>(order: Arc<dyn Order<T>>, rows: &mut [Arc<T>]) -> Sorted<T> {
    rows.sort_by(|a, b| order.compare(a, b));
    Sorted::of(order, rows)
}

fn weight_of(event: &Event) -> usize {
    // The texts of an event beside its members, with their headers.
    const FIXED: usize = 240;
    weight::shared(size_of::<Event>()) + FIXED + weight::object(&event.data) + weight::object(&event.extra)
}
