//! One connection to a task store: lists if needed, opens the feed, and applies what it sends until it breaks.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{debug, info};

use super::apply::apply;
use super::initial_list::list;
use super::interruption::Interruption;
use super::member_refresh::{MemberRefresh, refresh_members};
use crate::access::{Scope, StoreFactory};
use crate::client::{ExperimentClient, WatchEvent};
use crate::experiment_configs::ConfigSource;
use crate::live::admins::{Admins, FeedGuard};
use crate::live::feed::Feed;
use crate::live::freshness::{FeedKind, Freshness};
use crate::live::mirror::{MirrorWriter, Phase};
use crate::live::registry::RefreshRequest;
use crate::live::revision::Topic;
use crate::live::saved::SnapshotStore;
use crate::protocol::Event;

/// What following an experiment needs beside its mirror.
pub(in crate::live) struct Follower {
    /// The experiment as the console's own worker.
    pub client: ExperimentClient,
    pub stores: StoreFactory,
    pub configs: ConfigSource,
    /// The snapshot that was saved before the process started.
    pub snapshot_store: Option<SnapshotStore>,
    /// Told of changes of workers and groups, if they are the deployment's.
    pub admins: Option<Arc<Admins>>,
    /// The longest wait before a broken feed is retried.
    pub max_retry_delay: Duration,
    /// What the registry may not hear of otherwise.
    pub refresh_requests: mpsc::UnboundedSender<RefreshRequest>,
}

impl Follower {
    /// Tells the registry that the experiment itself changed.
    fn experiment_changed(&self) {
        self.request(RefreshRequest::Entry(self.client.id().clone()));
    }

    /// Tells the registry that the task store answers differently than before.
    pub(super) fn task_store_changed(&self) {
        self.request(RefreshRequest::TaskStore(self.client.id().clone()));
    }

    fn request(&self, request: RefreshRequest) {
        // A closed receiver means that the process is stopping.
        let _ = self.refresh_requests.send(request);
    }
}

/// What is remembered from one connection to the next.
#[derive(Default)]
pub(super) struct FollowState {
    /// Whether there is a snapshot that can be resumed at its cursor.
    pub can_resume: bool,
    /// Whether the feed was reported broken and not yet repaired.
    pub is_broken: bool,
    /// Since when the feed is connected and complete.
    pub healthy_since: Option<Instant>,
}

/// A batch of the feed, sorted by what is to be done.
#[derive(Default)]
struct Batch {
    /// Events of the log, each with the cursor after it.
    events: Vec<(u64, Arc<Event>)>,
    /// Whether workers or groups may have changed.
    members_changed: bool,
    /// Whether there was a heartbeat.
    has_heartbeat: bool,
}

/// Follows until the connection ends, and answers why it did.
pub(super) async fn watch(
    follower: &Follower,
    writer: &MirrorWriter,
    state: &mut FollowState,
) -> Result<Infallible, Interruption> {
    let client = &follower.client;
    if state.can_resume && writer.view().snapshot().is_some() {
        check_same_log(client, writer).await?;
    } else {
        list_all(follower, writer).await?;
        state.can_resume = true;
    }
    let cursor = writer.view().snapshot().map_or(0, |snapshot| snapshot.cursor);
    let mut feed = Feed::open(client, cursor).await?;
    let kind = feed.kind();
    let admins = follower.admins.as_ref().filter(|_| kind == FeedKind::Push);
    let guard = admins.map(|admins| admins.feed_opened());
    let mut members = (kind == FeedKind::LongPoll).then(|| MemberRefresh::new(writer.now()));
    loop {
        let changes = match feed.ready() {
            Some(changes) => changes,
            None => {
                guard.iter().for_each(FeedGuard::set_caught_up);
                feed.next_batch().await
            }
        };
        guard.iter().for_each(FeedGuard::set_busy);
        let mut batch = sort_changes(changes?, cursor, follower, guard.as_ref())?;
        if let Some(members) = &mut members {
            batch.members_changed |= needs_member_refresh(members, &batch.events, client, writer).await?;
        }
        if !batch.events.is_empty() && apply(client, writer, batch.events).await? {
            follower.experiment_changed();
        }
        if batch.members_changed {
            refresh_members(client, writer).await?;
            members.iter_mut().for_each(|members| members.refreshed(writer.now()));
        }
        if batch.has_heartbeat && is_config_changed(follower, writer).await {
            return Err(Interruption::Relist);
        }
        if batch.has_heartbeat {
            // Only now is the snapshot current: everything before the heartbeat has been received and applied.
            writer.heard();
            guard.iter().for_each(FeedGuard::heard);
            state.healthy_since.get_or_insert_with(Instant::now);
            if std::mem::take(&mut state.is_broken) {
                follower.task_store_changed();
            }
            writer.set_freshness(Freshness::Live(kind));
        } else if !matches!(writer.view().freshness, Freshness::Live(_)) {
            writer.set_freshness(Freshness::CatchingUp);
        }
    }
}

