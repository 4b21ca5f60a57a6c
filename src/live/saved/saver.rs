//! Saves what changed at intervals, and everything that is new when the process stops.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::store::SnapshotStore;
use crate::live::mirror::Mirror;
use crate::live::mirror_set::MirrorSet;
use crate::live::registry::Registry;
use crate::live::revision::Epoch;
use crate::protocol::{ExperimentId, Timestamp};

/// The interval between searches for changes.
const INTERVAL: Duration = Duration::from_secs(10);
/// After a save, a snapshot waits this many times as long as the save took. So a large one that always changes takes at
/// most 2 % of the time.
const WAIT_PER_SAVE: u32 = 50;
/// At the end of the process an unchanged snapshot is saved again if its server was heard at least this much later (in
/// milliseconds) than the file says, and it is smaller than this many bytes.
const MIN_HEARD_LATER: i64 = 1000;
const MAX_RESAVED_BYTES: usize = 8 << 20;

/// What was saved of an experiment.
struct Saved {
    revision: (Epoch, u64),
    heard: Timestamp,
    not_before: Instant,
}

/// The only writer of a [`SnapshotStore`].
pub(in crate::live) struct SnapshotSaver {
    mirrors: Arc<MirrorSet>,
    registry: Arc<Registry>,
    store: SnapshotStore,
    /// Mirrors that are no longer followed.
    ended: mpsc::UnboundedReceiver<Arc<Mirror>>,
    saved: HashMap<ExperimentId, Saved>,
    saved_registry_revision: u64,
    registry_not_before: Instant,
}

impl SnapshotSaver {
    pub(in crate::live) fn new(
        mirrors: Arc<MirrorSet>,
        registry: Arc<Registry>,
        store: SnapshotStore,
        ended: mpsc::UnboundedReceiver<Arc<Mirror>>,
    ) -> Self {
        Self {
            mirrors,
            registry,
            store,
            ended,
            saved: HashMap::new(),
            saved_registry_revision: 0,
            registry_not_before: Instant::now(),
        }
    }

    /// Saves until the process stops, and then once more. A mirror that ends is saved when it does.
    pub(in crate::live) async fn run(mut self, stopping: CancellationToken) {
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            let is_last = tokio::select! {
                biased;
                () = stopping.cancelled() => true,
                Some(mirror) = self.ended.recv() => {
                    self.save(&mirror, true).await;
                    continue;
                }
                _ = interval.tick() => false,
            };
            self.save_registry(is_last).await;
            // The most recently viewed first, in case the time at the end does not suffice for all.
            let mut mirrors = self.mirrors.all();
            mirrors.sort_by_key(|mirror| std::cmp::Reverse(mirror.usage.last_viewed()));
            for mirror in mirrors {
                if !is_last && stopping.is_cancelled() {
                    break;
                }
                self.save(&mirror, is_last).await;
            }
            if is_last {
                // Mirrors that ended just before, unless they are followed again.
                while let Ok(mirror) = self.ended.try_recv() {
                    if self.mirrors.get(mirror.experiment()).is_none() {
                        self.save(&mirror, true).await;
                    }
                }
                return;
            }
        }
    }

    async fn save_registry(&mut self, is_last: bool) {
        let view = self.registry.view();
        // During an outage, or before the first list, the file is as good.
        let is_due = is_last || Instant::now() >= self.registry_not_before;
        if view.revision == self.saved_registry_revision || !view.freshness.is_current() || !is_due {
            return;
        }
        let start = Instant::now();
        self.saved_registry_revision = view.revision;
        let rows = view.rows.values().map(AsRef::as_ref);
        self.store.save_registry(rows, self.registry.last_heard()).await;
        self.store.retain(view.rows.keys().cloned().collect()).await;
        self.registry_not_before = Instant::now() + start.elapsed() * WAIT_PER_SAVE;
    }

    async fn save(&mut self, mirror: &Mirror, is_last: bool) {
        let view = mirror.view();
        let (id, heard) = (mirror.experiment(), mirror.last_heard());
        let revision = (mirror.epoch(), view.revisions.of_data());
        let Some(snapshot) = view.snapshot() else { return };
        let is_due = match self.saved.get(id) {
            Some(saved) if saved.revision == revision => {
                let later = heard.as_millisecond() - saved.heard.as_millisecond();
                is_last && later > MIN_HEARD_LATER && snapshot.weight() < MAX_RESAVED_BYTES
            }
            Some(saved) => is_last || Instant::now() >= saved.not_before,
            // Without either it was restored from the store, and nothing was heard since.
            None => view.freshness.is_current() || mirror.follow_stats().lists() > 0,
        };
        if !is_due {
            return;
        }
        let start = Instant::now();
        self.store.save_experiment(id, snapshot.clone(), heard).await;
        let saved = Saved {
            revision,
            heard,
            not_before: Instant::now() + start.elapsed() * WAIT_PER_SAVE,
        };
        self.saved.insert(id.clone(), saved);
    }
}
