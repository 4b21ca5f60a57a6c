//! The watch half of list-then-watch: reads again what events name.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::initial_list::optional;
use super::interruption::Interruption;
use crate::client::{ClientError, ExperimentClient};
use crate::live::mirror::MirrorWriter;
use crate::live::revision::Topic;
use crate::live::snapshot::Snapshot;
use crate::protocol::{Event, Experiment, Idea, Subject, Task, Variant};

/// The most entities that are read at the same time.
const MAX_PARALLEL_READS: usize = 8;
/// Beyond this many entities in one batch, a list is cheaper than reading each.
const RELIST_ABOVE: usize = 200;

/// An entity as it is now.
enum Entity {
    Task(Task),
    Idea(Idea),
    Variant(Variant),
    Experiment(Experiment),
    Gone,
}

async fn read(client: &ExperimentClient, subject: Subject) -> Result<Entity, ClientError> {
    let entity = match subject {
        Subject::Task(id) => optional(client.task(&id).await)?.map(Entity::Task),
        Subject::Idea(id) => optional(client.idea(&id).await)?.map(Entity::Idea),
        Subject::Variant(id) => optional(client.variant(&id).await)?.map(Entity::Variant),
        Subject::Experiment => optional(client.read().await)?.map(Entity::Experiment),
    };
    Ok(entity.unwrap_or(Entity::Gone))
}

/// Reads again what the events name, and publishes all of it as one revision. Answers whether the experiment itself
/// changed.
pub(super) async fn apply(
    client: &ExperimentClient,
    writer: &MirrorWriter,
    events: Vec<(u64, Arc<Event>)>,
) -> Result<bool, Interruption> {
    let subjects: BTreeSet<Subject> = events.iter().flat_map(|(_, event)| event.subjects()).collect();
    if subjects.len() > RELIST_ABOVE {
        return Err(Interruption::Relist);
    }
    let entities: Vec<Entity> = stream::iter(subjects.into_iter().map(|subject| read(client, subject)))
        .buffer_unordered(MAX_PARALLEL_READS)
        .try_collect()
        .await?;
    let view = writer.view();
    let held = view.snapshot().ok_or(Interruption::Relist)?;
    let mut snapshot = Snapshot::clone(held);
    let revision = writer.next_revision();
    let mut topics = vec![Topic::Events];
    for entity in entities {
        let topic = match entity {
            Entity::Task(task) => {
                snapshot.put_task(&task, revision);
                Topic::Tasks
            }
            Entity::Idea(idea) => {
                snapshot.put_idea(&idea, revision);
                Topic::Ideas
            }
            Entity::Variant(variant) => {
                snapshot.put_variant(&variant, revision);
                Topic::Variants
            }
            Entity::Experiment(experiment) => {
                snapshot.experiment = experiment;
                Topic::Experiment
            }
            // Nothing in the protocol deletes an entity; a list finds out what happened.
            Entity::Gone => return Err(Interruption::Relist),
        };
        if !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    writer.follow_stats().add_events(events.len());
    for (cursor, event) in events {
        snapshot.push_event(cursor, event);
    }
    writer.publish(snapshot, &topics);
    Ok(topics.contains(&Topic::Experiment))
}