/// Reads the whole experiment and publishes it.
async fn list_all(follower: &Follower, writer: &MirrorWriter) -> Result<(), Interruption> {
    let listed = list(&follower.client, &follower.configs, writer.next_revision()).await?;
    let snapshot = listed.ok_or(Interruption::Unhosted(Phase::NotHosted))?;
    debug!(
        experiment.id = %follower.client.id(), cursor = snapshot.cursor, tasks = snapshot.counts.total(), "listed"
    );
    let is_first = writer.view().snapshot().is_none();
    writer.follow_stats().add_list();
    writer.heard();
    writer.publish(snapshot, &Topic::OF_EXPERIMENT);
    if is_first {
        follower.experiment_changed();
    }
    Ok(())
}

/// `cursor` is where the connection started.
fn sort_changes(
    changes: Vec<WatchEvent>,
    cursor: u64,
    follower: &Follower,
    guard: Option<&FeedGuard>,
) -> Result<Batch, Interruption> {
    let id = follower.client.id();
    let mut batch = Batch::default();
    for change in changes {
        match change {
            WatchEvent::Connected => {
                info!(experiment.id = %id, cursor, "following");
                // Notices are not replayed, so what they would have said until now is read instead.
                batch.members_changed = true;
            }
            WatchEvent::Heartbeat => batch.has_heartbeat = true,
            WatchEvent::Logged { event, cursor } => batch.events.push((cursor, Arc::new(*event))),
            WatchEvent::Signalled(notice) => {
                if let Some(guard) = guard {
                    guard.apply_notice(&notice);
                }
                if let Ok(worker) = notice.id.parse() {
                    follower
                        .stores
                        .credential_changed(&Scope::Experiment(id.clone()), &worker);
                }
                batch.members_changed = true;
            }
            WatchEvent::Resync => return Err(Interruption::Relist),
        }
    }
    Ok(batch)
}

/// Whether to read the workers and groups again, over a feed that does not signal their changes.
async fn needs_member_refresh(
    members: &mut MemberRefresh,
    events: &[(u64, Arc<Event>)],
    client: &ExperimentClient,
    writer: &MirrorWriter,
) -> Result<bool, Interruption> {
    let view = writer.view();
    let Some(snapshot) = view.snapshot() else {
        return Ok(false);
    };
    let names_unknown = members.finds_unknown(events, snapshot);
    let is_expired = members.is_expired(writer.now()) && members.is_older_than(writer.last_page_request());
    // The server may have been replaced between two polls without either failing. Without a last event there is nothing
    // to compare, and that is no reason to list over and over.
    if is_expired && snapshot.last_event().is_some() {
        check_same_log(client, writer).await?;
    }
    Ok(names_unknown || is_expired)
}

/// Checks that the server's log is the one that the snapshot was made from. In another log the cursor might be past the
/// end, and the feed would wait there for ever: servers repeat whatever cursor they are given.
async fn check_same_log(client: &ExperimentClient, writer: &MirrorWriter) -> Result<(), Interruption> {
    let view = writer.view();
    let Some(snapshot) = view.snapshot().filter(|snapshot| snapshot.cursor > 0) else {
        return Ok(());
    };
    let Some((cursor, held)) = snapshot.last_event() else {
        return Err(Interruption::Relist);
    };
    let events = client.events(cursor - 1, Some(1)).await?.events;
    match events.first() {
        Some(event) if event.event_id == held.event_id => Ok(()),
        _ => Err(Interruption::Relist),
    }
}

/// Whether the configuration was read from files that changed since. Scores depend on its objective, so then the whole
/// experiment is listed again.
async fn is_config_changed(follower: &Follower, writer: &MirrorWriter) -> bool {
    let held = writer.view().snapshot().and_then(|snapshot| snapshot.config_revision);
    match held {
        Some(revision) => follower.configs.revision(follower.client.id()).await != revision,
        None => false,
    }
}
