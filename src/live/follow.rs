//! Keeps one mirror true: list, watch from there, re-read what events name, and say so when it breaks.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::admins::{Admins, Watching};
use super::backoff::Backoff;
use super::feed::{self, Feed};
use super::freshness::Freshness;
use super::listing::{list, optional};
use super::mirror::{Phase, Writer};
use super::revision::Topic;
use super::snapshot::Snapshot;
use super::trouble::{Server, Trouble};
use crate::access::{Scope, StoreFactory};
use crate::client::{ClientError, ExperimentClient, PushEvent, PushStream};
use crate::configs::ConfigSource;
use crate::protocol::{Event, Experiment, ExperimentId, Idea, Subject, Task, Variant};

/// Events taken in one step; a longer backlog is applied in several, so that readers see progress.
const BATCH: usize = 256;
/// Entities read at the same time.
const PARALLEL_READS: usize = 8;
/// Past this many entities in one batch, listing is cheaper than reading each.
const RELIST_ABOVE: usize = 200;
/// How often a task store is asked again for an experiment that it does not host.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Why following stopped for now.
enum Pause {
    /// The log moved in a way that cannot be replayed: list again.
    Relist,
    /// The task store does not host the experiment, in the way that the phase says.
    Without(Phase),
    /// The connection ended or a call failed.
    Broken(ClientError),
}

impl From<ClientError> for Pause {
    fn from(error: ClientError) -> Self {
        if error.is_not_hosted_here() {
            Self::Without(Phase::Elsewhere)
        } else if error.is_not_found() {
            Self::Without(Phase::NotHosted)
        } else {
            Self::Broken(error)
        }
    }
}

/// What a follower needs beside its mirror.
pub(super) struct Follower {
    /// The experiment as the console's own worker.
    pub client: ExperimentClient,
    pub stores: StoreFactory,
    pub configs: ConfigSource,
    /// Told what becomes of the workers and groups, if they are the deployment's.
    pub admins: Option<Arc<Admins>>,
    /// The longest wait before a broken feed is tried again.
    pub retry_cap: Duration,
    /// Told when the experiment itself changed, which the registry may not hear of otherwise.
    pub changed: mpsc::UnboundedSender<ExperimentId>,
}

impl Follower {
    fn tell(&self) {
        // A receiver that is gone means the process is stopping.
        let _ = self.changed.send(self.client.id().clone());
    }
}

