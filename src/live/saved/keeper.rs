//! Writes what is known to the shelf: what changed, now and then, and all that is new when the process stops.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Shelf;
use crate::live::hub::Live;
use crate::live::mirror::Mirror;
use crate::live::revision::Epoch;
use crate::protocol::{ExperimentId, Timestamp};

/// How often is looked for what changed.
const EVERY: Duration = Duration::from_secs(10);
/// A picture is written at most this share of the time, so that a large one that always changes is no burden.
const SHARE: u32 = 50;
/// A picture that did not change is written again when the process stops if its server was heard so much later than it
/// says, and it is no larger than this many bytes.
const HEARD_LATER: i64 = 1000;
const SMALL: usize = 8 << 20;

/// What was written of an experiment.
struct Written {
    /// The life of the mirror, and its revision.
    revision: (Epoch, u64),
    heard: Timestamp,
    not_before: Instant,
}

/// The only one who writes.
pub(in crate::live) struct Keeper {
    live: Live,
    shelf: Shelf,
    /// Mirrors that are followed no more.
    ended: mpsc::UnboundedReceiver<Arc<Mirror>>,
    experiments: HashMap<ExperimentId, Written>,
    registry: u64,
}

impl Keeper {
    pub(in crate::live) fn new(live: Live, shelf: Shelf, ended: mpsc::UnboundedReceiver<Arc<Mirror>>) -> Self {
        Self {
            live,
            shelf,
            ended,
            experiments: HashMap::new(),
            registry: 0,
        }
    }

    /// Writes until the process stops, and then once more. What was let go of is written when it is, as far as it is new.
    pub(in crate::live) async fn run(mut self, stopping: CancellationToken) {
        let mut every = tokio::time::interval(EVERY);
        loop {
            let ends = tokio::select! {
                biased;
                () = stopping.cancelled() => true,
                Some(mirror) = self.ended.recv() => {
                    self.keep(&mirror, true).await;
                    continue;
                }
                _ = every.tick() => false,
            };
            self.keep_registry().await;
            // Who was looked at last is wanted first, should the time not do for all.
            let mut mirrors = self.live.followed_mirrors();
            mirrors.sort_by_key(|mirror| std::cmp::Reverse(mirror.last_viewed_ms()));
            for mirror in mirrors {
                if !ends && stopping.is_cancelled() {
                    break;
                }
                self.keep(&mirror, ends).await;
            }
            if ends {
                // What was let go of at last, unless it is followed again.
                while let Ok(mirror) = self.ended.try_recv() {
                    if self.live.existing_mirror(mirror.experiment()).is_none() {
                        self.keep(&mirror, true).await;
                    }
                }
                return;
            }
        }
    }

    async fn keep_registry(&mut self) {
        let registry = self.live.peek_registry();
        let view = registry.view();
        // Of an outage, or before the first list, what the shelf has is as good.
        if view.revision == self.registry || !view.freshness.is_current() {
            return;
        }
        self.registry = view.revision;
        let rows = view.rows.values().map(AsRef::as_ref);
        self.shelf.keep_registry(rows, registry.last_heard()).await;
        self.shelf.keep_only(view.rows.keys().cloned().collect()).await;
    }

    async fn keep(&mut self, mirror: &Mirror, ends: bool) {
        let view = mirror.view();
        let (id, heard) = (mirror.experiment(), mirror.last_heard());
        let revision = (mirror.epoch(), view.revisions.of_data());
        let Some(snapshot) = view.snapshot() else { return };
        let is_due = match self.experiments.get(id) {
            Some(written) if written.revision == revision => {
                let later = heard.as_millisecond() - written.heard.as_millisecond();
                ends && later > HEARD_LATER && snapshot.weight() < SMALL
            }
            Some(written) => ends || Instant::now() >= written.not_before,
            // It came from the shelf and nothing was heard since.
            None => view.freshness.is_current() || mirror.follow_stats().lists() > 0,
        };
        if !is_due {
            return;
        }
        let began = Instant::now();
        self.shelf.keep_experiment(id, snapshot.clone(), heard).await;
        let written = Written {
            revision,
            heard,
            not_before: Instant::now() + began.elapsed() * SHARE,
        };
        self.experiments.insert(id.clone(), written);
    }
}
