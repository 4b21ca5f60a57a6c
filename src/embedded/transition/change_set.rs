//! What a transition returns: the entities as they become, and the events that record it.

use std::fmt::Display;

use serde_json::Value;

use crate::protocol::*;

/// Everything that one commit writes: all of it, or nothing (`ch05 §2`).
#[derive(Debug, Default, PartialEq)]
pub(in crate::embedded) struct ChangeSet {
    pub(in crate::embedded) experiment: Option<Experiment>,
    pub(in crate::embedded) dispatch_mode: Option<Extra>,
    pub(in crate::embedded) task: Option<Task>,
    pub(in crate::embedded) submission: SubmissionChange,
    pub(in crate::embedded) idea: Option<Idea>,
    pub(in crate::embedded) variant: Option<Variant>,
    pub(in crate::embedded) events: Vec<NewEvent>,
}

/// What happens to the stored submission of [`ChangeSet::task`].
#[derive(Debug, Default, PartialEq)]
pub(in crate::embedded) enum SubmissionChange {
    #[default]
    Keep,
    Put(Submission),
    Drop,
}

/// An event without its position and id, which the log assigns.
#[derive(Debug, PartialEq)]
pub(in crate::embedded) struct NewEvent {
    pub(in crate::embedded) kind: &'static str,
    pub(in crate::embedded) data: Extra,
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
