use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of what following an experiment took. They only grow, and start at zero with the mirror.
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

    /// Full lists of the experiment.
    pub fn lists(&self) -> u64 {
        self.lists.load(Ordering::Relaxed)
    }

    /// Times that the feed broke. Failed retries do not count again.
    pub fn breaks(&self) -> u64 {
        self.breaks.load(Ordering::Relaxed)
    }

    pub(super) fn add_events(&self, events: usize) {
        self.events.fetch_add(events as u64, Ordering::Relaxed);
    }

    pub(super) fn add_list(&self) {
        self.lists.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_break(&self) {
        self.breaks.fetch_add(1, Ordering::Relaxed);
    }
}
