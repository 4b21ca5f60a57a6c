//! The lists of a picture, as pages ask for them. Whatever the filter and the order, a page costs its own rows.

use std::sync::Arc;

use super::filing::TaskFilter;
use super::order::{PagedRows, Part, Reading, SortDirection, Sorted};
use super::rows::{IdeaRow, TaskRow, TaskSubject, VariantRow};
use super::snapshot::Snapshot;
use crate::protocol::{IdeaId, IdeaState, TaskKind, TaskState, VariantStatus};

/// What a list of tasks can be in order of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskOrder {
    /// Their creation.
    Created,
    /// Their last transition.
    Updated,
    /// Their kinds in turn; within one, the newest first.
    Kind,
    /// Their states in turn; within one, the newest first.
    State,
}

/// What a list of ideas can be in order of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdeaOrder {
    /// Their creation.
    Created,
    /// Their priority; among equals they run by creation, the same way.
    Priority,
}

/// What a list of variants can be in order of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariantOrder<'a> {
    /// When they were begun.
    Started,
    /// One of [`Snapshot::metrics`]. What was not measured in it comes last whichever way the rest runs, and the newest is
    /// first among equals.
    Metric(&'a str),
}

/// Where each order stands in its table.
pub(super) mod place {
    pub const AGE: usize = 0;
    /// Of tasks.
    pub const CHANGE: usize = 1;
    /// Of ideas.
    pub const PRIORITY: usize = 1;
    /// Of variants: the first metric, and after it the others.
    pub const METRICS: usize = 1;
}

fn one<'a, T>(list: Option<&'a Sorted<T>>, reading: Reading) -> PagedRows<'a, T> {
    PagedRows::new(list.map(|list| Part::all(list, reading)))
}

impl Snapshot {
    /// The tasks that a filter keeps.
    pub fn list_tasks(&self, filter: &TaskFilter, order: TaskOrder, way: SortDirection) -> PagedRows<'_, TaskRow> {
        match order {
            TaskOrder::Created => one(self.tasks.list(place::AGE, filter), Reading::of(way)),
            TaskOrder::Updated => one(self.tasks.list(place::CHANGE, filter), Reading::of(way)),
            TaskOrder::Kind => self.in_turn(TaskKind::ALL, way, |kind| {
                let kept = filter.kind.is_none_or(|only| only == kind);
                kept.then(|| TaskFilter {
                    kind: Some(kind),
                    ..filter.clone()
                })
            }),
            TaskOrder::State => self.in_turn(TaskState::ALL, way, |state| {
                let kept = filter.state.is_none_or(|only| only == state);
                kept.then(|| TaskFilter {
                    state: Some(state),
                    ..filter.clone()
                })
            }),
        }
    }

    /// The tasks of each word in turn.
    fn in_turn<W: Copy>(
        &self,
        words: &[W],
        way: SortDirection,
        filter: impl Fn(W) -> Option<TaskFilter>,
    ) -> PagedRows<'_, TaskRow> {
        let mut words = words.to_vec();
        if way == SortDirection::Descending {
            words.reverse();
        }
        let filters = words.into_iter().filter_map(filter);
        let lists = filters.filter_map(|filter| self.tasks.list(place::AGE, &filter));
        PagedRows::new(lists.map(|list| Part::all(list, Reading::Backward)))
    }

    /// How many tasks a filter keeps.
    pub fn count_tasks(&self, filter: &TaskFilter) -> usize {
        self.tasks.list(place::AGE, filter).map_or(0, Sorted::len)
    }

    /// The tasks that work on one thing, newest first.
    pub fn tasks_on(&self, subject: &TaskSubject) -> PagedRows<'_, TaskRow> {
        let list = &self.tasks_by_subject;
        let range = list.span(|task| task.subject.cmp(subject));
        PagedRows::new([Part::some(list, range, Reading::Backward)])
    }

    /// The ideas in one state, or in any.
    pub fn list_ideas(&self, state: Option<IdeaState>, order: IdeaOrder, way: SortDirection) -> PagedRows<'_, IdeaRow> {
        let order = match order {
            IdeaOrder::Created => place::AGE,
            IdeaOrder::Priority => place::PRIORITY,
        };
        one(self.ideas.list(order, &state), Reading::of(way))
    }

    /// How many ideas are in one state, or in any.
    pub fn count_ideas(&self, state: Option<IdeaState>) -> usize {
        self.ideas.list(place::AGE, &state).map_or(0, Sorted::len)
    }

    /// The variants of one status, or of any. By a metric that is none of [`Snapshot::metrics`], there is none.
    pub fn list_variants(
        &self,
        status: Option<VariantStatus>,
        order: VariantOrder<'_>,
        way: SortDirection,
    ) -> PagedRows<'_, VariantRow> {
        let metric = match order {
            VariantOrder::Started => return one(self.variants.list(place::AGE, &status), Reading::of(way)),
            VariantOrder::Metric(metric) => metric,
        };
        let known = self.metrics.iter().position(|known| **known == *metric);
        let list = known.and_then(|at| self.variants.list(place::METRICS + at, &status));
        let Some(list) = list else {
            return PagedRows::new([]);
        };
        match way {
            // What was not measured stands at the beginning, so it comes last by itself.
            SortDirection::Descending => one(Some(list), Reading::Backward),
            SortDirection::Ascending => {
                let measured = list.partition(|row| row.metric(metric).is_none());
                PagedRows::new([
                    Part::some(list, measured..list.len(), Reading::TiesBackward),
                    Part::some(list, 0..measured, Reading::Backward),
                ])
            }
        }
    }

    /// How many variants are of one status, or of any.
    pub fn count_variants(&self, status: Option<VariantStatus>) -> usize {
        self.variants.list(place::AGE, &status).map_or(0, Sorted::len)
    }

    /// The variants that realise an idea, by id.
    pub fn variants_of(&self, idea: &IdeaId) -> PagedRows<'_, VariantRow> {
        let list = &self.variants_by_idea;
        let range = list.span(|variant| variant.idea.as_ref().cmp(&Some(idea)));
        PagedRows::new([Part::some(list, range, Reading::Forward)])
    }

    /// Every task, newest first.
    pub fn tasks_newest_first(&self) -> impl DoubleEndedIterator<Item = &Arc<TaskRow>> {
        let all = self.tasks.list(place::AGE, &TaskFilter::default());
        all.into_iter().flat_map(|list| list.iter().rev())
    }

    /// Every task, in no order.
    pub fn tasks(&self) -> impl Iterator<Item = &Arc<TaskRow>> {
        self.tasks.rows()
    }

    /// Every idea, in no order.
    pub fn ideas(&self) -> impl Iterator<Item = &Arc<IdeaRow>> {
        self.ideas.rows()
    }

    /// Every variant, in no order.
    pub fn variants(&self) -> impl Iterator<Item = &Arc<VariantRow>> {
        self.variants.rows()
    }
}
