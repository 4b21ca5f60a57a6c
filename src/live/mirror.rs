//! The cache of one experiment, split so that the compiler proves who writes: one [`Writer`], owned by
//! the task that follows the experiment, and any number of [`Mirror`] readers.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::follow_stats::FollowStats;
use super::freshness::Freshness;
use super::revision::{Epoch, Revisions, Topic};
use super::snapshot::Snapshot;
use super::unavailability::{Server, Unavailability};
use crate::clock::Clock;
use crate::protocol::{ExperimentId, Timestamp};

/// Whether there is anything to look at.
#[derive(Debug, Clone)]
pub enum Phase {
    /// The first list has not arrived.
    Connecting,
    /// The task store does not host the experiment: it is registered and waits to be seeded.
    NotHosted,
    /// The task store hosts others, or there is no address for this one.
    Elsewhere,
    /// A picture is held; how fresh it is, [`View::freshness`] says.
    Ready(Arc<Snapshot>),
}

/// What a reader sees: consistent in itself, and possibly old. Check [`View::freshness`] before calling it
/// the present.
#[derive(Debug, Clone)]
pub struct View {
    /// What is held.
    pub phase: Phase,
    /// How far it can be trusted.
    pub freshness: Freshness,
    /// What changed when.
    pub revisions: Revisions,
}

impl View {
    /// The picture, if one is held.
    pub fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        match &self.phase {
            Phase::Ready(snapshot) => Some(snapshot),
            Phase::Connecting | Phase::NotHosted | Phase::Elsewhere => None,
        }
    }

    /// Whether the first list is on its way.
    pub(super) fn is_arriving(&self) -> bool {
        matches!(self.phase, Phase::Connecting) && !matches!(self.freshness, Freshness::Stale { .. })
    }
}

/// The readers' side.
#[derive(Debug)]
pub struct Mirror {
    experiment: ExperimentId,
    epoch: Epoch,
    view: ArcSwap<View>,
    revisions: watch::Sender<Revisions>,
    /// Milliseconds since the Unix epoch at which the server was last heard.
    heard: AtomicI64,
    /// The same of when somebody or an open page asked for some of it.
    viewed: AtomicI64,
    /// The same of when somebody asked for a page of it.
    asked: AtomicI64,
    viewers: AtomicUsize,
    follow_stats: FollowStats,
    poke: Notify,
    stop: CancellationToken,
}

impl Mirror {
    pub(super) fn new(experiment: ExperimentId, clock: &Clock, stop: CancellationToken) -> Arc<Self> {
        let revisions = Revisions::default();
        Arc::new(Self {
            experiment,
            epoch: Epoch::fresh(),
            view: ArcSwap::from_pointee(View {
                phase: Phase::Connecting,
                freshness: Freshness::CatchingUp,
                revisions,
            }),
            revisions: watch::Sender::new(revisions),
            heard: AtomicI64::new(clock.now().as_millisecond()),
            viewed: AtomicI64::new(clock.now().as_millisecond()),
            asked: AtomicI64::new(clock.now().as_millisecond()),
            viewers: AtomicUsize::new(0),
            follow_stats: FollowStats::default(),
            poke: Notify::new(),
            stop,
        })
    }

    /// The experiment.
    pub fn experiment(&self) -> &ExperimentId {
        &self.experiment
    }

    /// This mirror's life; its revisions mean nothing in another.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// What is known now. Never waits.
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// What it takes in memory, in bytes, near enough to keep within a budget.
    pub fn weight(&self) -> usize {
        self.view.load().snapshot().map_or(0, |snapshot| snapshot.weight())
    }

    /// Follows the revisions; a slow follower skips, it never queues.
    pub fn subscribe(&self) -> watch::Receiver<Revisions> {
        self.revisions.subscribe()
    }

    /// When the server was last heard.
    pub fn last_heard(&self) -> Timestamp {
        Timestamp::from_millisecond(self.heard.load(Ordering::Relaxed))
    }

    /// How many hold it open: the pages whose streams follow it.
    pub fn viewers(&self) -> usize {
        self.viewers.load(Ordering::Relaxed)
    }

    /// What following it has taken so far.
    pub fn follow_stats(&self) -> &FollowStats {
        &self.follow_stats
    }

    /// Waits until something is known (a picture, or that there is none), at most `limit`; and a moment longer
    /// for the feed to stand, so that a first look is not told twice how fresh it is.
    pub async fn wait_until_settled(&self, limit: Duration) -> Arc<View> {
        const FEED: Duration = Duration::from_millis(250);
        self.wait(limit, |view| {
            !matches!(view.phase, Phase::Connecting) || matches!(view.freshness, Freshness::Stale { .. })
        })
        .await;
        self.wait(FEED, |view| view.freshness.is_settled()).await;
        self.view()
    }

    /// Waits until the experiment is hosted, at most `limit`.
    pub async fn wait_until_hosted(&self, limit: Duration) -> Arc<View> {
        self.wait(limit, |view| view.snapshot().is_some()).await;
        self.view()
    }

    /// Running out of time is an answer too: the caller looks at the view and sees how far it is.
    async fn wait(&self, limit: Duration, enough: impl Fn(&View) -> bool) {
        // Most find what they want, and need not be told when it comes.
        if enough(&self.view.load()) {
            return;
        }
        let mut revisions = self.subscribe();
        let reached = async { while !enough(&self.view()) && revisions.changed().await.is_ok() {} };
        let _ = tokio::time::timeout(limit, reached).await;
    }

