//! The cache of one experiment. It is split so that the compiler proves who writes: one [`MirrorWriter`], owned by the
//! task that follows the experiment, and any number of [`Mirror`] readers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::atomic_timestamp::AtomicTimestamp;
use super::follow_stats::FollowStats;
use super::freshness::Freshness;
use super::published::Published;
use super::revision::{Epoch, Revisions, Topic};
use super::snapshot::Snapshot;
use super::unavailability::{Server, Unavailability};
use super::usage::{Usage, Viewer};
use crate::clock::Clock;
use crate::protocol::{ExperimentId, Timestamp};

/// Whether there is a snapshot, or why not.
#[derive(Debug, Clone)]
pub enum Phase {
    /// The first list has not arrived.
    Connecting,
    /// The task store does not have the experiment: it is registered and waits to be seeded.
    NotHosted,
    /// The task store hosts other experiments, or this one has no address.
    Elsewhere,
    /// There is a snapshot; [`View::freshness`] says how current it is.
    Ready(Arc<Snapshot>),
}

/// What a reader sees. It is consistent, but may be stale: check [`View::freshness`] before calling it current.
#[derive(Debug, Clone)]
pub struct View {
    /// The snapshot, or why there is none.
    pub phase: Phase,
    /// How current it is.
    pub freshness: Freshness,
    /// When each topic last changed.
    pub revisions: Revisions,
}

impl View {
    /// The snapshot, if there is one.
    pub fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        match &self.phase {
            Phase::Ready(snapshot) => Some(snapshot),
            Phase::Connecting | Phase::NotHosted | Phase::Elsewhere => None,
        }
    }

    /// Whether the first list is under way.
    pub(super) fn is_connecting(&self) -> bool {
        matches!(self.phase, Phase::Connecting) && !matches!(self.freshness, Freshness::Stale { .. })
    }
}

/// The readers' side.
#[derive(Debug)]
pub struct Mirror {
    experiment: ExperimentId,
    epoch: Epoch,
    view: Published<View, Revisions>,
    last_heard: AtomicTimestamp,
    /// Counts views by people and by open pages.
    pub(super) usage: Arc<Usage>,
    /// When a person last asked for a page of it.
    last_page_request: AtomicTimestamp,
    follow_stats: FollowStats,
    /// The revision of the fleet that its last change made.
    fleet_revision: AtomicU64,
    wake: Notify,
    stop: CancellationToken,
}

impl Mirror {
    pub(super) fn new(experiment: ExperimentId, now: Timestamp, stop: CancellationToken) -> Arc<Self> {
        let view = View {
            phase: Phase::Connecting,
            freshness: Freshness::CatchingUp,
            revisions: Revisions::default(),
        };
        Arc::new(Self {
            experiment,
            epoch: Epoch::random(),
            view: Published::new(view, Revisions::default()),
            last_heard: AtomicTimestamp::new(now),
            usage: Usage::new(now),
            last_page_request: AtomicTimestamp::new(now),
            follow_stats: FollowStats::default(),
            fleet_revision: AtomicU64::new(0),
            wake: Notify::new(),
            stop,
        })
    }

    /// The experiment.
    pub fn experiment(&self) -> &ExperimentId {
        &self.experiment
    }

    /// Identifies this mirror's lifetime. Its revisions mean nothing in another.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The present view. Never waits.
    pub fn view(&self) -> Arc<View> {
        self.view.load()
    }

    /// Memory, in bytes. It is an estimate, good enough to keep within a budget.
    pub fn weight(&self) -> usize {
        self.view().snapshot().map_or(0, |snapshot| snapshot.weight())
    }

    /// Follows the revisions. A slow follower skips some; there is no queue.
    pub fn subscribe(&self) -> watch::Receiver<Revisions> {
        self.view.subscribe()
    }

    /// When the server last answered.
    pub fn last_heard(&self) -> Timestamp {
        self.last_heard.get()
    }

    /// The number of viewers: pages whose streams follow it.
    pub fn viewers(&self) -> usize {
        self.usage.viewers()
    }

    /// Counters of what following the experiment took.
    pub fn follow_stats(&self) -> &FollowStats {
        &self.follow_stats
    }

    /// The revision of the fleet that the last change here made.
    pub fn fleet_revision(&self) -> u64 {
        self.fleet_revision.load(Ordering::Relaxed)
    }

    /// Waits until there is a snapshot, or it is known that there is none, at most `limit`; and a moment longer until
    /// the feed is connected, so that a first page does not change its freshness at once.
    pub async fn wait_until_settled(&self, limit: Duration) -> Arc<View> {
        const FEED_LIMIT: Duration = Duration::from_millis(250);
        self.view
            .wait_until(limit, |view| {
                !matches!(view.phase, Phase::Connecting) || matches!(view.freshness, Freshness::Stale { .. })
            })
            .await;
        self.view
            .wait_until(FEED_LIMIT, |view| view.freshness.is_settled())
            .await;
        self.view()
    }

