use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;

/// A value that one writer replaces and many readers load without waiting, with a revision that they can subscribe to.
#[derive(Debug)]
pub(super) struct Published<V, R> {
    value: ArcSwap<V>,
    revision: watch::Sender<R>,
}

impl<V, R> Published<V, R> {
    pub(super) fn new(value: V, revision: R) -> Self {
        Self {
            value: ArcSwap::from_pointee(value),
            revision: watch::Sender::new(revision),
        }
    }

    pub(super) fn load(&self) -> Arc<V> {
        self.value.load_full()
    }

    /// Follows the revisions. A slow follower skips some; there is no queue.
    pub(super) fn subscribe(&self) -> watch::Receiver<R> {
        self.revision.subscribe()
    }

    /// Replaces the value. The revision is announced afterwards: who is woken by it finds the new value.
    pub(super) fn store(&self, value: V, revision: R) {
        self.value.store(Arc::new(value));
        self.revision.send_replace(revision);
    }

    /// Waits until the value satisfies a condition, at most `limit`. A timeout is no error: the caller looks at the
    /// value and sees.
    pub(super) async fn wait_until(&self, limit: Duration, condition: impl Fn(&V) -> bool) {
        // Most callers find what they want and need no subscription.
        if condition(&self.value.load()) {
            return;
        }
        let mut revision = self.subscribe();
        let satisfied = async { while !condition(&self.load()) && revision.changed().await.is_ok() {} };
        let _ = tokio::time::timeout(limit, satisfied).await;
    }
}
