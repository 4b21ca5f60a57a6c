//! The orders that rows are kept in.

use std::cmp::Ordering;
use std::sync::Arc;

use super::order::Order;
use super::rows::{IdeaRow, TaskRow, VariantRow};

/// Tasks and ideas by creation, variants by start.
pub(super) struct ByCreation;

/// Tasks by their last transition.
pub(super) struct ByUpdate;

/// Tasks grouped by subject, then by creation.
pub(super) struct BySubject;

impl Order<TaskRow> for ByCreation {
    fn compare(&self, a: &TaskRow, b: &TaskRow) -> Ordering {
        (a.created_at, &a.id).cmp(&(b.created_at, &b.id))
    }
}

impl Order<TaskRow> for ByUpdate {
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

/// Ideas by priority; those that tie by creation.
pub(super) struct ByPriority;

impl Order<IdeaRow> for ByPriority {
    fn compare(&self, a: &IdeaRow, b: &IdeaRow) -> Ordering {
        self.rank(a, b).then_with(|| ByCreation.compare(a, b))
    }

    fn rank(&self, a: &IdeaRow, b: &IdeaRow) -> Ordering {
        a.priority.total_cmp(&b.priority)
    }
}

impl Order<VariantRow> for ByCreation {
    fn compare(&self, a: &VariantRow, b: &VariantRow) -> Ordering {
        (a.started_at, &a.id).cmp(&(b.started_at, &b.id))
    }
}

/// Variants grouped by idea, then by id.
pub(super) struct ByIdea;

impl Order<VariantRow> for ByIdea {
    fn compare(&self, a: &VariantRow, b: &VariantRow) -> Ordering {
        (&a.idea, &a.id).cmp(&(&b.idea, &b.id))
    }
}

/// Variants by a metric; those without a measurement of it come before all others.
pub(super) struct ByMetric(pub Arc<str>);

impl Order<VariantRow> for ByMetric {
    fn compare(&self, a: &VariantRow, b: &VariantRow) -> Ordering {
        self.rank(a, b).then_with(|| ByCreation.compare(a, b))
    }

    fn rank(&self, a: &VariantRow, b: &VariantRow) -> Ordering {
        match (a.metric(&self.0), b.metric(&self.0)) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        }
    }
}
