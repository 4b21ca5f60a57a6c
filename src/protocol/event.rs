//! The event log (`ch05`) and the signals of the push streams that are not in it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ExperimentId, Extra, IdeaId, TaskId, Timestamp, VariantId};

/// One entry of an experiment's log. It names what changed; the state itself is read from the entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Unique in the log.
    pub event_id: String,
    /// For instance `task.claimed`; types this version does not know are kept (`ch05 §3.6`).
    #[serde(rename = "type")]
    pub kind: String,
    /// Advisory; the order of the log is what counts.
    pub occurred_at: Timestamp,
    /// The experiment.
    pub experiment_id: ExperimentId,
    /// Members by type (`ch05 §3`).
    pub data: Extra,
    /// Members this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The entity an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A task.
    Task(TaskId),
    /// An idea.
    Idea(IdeaId),
    /// A variant.
    Variant(VariantId),
    /// The experiment itself.
    Experiment,
}

impl Event {
    /// The entities that may differ after this event. A composite commit emits one event for each, but
    /// the ids an event carries are honoured too, so a reader never depends on that.
    pub fn subjects(&self) -> Vec<Subject> {
        let mut subjects = Vec::with_capacity(2);
        if let Some(id) = self.data_id("task_id") {
            subjects.push(Subject::Task(id));
        }
        if let Some(id) = self.data_id("idea_id") {
            subjects.push(Subject::Idea(id));
        }
        if let Some(id) = self.data_id("variant_id") {
            subjects.push(Subject::Variant(id));
        }
        if self.kind.starts_with("experiment.") {
            subjects.push(Subject::Experiment);
        }
        subjects
    }

    /// A text member of `data`.
    pub fn data_str(&self, key: &str) -> Option<&str> {
        self.data.get(key).and_then(Value::as_str)
    }

    fn data_id<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.data_str(key)?.parse().ok()
    }
}

/// Reply of `events` and `events/subscribe`: exactly these two members (`ch07 §8`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventBatch {
    /// In log order.
    pub events: Vec<Event>,
    /// The number of events consumed once these are.
    pub cursor: u64,
}

/// A signal of a push stream that is not an entry of any log, such as `worker.registered` or
/// `experiment.registered`. It names what changed; the reader reads it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// For instance `lease.acquired`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The id of the entry that changed.
    pub id: String,
    /// Grows with every change of the registry.
    pub revision: u64,
}
