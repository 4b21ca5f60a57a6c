//! Under which filters rows are kept, and in which orders.

use std::cmp::Ordering;
use std::sync::Arc;

use super::order::{Order, Row};
use super::rows::{IdeaRow, TaskRow, VariantRow};
use crate::protocol::{IdeaId, IdeaState, TaskId, TaskKind, TaskState, VariantId, VariantStatus, WorkerId};

/// Which tasks a list keeps; what is not given keeps any.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskFilter {
    /// What they ask for.
    pub kind: Option<TaskKind>,
    /// Where they stand.
    pub state: Option<TaskState>,
    /// Who holds them or handed them in.
    pub worker: Option<WorkerId>,
}

impl Row for TaskRow {
    type Id = TaskId;
    type Filter = TaskFilter;

    fn filters(&self) -> impl Iterator<Item = TaskFilter> {
        let words = [
            (None, None),
            (Some(self.kind), None),
            (None, Some(self.state)),
            (Some(self.kind), Some(self.state)),
        ];
        let anybody = std::iter::once(None);
        let workers = anybody.chain(self.worker.iter().map(Some));
        workers.flat_map(move |worker| {
            words.into_iter().map(move |(kind, state)| TaskFilter {
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
        TaskRow::weight(self)
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
        IdeaRow::weight(self)
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
        VariantRow::weight(self)
    }
}

/// Tasks by their creation.
pub(super) struct ByCreation;

/// Tasks by their last transition.
pub(super) struct ByChange;

/// Tasks of one subject together, by their creation.
pub(super) struct BySubject;

impl Order<TaskRow> for ByCreation {
    fn compare(&self, a: &TaskRow, b: &TaskRow) -> Ordering {
        (a.created_at, &a.id).cmp(&(b.created_at, &b.id))
    }
}

impl Order<TaskRow> for ByChange {
    fn compare(&self, a: &TaskRow, b: &TaskRow) -> Ordering {
        (a.updated_at, &a.id).cmp(&(b.updated_at, &b.id))
    }
}

impl Order<TaskRow> for BySubject {
    fn compare(&self, a: &TaskRow, b: &TaskRow) -> Ordering {
        (&a.subject, a.created_at, &a.id).cmp(&(&b.subject, b.created_at, &b.id))
    }
}

impl Order<IdeaRow> for ByCreation {
    fn compare(&self, a: &IdeaRow, b: &IdeaRow) -> Ordering {
        (a.created_at, &a.id).cmp(&(b.created_at, &b.id))
    }
}

/// Ideas by priority.
pub(super) struct ByPriority;

impl Order<IdeaRow> for ByPriority {
    fn compare(&self, a: &IdeaRow, b: &IdeaRow) -> Ordering {
        self.rank(a, b).then_with(|| ByCreation.compare(a, b))
    }

    fn rank(&self, a: &IdeaRow, b: &IdeaRow) -> Ordering {
        a.priority.total_cmp(&b.priority)
    }
}

/// Variants by when they were begun.
pub(super) struct ByStart;

impl Order<VariantRow> for ByStart {
    fn compare(&self, a: &VariantRow, b: &VariantRow) -> Ordering {
        (a.started_at, &a.id).cmp(&(b.started_at, &b.id))
    }
}

/// Variants of one idea together, by id.
pub(super) struct ByIdea;

impl Order<VariantRow> for ByIdea {
    fn compare(&self, a: &VariantRow, b: &VariantRow) -> Ordering {
        (&a.idea, &a.id).cmp(&(&b.idea, &b.id))
    }
}

/// Variants by a metric; those that were not measured in it come before all others.
pub(super) struct ByMetric(pub Arc<str>);

impl Order<VariantRow> for ByMetric {
    fn compare(&self, a: &VariantRow, b: &VariantRow) -> Ordering {
        self.rank(a, b).then_with(|| ByStart.compare(a, b))
    }

    fn rank(&self, a: &VariantRow, b: &VariantRow) -> Ordering {
        match (a.metric(&self.0), b.metric(&self.0)) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        }
    }
}