    /// Waits until the experiment is hosted, at most `limit`.
    pub async fn wait_until_hosted(&self, limit: Duration) -> Arc<View> {
        self.view.wait_until(limit, |view| view.snapshot().is_some()).await;
        self.view()
    }

    /// Asks the follower to try again at once, if it is waiting.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Keeps the mirror followed for as long as the guard lives.
    pub fn viewer(&self) -> Viewer {
        self.usage.viewer()
    }

    /// Records that a person asked for a page of it.
    pub(super) fn record_page_request(&self, now: Timestamp) {
        self.last_page_request.set(now);
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }
}

/// The only writer of a mirror. It cannot be cloned: two writers would overwrite each other.
pub(super) struct MirrorWriter {
    mirror: Arc<Mirror>,
    fleet: Arc<watch::Sender<u64>>,
    clock: Clock,
}

impl MirrorWriter {
    /// `fleet` is incremented with each change.
    pub(super) fn new(mirror: Arc<Mirror>, fleet: Arc<watch::Sender<u64>>, clock: Clock) -> Self {
        Self { mirror, fleet, clock }
    }

    pub(super) fn view(&self) -> Arc<View> {
        self.mirror.view()
    }

    /// The revision of the next change.
    pub(super) fn next_revision(&self) -> u64 {
        self.view().revisions.current() + 1
    }

    pub(super) fn follow_stats(&self) -> &FollowStats {
        &self.mirror.follow_stats
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// When a person last asked for a page of it.
    pub(super) fn last_page_request(&self) -> Timestamp {
        self.mirror.last_page_request.get()
    }

    /// Records that the server answered: the snapshot is current as of now.
    pub(super) fn heard(&self) {
        self.mirror.last_heard.set(self.now());
    }

    /// Publishes a new snapshot in which `topics` changed. It does not say that the snapshot is current:
    /// [`MirrorWriter::heard`] does.
    pub(super) fn publish(&self, snapshot: Snapshot, topics: &[Topic]) {
        self.store(Phase::Ready(Arc::new(snapshot)), None, topics);
    }

    /// Publishes a snapshot from disk, stale since `heard`.
    pub(super) fn restore(&self, snapshot: Snapshot, heard: Timestamp) {
        self.mirror.last_heard.set(heard);
        let freshness = Freshness::Stale {
            since: heard,
            cause: Unavailability::not_yet_contacted(Server::TaskStore),
        };
        self.store(Phase::Ready(Arc::new(snapshot)), Some(freshness), &Topic::OF_EXPERIMENT);
    }

    /// Records that the task store has no snapshot to offer, and that it is asked again at an interval. Answers whether
    /// this differs from what was known.
    pub(super) fn unhosted(&self, phase: Phase, every: Duration) -> bool {
        self.heard();
        let view = self.view();
        let is_new_phase = std::mem::discriminant(&view.phase) != std::mem::discriminant(&phase);
        if is_new_phase {
            self.store(phase, Some(Freshness::Polling { every }), &Topic::OF_EXPERIMENT);
        } else {
            self.set_freshness(Freshness::Polling { every });
        }
        is_new_phase || matches!(view.freshness, Freshness::Stale { .. })
    }

    /// Changes the freshness, if it differs.
    pub(super) fn set_freshness(&self, freshness: Freshness) {
        let view = self.view();
        if view.freshness != freshness {
            self.store(view.phase.clone(), Some(freshness), &[Topic::Freshness]);
        }
    }

    /// Marks the snapshot stale since the server last answered.
    pub(super) fn set_stale(&self, cause: Unavailability) {
        self.set_freshness(Freshness::Stale {
            since: self.mirror.last_heard(),
            cause,
        });
    }

    /// Waits for [`Mirror::wake`].
    pub(super) async fn woken(&self) {
        self.mirror.wake.notified().await;
    }

    pub(super) fn stopping(&self) -> CancellationToken {
        self.mirror.stop.clone()
    }

    fn store(&self, phase: Phase, freshness: Option<Freshness>, topics: &[Topic]) {
        let held = self.view();
        let revisions = held.revisions.bumped(topics);
        let view = View {
            phase,
            freshness: freshness.unwrap_or_else(|| held.freshness.clone()),
            revisions,
        };
        self.mirror.view.store(view, revisions);
        self.fleet.send_modify(|fleet| {
            *fleet += 1;
            // Before the new number can be read.
            self.mirror.fleet_revision.store(*fleet, Ordering::Relaxed);
        });
    }
}
