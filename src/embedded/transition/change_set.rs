//! What a transition returns: the entities as they become, and the events that record it.

use std::fmt::Display;

use serde_json::Value;

use crate::protocol::*;

/// Everything that one commit writes: all of it, or nothing (`ch05 §2`).
#[derive(Debug, Default, PartialEq)]
pub(crate) struct ChangeSet {
    pub(crate) experiment: Option<Experiment>,
    pub(crate) dispatch_mode: Option<Extra>,
    pub(crate) task: Option<Task>,
    pub(crate) submission: SubmissionChange,
    pub(crate) idea: Option<Idea>,
    pub(crate) variant: Option<Variant>,
    pub(crate) events: Vec<NewEvent>,
}

impl ChangeSet {
    /// A changed idea and its event.
    pub(super) fn idea(idea: Idea, event: NewEvent) -> Self {
        let (idea, events) = (Some(idea), vec![event]);
        Self {
            idea,
            events,
            ..Self::default()
        }
    }

    /// A changed variant and its events.
    pub(super) fn variant(variant: Variant, events: Vec<NewEvent>) -> Self {
        let variant = Some(variant);
        Self {
            variant,
            events,
            ..Self::default()
        }
    }
}

/// What happens to the stored submission of [`ChangeSet::task`].
#[derive(Debug, Default, PartialEq)]
pub(crate) enum SubmissionChange {
    #[default]
    Keep,
    Put(Submission),
    Drop,
}

/// An event without its position and id, which the log assigns.
#[derive(Debug, PartialEq)]
pub(crate) struct NewEvent {
    pub(crate) kind: &'static str,
    pub(crate) data: Extra,
}

pub(super) fn new_event<const N: usize>(kind: &'static str, data: [(&str, Value); N]) -> NewEvent {
    NewEvent {
        kind,
        data: data.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    }
}

pub(super) fn text(value: impl Display) -> Value {
    Value::String(value.to_string())
}