/// Follows the experiment until the mirror is stopped.
pub(super) async fn follow(follower: Follower, writer: Writer) {
    let stopping = writer.stopping();
    let mut backoff = Backoff::new(follower.retry_cap);
    let mut relist = true;
    loop {
        let started = Instant::now();
        let pause = tokio::select! {
            () = stopping.cancelled() => return,
            pause = attempt(&follower, &writer, relist) => pause,
        };
        let wait = match pause {
            Pause::Relist => {
                relist = true;
                backoff.next(started.elapsed())
            }
            Pause::Without(phase) => {
                relist = true;
                writer.without(phase);
                LOOK_AGAIN.min(follower.retry_cap)
            }
            Pause::Broken(error) => {
                // What is held resumes from its cursor; with nothing held there is nothing to resume.
                relist = writer.view().snapshot().is_none();
                if !matches!(writer.view().freshness, Freshness::Stale { .. }) {
                    let id = follower.client.id();
                    warn!(experiment.id = %id, error = %chain(&error), "the feed broke; showing what is known");
                }
                writer.stale(Trouble::of(Server::TaskStore, &error));
                backoff.next(started.elapsed())
            }
        };
        tokio::select! {
            () = stopping.cancelled() => return,
            () = writer.poked() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// One connection's life. It never succeeds: it ends in the reason to pause.
async fn attempt(follower: &Follower, writer: &Writer, relist: bool) -> Pause {
    match watch(follower, writer, relist).await {
        Ok(never) => match never {},
        Err(pause) => pause,
    }
}

async fn watch(follower: &Follower, writer: &Writer, relist: bool) -> Result<std::convert::Infallible, Pause> {
    let Follower { client, stores, .. } = follower;
    let resuming = !relist && matches!(writer.view().phase, Phase::Ready(_));
    if !resuming {
        let listed = list(client, &follower.configs, writer.next_revision()).await?;
        let snapshot = listed.ok_or(Pause::Without(Phase::NotHosted))?;
        debug!(experiment.id = %client.id(), cursor = snapshot.cursor, tasks = snapshot.counts.total(), "listed");
        let was_known = writer.view().snapshot().is_some();
        writer.publish(snapshot, &Topic::ALL);
        if !was_known {
            follower.tell();
        }
    }
    let cursor = writer.view().snapshot().map_or(0, |snapshot| snapshot.cursor);
    let Feed { mut stream, is_pushed } = feed::open(client, cursor).await?;
    let admins = follower.admins.as_ref().filter(|_| is_pushed);
    let watching = admins.map(|admins| admins.watched());
    loop {
        // Nothing is lost when it is not ready: its first item is what it waits for, and it waits for no other.
        let batch = match next_batch(&mut stream).now_or_never() {
            Some(batch) => batch,
            None => {
                watching.iter().for_each(Watching::caught_up);
                next_batch(&mut stream).await
            }
        };
        watching.iter().for_each(Watching::busy);
        let mut events = Vec::new();
        let (mut signalled, mut beat) = (false, false);
        for item in batch? {
            match item {
                PushEvent::Connected => {
                    info!(experiment.id = %client.id(), cursor, "following");
                    // Signals are not replayed, so what they would have said until now is read instead.
                    signalled = true;
                }
                PushEvent::Heartbeat => beat = true,
                PushEvent::Logged { event, cursor } => events.push((cursor, Arc::new(*event))),
                PushEvent::Signalled(notice) => {
                    watching.iter().for_each(|watching| watching.noticed(&notice));
                    if let Ok(worker) = notice.id.parse() {
                        stores.credential_changed(&Scope::Experiment(client.id().clone()), &worker);
                    }
                    signalled = true;
                }
                PushEvent::Resync => return Err(Pause::Relist),
            }
        }
        if !events.is_empty() {
            apply(follower, writer, events).await?;
        }
        if signalled {
            refresh_members(client, writer).await?;
        }
        if beat && config_changed(follower, writer).await {
            return Err(Pause::Relist);
        }
        if beat {
            // Only now is what is held the present: everything before the beat has been told and applied.
            writer.heard();
            writer.freshness(Freshness::Live);
        } else if !matches!(writer.view().freshness, Freshness::Live) {
            writer.freshness(Freshness::CatchingUp);
        }
    }
}

/// Whether the configuration is of a file that is another by now. Scores are kept by its objective, so that all of the
/// experiment is read anew.
async fn config_changed(follower: &Follower, writer: &Writer) -> bool {
    let held = writer.view().snapshot().and_then(|snapshot| snapshot.config_revision);
    match held {
        Some(revision) => follower.configs.revision(follower.client.id()).await != revision,
        None => false,
    }
}

/// Waits for one item and takes with it whatever else is there already.
async fn next_batch(stream: &mut PushStream) -> Result<Vec<PushEvent>, Pause> {
    let ended = || ClientError::Stream("the server closed it".into());
    let mut items = vec![stream.try_next().await?.ok_or_else(ended)?];
    while items.len() < BATCH {
        match stream.next().now_or_never() {
            Some(item) => items.push(item.ok_or_else(ended)??),
            None => break,
        }
    }
    Ok(items)
}

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
async fn apply(follower: &Follower, writer: &Writer, events: Vec<(u64, Arc<Event>)>) -> Result<(), Pause> {
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
    for (cursor, event) in events {
        snapshot.push_event(cursor, event);
    }
    let has_ended = topics.contains(&Topic::Experiment);
    writer.publish(snapshot, &topics);
    if has_ended {
        follower.tell();
    }
    Ok(())
}

/// Workers and groups are not in the log; the push stream signals their changes apart.
async fn refresh_members(client: &ExperimentClient, writer: &Writer) -> Result<(), Pause> {
    let (workers, groups) = futures_util::future::try_join(client.workers(), client.groups()).await?;
    let view = writer.view();
    let Some(held) = view.snapshot() else {
        return Err(Pause::Relist);
    };
    let mut snapshot = Snapshot::clone(held);
    snapshot.workers = Arc::new(workers.into_iter().map(|w| (w.worker_id.clone(), w)).collect());
    snapshot.groups = Arc::new(groups);
    writer.publish(snapshot, &[Topic::Experiment]);
    Ok(())
}

/// An error and its causes in one line, for the log.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
