//! The watch half of list-then-watch: what events name is read again.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::follow::{Follower, Pause};
use super::listing::optional;
use super::mirror::Writer;
use super::revision::Topic;
use super::snapshot::Snapshot;
use crate::client::{ClientError, ExperimentClient};
use crate::protocol::{Event, Experiment, Idea, Subject, Task, Variant};

/// Entities read at the same time.
const PARALLEL_READS: usize = 8;
/// Past this many entities in one batch, listing is cheaper than reading each.
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

/// Re-reads what the events name and publishes all of it as one revision.
pub(super) async fn apply(follower: &Follower, writer: &Writer, events: Vec<(u64, Arc<Event>)>) -> Result<(), Pause> {
    let subjects: BTreeSet<Subject> = events.iter().flat_map(|(_, event)| event.subjects()).collect();
    if subjects.len() > RELIST_ABOVE {
        return Err(Pause::Relist);
    }
    let entities: Vec<Entity> = stream::iter(subjects.into_iter().map(|subject| read(&follower.client, subject)))
        .buffer_unordered(PARALLEL_READS)
        .try_collect()
        .await?;
    let view = writer.view();
    let Some(held) = view.snapshot() else {
        return Err(Pause::Relist);
    };
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
            // Nothing in the protocol deletes one of these; a listing will tell what happened.
            Entity::Gone => return Err(Pause::Relist),
        };
        if !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    writer.follow_stats().applied(events.len());
    for (cursor, event) in events {
        snapshot.push_event(cursor, event);
    }
    let has_changed_itself = topics.contains(&Topic::Experiment);
    writer.publish(snapshot, &topics);
    if has_changed_itself {
        follower.changed();
    }
    Ok(())
}