    /// Asks the follower to look again at once, if it is waiting for something to appear.
    pub fn wake(&self) {
        self.poke.notify_one();
    }

    /// Keeps the mirror followed for as long as the guard lives.
    pub fn viewer(self: &Arc<Self>) -> Viewer {
        self.viewers.fetch_add(1, Ordering::Relaxed);
        Viewer(self.clone())
    }

    pub(super) fn touch(&self, clock: &Clock) {
        self.viewed.store(clock.now().as_millisecond(), Ordering::Relaxed);
    }

    pub(super) fn asked(&self, clock: &Clock) {
        self.asked.store(clock.now().as_millisecond(), Ordering::Relaxed);
    }

    /// Whether nobody has looked for longer than `idle`.
    pub(super) fn is_idle(&self, clock: &Clock, idle: Duration) -> bool {
        let silent = clock.now().as_millisecond() - self.viewed.load(Ordering::Relaxed);
        self.viewers.load(Ordering::Relaxed) == 0 && silent > i64::try_from(idle.as_millis()).unwrap_or(i64::MAX)
    }

    pub(super) fn last_viewed_ms(&self) -> i64 {
        self.viewed.load(Ordering::Relaxed)
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }
}

/// Somebody looks at a mirror; dropping it says they left.
#[derive(Debug)]
pub struct Viewer(Arc<Mirror>);

impl Drop for Viewer {
    fn drop(&mut self) {
        self.0.viewers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The only one who changes a mirror. Not cloneable on purpose: two writers would overwrite each other.
pub(super) struct Writer {
    mirror: Arc<Mirror>,
    fleet: Arc<watch::Sender<u64>>,
    clock: Clock,
}

impl Writer {
    pub(super) fn new(mirror: Arc<Mirror>, fleet: Arc<watch::Sender<u64>>, clock: Clock) -> Self {
        Self { mirror, fleet, clock }
    }

    pub(super) fn view(&self) -> Arc<View> {
        self.mirror.view()
    }

    /// The revision that the next change will have.
    pub(super) fn next_revision(&self) -> u64 {
        self.mirror.view.load().revisions.current() + 1
    }

    pub(super) fn follow_stats(&self) -> &FollowStats {
        &self.mirror.follow_stats
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// When somebody last asked for a page of it.
    pub(super) fn last_asked(&self) -> Timestamp {
        Timestamp::from_millisecond(self.mirror.asked.load(Ordering::Relaxed))
    }

    /// The server was heard: what is held is true as of now.
    pub(super) fn heard(&self) {
        self.mirror
            .heard
            .store(self.clock.now().as_millisecond(), Ordering::Relaxed);
    }

    /// Swaps in a new picture in which `topics` changed. Whether all of it is of now, [`Writer::heard`] says.
    pub(super) fn publish(&self, snapshot: Snapshot, topics: &[Topic]) {
        self.set(Phase::Ready(Arc::new(snapshot)), None, topics);
    }

    /// Shows what was known in an earlier life, as old as it is.
    pub(super) fn restore(&self, snapshot: Snapshot, heard: Timestamp) {
        self.mirror.heard.store(heard.as_millisecond(), Ordering::Relaxed);
        let freshness = Freshness::Stale {
            since: heard,
            cause: Unavailability::not_yet_contacted(Server::TaskStore),
        };
        self.set(Phase::Ready(Arc::new(snapshot)), Some(freshness), &Topic::OF_EXPERIMENT);
    }

    /// The task store says that there is no picture to hold: `phase` tells why, and it is asked again `every` so often.
    /// Whether that is news.
    pub(super) fn without(&self, phase: Phase, every: Duration) -> bool {
        self.heard();
        let view = self.view();
        let is_news = std::mem::discriminant(&view.phase) != std::mem::discriminant(&phase);
        if is_news {
            self.set(phase, Some(Freshness::Polling { every }), &Topic::OF_EXPERIMENT);
        } else {
            self.freshness(Freshness::Polling { every });
        }
        is_news || matches!(view.freshness, Freshness::Stale { .. })
    }

    /// Says how fresh the picture is, if that changed.
    pub(super) fn freshness(&self, freshness: Freshness) {
        let view = self.view();
        if view.freshness != freshness {
            self.set(view.phase.clone(), Some(freshness), &[Topic::Freshness]);
        }
    }

    /// The feed broke: what is held was true when the server was last heard.
    pub(super) fn stale(&self, cause: Unavailability) {
        self.freshness(Freshness::Stale {
            since: self.mirror.last_heard(),
            cause,
        });
    }

    /// Waits for somebody to say that it is worth looking again.
    pub(super) async fn poked(&self) {
        self.mirror.poke.notified().await;
    }

    pub(super) fn stopping(&self) -> CancellationToken {
        self.mirror.stop.clone()
    }

    fn set(&self, phase: Phase, freshness: Option<Freshness>, topics: &[Topic]) {
        let held = self.view();
        let revisions = held.revisions.bumped(topics);
        let freshness = freshness.unwrap_or_else(|| held.freshness.clone());
        self.mirror.view.store(Arc::new(View {
            phase,
            freshness,
            revisions,
        }));
        // Told only after the view is in place: whoever wakes finds what they were woken for.
        self.mirror.revisions.send_replace(revisions);
        self.fleet.send_modify(|fleet| *fleet += 1);
    }
}
