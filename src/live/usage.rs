//! Whether anybody uses a mirror or the registry.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::atomic_timestamp::AtomicTimestamp;
use crate::protocol::Timestamp;

/// When something was last viewed, and how many viewers hold it open.
#[derive(Debug)]
pub(super) struct Usage {
    last_viewed: AtomicTimestamp,
    viewers: AtomicUsize,
}

impl Usage {
    pub(super) fn new(now: Timestamp) -> Arc<Self> {
        Arc::new(Self {
            last_viewed: AtomicTimestamp::new(now),
            viewers: AtomicUsize::new(0),
        })
    }

    /// Records a view.
    pub(super) fn touch(&self, now: Timestamp) {
        self.last_viewed.set(now);
    }

    pub(super) fn last_viewed(&self) -> Timestamp {
        self.last_viewed.get()
    }

    /// Adds a viewer for as long as the guard lives.
    pub(super) fn viewer(self: &Arc<Self>) -> Viewer {
        self.viewers.fetch_add(1, Ordering::Relaxed);
        Viewer(self.clone())
    }

    pub(super) fn viewers(&self) -> usize {
        self.viewers.load(Ordering::Relaxed)
    }

    /// Whether there is no viewer, and the last view is longer ago than `timeout`.
    pub(super) fn is_idle(&self, now: Timestamp, timeout: Duration) -> bool {
        let since_view = now.as_millisecond() - self.last_viewed().as_millisecond();
        self.viewers() == 0 && since_view > i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX)
    }
}

/// Keeps a mirror or the registry in use until it is dropped.
#[derive(Debug)]
pub struct Viewer(Arc<Usage>);

impl Drop for Viewer {
    fn drop(&mut self) {
        self.0.viewers.fetch_sub(1, Ordering::Relaxed);
    }
}
