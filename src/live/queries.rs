//! The lists of a snapshot that pages ask for. Whatever the filter and the order, a page costs only its own rows.

use std::sync::Arc;

use super::order::{PagedRows, Segment, SortDirection, Sorted, Traversal};
use super::rows::{IdeaRow, TaskFilter, TaskRow, TaskSubject, VariantRow};
use super::snapshot::{Snapshot, index};
use crate::protocol::{IdeaId, IdeaState, TaskKind, TaskState, VariantStatus};

/// What a list of tasks can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskOrder {
    /// Their creation.
    Created,
    /// Their last transition.
    Updated,
    /// Their kind; within one kind, the newest first.
    Kind,
    /// Their state; within one state, the newest first.
    State,
}

/// What a list of ideas can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdeaOrder {
    /// Their creation.
    Created,
    /// Their priority; equal ones by creation, in the same direction.
    Priority,
}

/// What a list of variants can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariantOrder<'a> {
    /// Their start.
    Started,
    /// One of [`Snapshot::metrics`]. Variants without a measurement of it come last in both directions, and of equal
    /// ones the newest is first.
    Metric(&'a str),
}

fn whole_list<T>(list: Option<&Sorted<T>>, traversal: impl Into<Traversal>) -> PagedRows<'_, T> {
    let traversal = traversal.into();
    PagedRows::new(list.map(|list| Segment::whole(list, traversal)))
}

impl Snapshot {
    /// The tasks that a filter keeps.
    pub fn list_tasks(
        &self,
        filter: &TaskFilter,
        order: TaskOrder,
        direction: SortDirection,
    ) -> PagedRows<'_, TaskRow> {
        match order {
            TaskOrder::Created => whole_list(self.tasks.list(index::CREATION, filter), direction),
            TaskOrder::Updated => whole_list(self.tasks.list(index::UPDATE, filter), direction),
            TaskOrder::Kind => self.grouped_tasks(TaskKind::ALL, filter.kind, direction, |kind| TaskFilter {
                kind: Some(kind),
                ..filter.clone()
            }),
            TaskOrder::State => self.grouped_tasks(TaskState::ALL, filter.state, direction, |state| TaskFilter {
                state: Some(state),
                ..filter.clone()
            }),
        }
    }

    /// The tasks of one group after the other, each newest first: of all groups, or of the `only` one.
    fn grouped_tasks<G: Copy>(
        &self,
        all: &[G],
        only: Option<G>,
        direction: SortDirection,
        filter: impl Fn(G) -> TaskFilter,
    ) -> PagedRows<'_, TaskRow> {
        let mut groups = only.map_or_else(|| all.to_vec(), |only| vec![only]);
        if direction == SortDirection::Descending {
            groups.reverse();
        }
        let lists = groups
            .into_iter()
            .filter_map(|group| self.tasks.list(index::CREATION, &filter(group)));
        PagedRows::new(lists.map(|list| Segment::whole(list, Traversal::Backward)))
    }

    /// The number of tasks that a filter keeps.
    pub fn count_tasks(&self, filter: &TaskFilter) -> usize {
        self.tasks.list(index::CREATION, filter).map_or(0, Sorted::len)
    }

    /// The tasks with one subject, newest first.
    pub fn tasks_on(&self, subject: &TaskSubject) -> PagedRows<'_, TaskRow> {
        let list = &self.tasks_by_subject;
        let range = list.span(|task| task.subject.cmp(subject));
        PagedRows::new([Segment::range(list, range, Traversal::Backward)])
    }

    /// The ideas in one state, or in any.
    pub fn list_ideas(
        &self,
        state: Option<IdeaState>,
        order: IdeaOrder,
        direction: SortDirection,
    ) -> PagedRows<'_, IdeaRow> {
        let order = match order {
            IdeaOrder::Created => index::CREATION,
            IdeaOrder::Priority => index::PRIORITY,
        };
        whole_list(self.ideas.list(order, &state), direction)
    }

    /// The number of ideas in one state, or in any.
    pub fn count_ideas(&self, state: Option<IdeaState>) -> usize {
        self.ideas.list(index::CREATION, &state).map_or(0, Sorted::len)
    }

    /// The variants of one status, or of any. There are none for a metric that is not one of [`Snapshot::metrics`].
    pub fn list_variants(
        &self,
        status: Option<VariantStatus>,
        order: VariantOrder<'_>,
        direction: SortDirection,
    ) -> PagedRows<'_, VariantRow> {
        let metric = match order {
            VariantOrder::Started => return whole_list(self.variants.list(index::CREATION, &status), direction),
            VariantOrder::Metric(metric) => metric,
        };
        let position = self.metrics.iter().position(|known| **known == *metric);
        let list = position.and_then(|at| self.variants.list(index::FIRST_METRIC + at, &status));
        let Some(list) = list else {
            return PagedRows::new([]);
        };
        match direction {
            // The variants without a measurement are at the beginning, so reading backward puts them last.
            SortDirection::Descending => whole_list(Some(list), Traversal::Backward),
            SortDirection::Ascending => {
                let measured = list.partition(|row| row.metric(metric).is_none());
                PagedRows::new([
                    Segment::range(list, measured..list.len(), Traversal::TiesBackward),
                    Segment::range(list, 0..measured, Traversal::Backward),
                ])
            }
        }
    }

    /// The number of variants of one status, or of any.
    pub fn count_variants(&self, status: Option<VariantStatus>) -> usize {
        self.variants.list(index::CREATION, &status).map_or(0, Sorted::len)
    }

    /// The variants of an idea, by id.
    pub fn variants_of(&self, idea: &IdeaId) -> PagedRows<'_, VariantRow> {
        let list = &self.variants_by_idea;
        let range = list.span(|variant| variant.idea.as_ref().cmp(&Some(idea)));
        PagedRows::new([Segment::range(list, range, Traversal::Forward)])
    }

    /// Every task, newest first.
    pub fn tasks_newest_first(&self) -> impl DoubleEndedIterator<Item = &Arc<TaskRow>> {
        let all = self.tasks.list(index::CREATION, &TaskFilter::default());
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
