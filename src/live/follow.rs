//! Keeps one mirror true: list, watch from there, re-read what events name, and say so when it breaks.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::admins::{Admins, Watching};
use super::apply::apply;
use super::backoff::Backoff;
use super::configuration::Configuration;
use super::feed::Feed;
use super::freshness::{FeedKind, Freshness};
use super::listing::list;
use super::members::{Members, refresh_members};
use super::mirror::{Phase, Writer};
use super::revision::Topic;
use super::saved::{Kept, Shelf};
use super::unavailability::{Server, Unavailability};
use crate::access::{Scope, StoreFactory};
use crate::client::{ClientError, ExperimentClient, WatchEvent};
use crate::experiment_configs::ConfigSource;
use crate::protocol::ExperimentId;

/// How often a task store is asked again for an experiment that it does not host.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// The shortest wait after a failure, however often somebody says that it is worth looking again.
const POKED: Duration = Duration::from_secs(1);

/// Why following stopped for now.
pub(super) enum Pause {
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
    /// Where what was known in an earlier life is kept.
    pub shelf: Option<Shelf>,
    /// Told what becomes of the workers and groups, if they are the deployment's.
    pub admins: Option<Arc<Admins>>,
    /// The longest wait before a broken feed is tried again.
    pub max_retry_delay: Duration,
    /// Told when the experiment itself changed, which the registry may not hear of otherwise.
    pub noticed: mpsc::UnboundedSender<Noticed>,
}

/// What the registry should look at again.
pub(super) enum Noticed {
    /// The experiment changed, and so what the control plane says of it.
    Changed(ExperimentId),
    /// Its task store does something else than it did; the control plane knows nothing of that.
    OtherAtStore(ExperimentId),
}

impl Follower {
    pub(super) fn changed(&self) {
        // A receiver that is gone means the process is stopping.
        let _ = self.noticed.send(Noticed::Changed(self.client.id().clone()));
    }

    fn other_at_store(&self) {
        let _ = self.noticed.send(Noticed::OtherAtStore(self.client.id().clone()));
    }
}

/// How following has gone so far.
struct Course {
    /// Whether what is held, if anything is, cannot be resumed.
    relist: bool,
    /// Whether it was said that the feed broke, and not yet that it is back.
    is_broken: bool,
    /// Since when the feed stands and has told everything.
    stands_since: Option<Instant>,
}

