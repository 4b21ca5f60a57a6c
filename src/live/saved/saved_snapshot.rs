//! A snapshot of an experiment as a file holds it: its rows, without the orders that lists need.

use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use crate::live::loaded_config::LoadedConfig;
use crate::live::rows::{IdeaRow, TaskRow, VariantRow};
use crate::live::snapshot::{Rows, Snapshot};
use crate::protocol::{Event, Experiment, ExperimentConfig, ExperimentId, Group, Worker};

/// What is read.
#[derive(Deserialize)]
pub(in crate::live) struct SavedSnapshot {
    experiment: Experiment,
    /// The configuration that the server sent. One from a file is read from there again.
    config: Option<ExperimentConfig>,
    cursor: u64,
    tasks: Vec<TaskRow>,
    ideas: Vec<IdeaRow>,
    variants: Vec<VariantRow>,
    workers: Vec<Worker>,
    groups: Vec<Group>,
    events: Vec<(u64, Event)>,
}

impl SavedSnapshot {
    pub(super) fn experiment_id(&self) -> &ExperimentId {
        &self.experiment.experiment_id
    }

    /// Takes the configuration, if it was the server's.
    pub(in crate::live) fn take_config(&mut self) -> Option<ExperimentConfig> {
        self.config.take()
    }

    /// The snapshot, with everything in order again.
    pub(in crate::live) fn into_snapshot(self, config: LoadedConfig) -> Snapshot {
        let rows = Rows {
            tasks: self.tasks.into_iter().map(Arc::new).collect(),
            ideas: self.ideas.into_iter().map(Arc::new).collect(),
            variants: self.variants.into_iter().map(Arc::new).collect(),
        };
        let mut snapshot = Snapshot::of_rows(self.experiment, config, self.cursor, rows);
        snapshot.put_members(self.workers, self.groups);
        for (cursor, event) in self.events {
            snapshot.push_event(cursor, Arc::new(event));
        }
        snapshot
    }
}

/// What is written: the same fields, straight from a snapshot.
pub(super) struct SavedSnapshotRef(pub Arc<Snapshot>);

impl Serialize for SavedSnapshotRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let snapshot = &self.0;
        let server_config = snapshot.config().filter(|_| snapshot.config_revision.is_none());
        let mut fields = serializer.serialize_struct("SavedSnapshot", 9)?;
        fields.serialize_field("experiment", &snapshot.experiment)?;
        fields.serialize_field("config", &server_config)?;
        fields.serialize_field("cursor", &snapshot.cursor)?;
        fields.serialize_field("tasks", &Sequence(|| snapshot.tasks().map(AsRef::as_ref)))?;
        fields.serialize_field("ideas", &Sequence(|| snapshot.ideas().map(AsRef::as_ref)))?;
        fields.serialize_field("variants", &Sequence(|| snapshot.variants().map(AsRef::as_ref)))?;
        fields.serialize_field("workers", &Sequence(|| snapshot.workers()))?;
        fields.serialize_field("groups", snapshot.groups())?;
        let event = |(cursor, event): (u64, &Arc<Event>)| (cursor, Event::clone(event));
        fields.serialize_field("events", &Sequence(|| snapshot.oldest_events().map(event)))?;
        fields.end()
    }
}

/// A sequence that is serialized item by item.
struct Sequence<F>(F);

impl<I: Iterator<Item: Serialize>, F: Fn() -> I> Serialize for Sequence<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}
