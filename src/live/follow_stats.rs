use std::sync::atomic::{AtomicU64, Ordering};

/// What a follower has done so far. Numbers only grow, and begin anew with the mirror.
#[derive(Debug, Default)]
pub struct FollowStats {
    events: AtomicU64,
    lists: AtomicU64,
    breaks: AtomicU64,
}

impl FollowStats {
    /// Events of the log that were applied.
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Times that everything was listed.
    pub fn lists(&self) -> u64 {
        self.lists.load(Ordering::Relaxed)
    }

    /// Times that the feed broke, each counted once however often it was tried again.
    pub fn breaks(&self) -> u64 {
        self.breaks.load(Ordering::Relaxed)
    }

    pub(super) fn applied(&self, events: usize) {
        self.events.fetch_add(events as u64, Ordering::Relaxed);
    }

    pub(super) fn listed(&self) {
        self.lists.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn broke(&self) {
        self.breaks.fetch_add(1, Ordering::Relaxed);
    }
}
