//! The mirrors that are followed now: one per experiment that anybody views.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::mirror::Mirror;
use super::mirror_budget::{EvictionCandidate, MirrorBudget};
use crate::clock::Clock;
use crate::protocol::ExperimentId;

/// A page request counts as a view for this long, even before the page's event stream opens, or without one.
const PAGE_VIEW: Duration = Duration::from_secs(10);
/// The longest time between two searches for idle mirrors.
const MAX_SWEEP_INTERVAL: Duration = Duration::from_secs(15);

type Mirrors = HashMap<ExperimentId, Arc<Mirror>>;

pub(super) struct MirrorSet {
    /// Locked only to look up, insert or remove; never across an await.
    mirrors: Mutex<Mirrors>,
    /// A revision of all mirrors together.
    fleet: Arc<watch::Sender<u64>>,
    clock: Clock,
    /// How long after its last view a mirror is kept.
    idle_timeout: Duration,
    budget: MirrorBudget,
    /// Mirrors that were ended, for the task that saves snapshots.
    ended: mpsc::UnboundedSender<Arc<Mirror>>,
}

impl MirrorSet {
    /// Mirrors that are ended are sent to `ended`.
    pub fn new(
        clock: Clock,
        idle_timeout: Duration,
        budget: MirrorBudget,
        ended: mpsc::UnboundedSender<Arc<Mirror>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            mirrors: Mutex::default(),
            fleet: Arc::new(watch::Sender::new(0)),
            clock,
            idle_timeout,
            budget,
            ended,
        })
    }

    /// Incremented whenever any mirror changes or ends.
    pub fn fleet(&self) -> &Arc<watch::Sender<u64>> {
        &self.fleet
    }

    /// The mirror of an experiment, if it is followed.
    pub fn get(&self, id: &ExperimentId) -> Option<Arc<Mirror>> {
        self.mirrors.lock().get(id).cloned()
    }

    /// The mirror of an experiment, viewed now; `start` makes it if it is not followed.
    pub fn view(&self, id: &ExperimentId, start: impl FnOnce() -> Arc<Mirror>) -> Arc<Mirror> {
        let mut mirrors = self.mirrors.lock();
        let mirror = mirrors.entry(id.clone()).or_insert_with(start);
        // Recorded under the lock, so that the mirror is not ended as idle in between.
        mirror.usage.touch(self.clock.now());
        mirror.clone()
    }

    /// All mirrors, by experiment.
    pub fn all(&self) -> Vec<Arc<Mirror>> {
        let mut mirrors: Vec<_> = self.mirrors.lock().values().cloned().collect();
        mirrors.sort_by(|a, b| a.experiment().cmp(b.experiment()));
        mirrors
    }

    /// Wakes the mirrors of experiments that changed in the registry, and ends those that are idle or over budget.
    pub async fn maintain(
        self: Arc<Self>,
        mut changed: mpsc::UnboundedReceiver<ExperimentId>,
        stopping: CancellationToken,
    ) {
        let interval = self.idle_timeout.max(Duration::from_secs(2)) / 2;
        let mut sweep = tokio::time::interval(interval.min(MAX_SWEEP_INTERVAL));
        let mut fleet = self.fleet.subscribe();
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                Some(id) = changed.recv() => {
                    if let Some(mirror) = self.get(&id) {
                        mirror.wake();
                    }
                }
                // A mirror that grows evicts others at once, not only at the next sweep.
                Ok(()) = fleet.changed() => self.enforce_budget(),
                _ = sweep.tick() => {
                    self.end_idle();
                    self.enforce_budget();
                }
            }
        }
    }

    fn end_idle(&self) {
        let now = self.clock.now();
        let mirrors = self.mirrors.lock();
        let is_idle = |mirror: &&Arc<Mirror>| mirror.usage.is_idle(now, self.idle_timeout);
        let idle = mirrors.values().filter(is_idle);
        let idle: Vec<_> = idle.map(|mirror| mirror.experiment().clone()).collect();
        self.end(mirrors, idle);
    }

    fn enforce_budget(&self) {
        let now = self.clock.now();
        let mirrors = self.mirrors.lock();
        let candidates = mirrors.values().map(|mirror| EvictionCandidate {
            id: mirror.experiment().clone(),
            bytes: mirror.weight() as u64,
            last_viewed: mirror.usage.last_viewed(),
            is_in_use: !mirror.usage.is_idle(now, PAGE_VIEW),
        });
        let evicted = self.budget.evictions(candidates.collect());
        self.end(mirrors, evicted);
    }

    fn end(&self, mut mirrors: MutexGuard<'_, Mirrors>, ids: Vec<ExperimentId>) {
        if ids.is_empty() {
            return;
        }
        for mirror in ids.iter().filter_map(|id| mirrors.remove(id)) {
            mirror.stop();
            // The receiver is closed where no snapshots are saved.
            let _ = self.ended.send(mirror);
        }
        let left = mirrors.len();
        drop(mirrors);
        // Pages that sum up all mirrors draw again, and so follow these again if they are shown.
        self.fleet.send_modify(|fleet| *fleet += 1);
        debug!(
            mirrors = left,
            ended = ids.len(),
            "ended mirrors that were idle or over budget"
        );
    }
}
