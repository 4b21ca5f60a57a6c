//! A picture of an experiment as a file holds it: its rows, without the orders that they are found in.

use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use crate::live::configuration::Configuration;
use crate::live::rows::{IdeaRow, TaskRow, VariantRow};
use crate::live::snapshot::{Rows, Snapshot};
use crate::protocol::{Event, Experiment, ExperimentConfig, ExperimentId, Group, Worker};

/// What is read.
#[derive(Deserialize)]
pub(in crate::live) struct Picture {
    experiment: Experiment,
    /// None when it is of a file, where it is read again.
    config: Option<ExperimentConfig>,
    cursor: u64,
    tasks: Vec<TaskRow>,
    ideas: Vec<IdeaRow>,
    variants: Vec<VariantRow>,
    workers: Vec<Worker>,
    groups: Vec<Group>,
    events: Vec<(u64, Event)>,
}

impl Picture {
    pub(super) fn experiment_id(&self) -> &ExperimentId {
        &self.experiment.experiment_id
    }

    /// The configuration, if it was the server's.
    pub(in crate::live) fn take_config(&mut self) -> Option<ExperimentConfig> {
        self.config.take()
    }

    /// The picture with everything in its order.
    pub(in crate::live) fn restored(self, config: Configuration) -> Snapshot {
        let rows = Rows {
            tasks: self.tasks.into_iter().map(Arc::new).collect(),
            ideas: self.ideas.into_iter().map(Arc::new).collect(),
            variants: self.variants.into_iter().map(Arc::new).collect(),
        };
        let mut snapshot = Snapshot::of_rows(self.experiment, config, self.cursor, rows);
        let workers = self.workers.into_iter();
        snapshot.workers = Arc::new(workers.map(|worker| (worker.worker_id.clone(), worker)).collect());
        snapshot.groups = Arc::new(self.groups);
        for (cursor, event) in self.events {
            snapshot.push_event(cursor, Arc::new(event));
        }
        snapshot
    }
}

/// What is written: the same, from where it stands.
pub(super) struct PictureRef(pub Arc<Snapshot>);

impl Serialize for PictureRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let held = &self.0;
        let told = held.config().filter(|_| held.config_revision.is_none());
        let mut picture = serializer.serialize_struct("Picture", 9)?;
        picture.serialize_field("experiment", &held.experiment)?;
        picture.serialize_field("config", &told)?;
        picture.serialize_field("cursor", &held.cursor)?;
        picture.serialize_field("tasks", &Each(|| held.tasks().map(AsRef::as_ref)))?;
        picture.serialize_field("ideas", &Each(|| held.ideas().map(AsRef::as_ref)))?;
        picture.serialize_field("variants", &Each(|| held.variants().map(AsRef::as_ref)))?;
        picture.serialize_field("workers", &Each(|| held.workers()))?;
        picture.serialize_field("groups", held.groups())?;
        let event = |(cursor, event): (u64, &Arc<Event>)| (cursor, Event::clone(event));
        picture.serialize_field("events", &Each(|| held.oldest_events().map(event)))?;
        picture.end()
    }
}

/// A sequence that is written as it is walked.
struct Each<F>(F);

impl<I: Iterator<Item: Serialize>, F: Fn() -> I> Serialize for Each<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}