/// Follows the experiment until the mirror is stopped.
pub(super) async fn follow(follower: Follower, writer: Writer) {
    let stopping = writer.stopping();
    let mut backoff = Backoff::new(follower.max_retry_delay);
    let mut course = Course {
        relist: true,
        is_broken: false,
        stands_since: None,
    };
    if let Some(shelf) = &follower.shelf
        && let Some(kept) = shelf.experiment(follower.client.id()).await
    {
        restore(&follower, &writer, kept).await;
        course.relist = false;
    }
    loop {
        let pause = tokio::select! {
            () = stopping.cancelled() => return,
            pause = attempt(&follower, &writer, &mut course) => pause,
        };
        // A list that takes long before it fails is no healthy spell.
        let stood = course
            .stands_since
            .take()
            .map_or(Duration::ZERO, |since| since.elapsed());
        // What waits for something to appear looks as soon as it may have; what failed waits all the same.
        let (wait, patience) = match pause {
            Pause::Relist => {
                course.relist = true;
                // What is held is not the present any more, and the present is not known before it is listed.
                if !matches!(writer.view().freshness, Freshness::Stale { .. }) {
                    writer.freshness(Freshness::CatchingUp);
                }
                (backoff.next(stood), POKED)
            }
            Pause::Without(phase) => {
                course.relist = true;
                let every = LOOK_AGAIN.min(follower.max_retry_delay);
                if writer.without(phase, every) {
                    follower.other_at_store();
                }
                (every, Duration::ZERO)
            }
            Pause::Broken(error) => {
                // What is held resumes from its cursor; with nothing held there is nothing to resume, and what cannot
                // be understood would come again. A list that failed is still to be made.
                course.relist |= writer.view().snapshot().is_none() || matches!(error, ClientError::Decode(_));
                writer.stale(Unavailability::of(Server::TaskStore, &error));
                if !std::mem::replace(&mut course.is_broken, true) {
                    writer.follow_stats().broke();
                    let id = follower.client.id();
                    warn!(experiment.id = %id, error = %chain(&error), "the feed broke; showing what is known");
                    follower.other_at_store();
                }
                (backoff.next(stood), POKED)
            }
        };
        let poked = async {
            tokio::time::sleep(patience).await;
            writer.poked().await;
        };
        tokio::select! {
            () = stopping.cancelled() => return,
            () = poked => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Shows what is kept of an earlier life until the feed has spoken. It resumes where that one stood, if the log is the same.
async fn restore(follower: &Follower, writer: &Writer, kept: Kept) {
    let Kept { mut picture, heard } = kept;
    let config = match picture.take_config() {
        Some(told) => Configuration {
            known: Ok(Arc::new(told)),
            revision: None,
        },
        None => Configuration::of_files(&follower.configs, follower.client.id()).await,
    };
    // A large one takes a moment to be put in order.
    if let Ok(snapshot) = tokio::task::spawn_blocking(move || picture.restored(config)).await {
        debug!(experiment.id = %follower.client.id(), cursor = snapshot.cursor, %heard, "restored");
        writer.restore(snapshot, heard);
    }
}

/// One connection's life. It never succeeds: it ends in the reason to pause.
async fn attempt(follower: &Follower, writer: &Writer, course: &mut Course) -> Pause {
    match watch(follower, writer, course).await {
        Ok(never) => match never {},
        Err(pause) => pause,
    }
}

async fn watch(follower: &Follower, writer: &Writer, course: &mut Course) -> Result<std::convert::Infallible, Pause> {
    let Follower { client, stores, .. } = follower;
    if course.relist || !matches!(writer.view().phase, Phase::Ready(_)) {
        let listed = list(client, &follower.configs, writer.next_revision()).await?;
        let snapshot = listed.ok_or(Pause::Without(Phase::NotHosted))?;
        debug!(experiment.id = %client.id(), cursor = snapshot.cursor, tasks = snapshot.counts.total(), "listed");
        let was_known = writer.view().snapshot().is_some();
        writer.follow_stats().listed();
        writer.heard();
        writer.publish(snapshot, &Topic::OF_EXPERIMENT);
        course.relist = false;
        if !was_known {
            follower.changed();
        }
    } else {
        continues(client, writer).await?;
    }
    let cursor = writer.view().snapshot().map_or(0, |snapshot| snapshot.cursor);
    let mut feed = Feed::open(client, cursor).await?;
    let means = feed.kind();
    let admins = follower.admins.as_ref().filter(|_| means == FeedKind::Push);
    let watching = admins.map(|admins| admins.watched());
    let mut members = (means == FeedKind::LongPoll).then(|| Members::just_read(writer.now()));
    loop {
        let batch = match feed.ready() {
            Some(batch) => batch,
            None => {
                watching.iter().for_each(Watching::caught_up);
                feed.next_batch().await
            }
        };
        watching.iter().for_each(Watching::busy);
        let mut events = Vec::new();
        let (mut signalled, mut beat) = (false, false);
        for item in batch? {
            match item {
                WatchEvent::Connected => {
                    info!(experiment.id = %client.id(), cursor, "following");
                    // Signals are not replayed, so what they would have said until now is read instead.
                    signalled = true;
                }
                WatchEvent::Heartbeat => beat = true,
                WatchEvent::Logged { event, cursor } => events.push((cursor, Arc::new(*event))),
                WatchEvent::Signalled(notice) => {
                    watching.iter().for_each(|watching| watching.noticed(&notice));
                    if let Ok(worker) = notice.id.parse() {
                        stores.credential_changed(&Scope::Experiment(client.id().clone()), &worker);
                    }
                    signalled = true;
                }
                WatchEvent::Resync => return Err(Pause::Relist),
            }
        }
        if let (Some(members), Some(snapshot)) = (&mut members, writer.view().snapshot()) {
            signalled |= members.are_unknown(&events, snapshot);
            if members.are_old(writer.now()) && members.were_viewed(writer.last_asked()) {
                // A server may have been replaced between two polls, and neither of them have failed. What cannot be
                // compared is no reason to list over and over.
                if snapshot.last_event().is_some() {
                    continues(client, writer).await?;
                }
                signalled = true;
            }
        }
        if !events.is_empty() {
            apply(follower, writer, events).await?;
        }
        if signalled {
            refresh_members(client, writer).await?;
            members.iter_mut().for_each(|members| members.were_read(writer.now()));
        }
        if beat && config_changed(follower, writer).await {
            return Err(Pause::Relist);
        }
        if beat {
            // Only now is what is held the present: everything before the beat has been told and applied.
            writer.heard();
            watching.iter().for_each(|watching| watching.heard(writer.now()));
            course.stands_since.get_or_insert_with(Instant::now);
            if std::mem::take(&mut course.is_broken) {
                follower.other_at_store();
            }
            writer.freshness(Freshness::Live(means));
        } else if !matches!(writer.view().freshness, Freshness::Live(_)) {
            writer.freshness(Freshness::CatchingUp);
        }
    }
}

/// Checks that the log that is there is the one that is held: a position past the end of another one would be waited at
/// for ever, as servers repeat whatever cursor they are given.
async fn continues(client: &ExperimentClient, writer: &Writer) -> Result<(), Pause> {
    let view = writer.view();
    let Some(snapshot) = view.snapshot().filter(|snapshot| snapshot.cursor > 0) else {
        return Ok(());
    };
    let Some((cursor, held)) = snapshot.last_event() else {
        return Err(Pause::Relist);
    };
    let there = client.events(cursor - 1, Some(1)).await?.events;
    match there.first() {
        Some(event) if event.event_id == held.event_id => Ok(()),
        _ => Err(Pause::Relist),
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
