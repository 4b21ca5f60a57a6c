//! Tells the readers of the control plane's stream when a lease expires, which nobody's request does.

use std::sync::Arc;
use std::time::Duration;

use tracing::error;

use super::Inner;
use super::storage::{ScopeKey, StorageError};
use super::transition::{self, Reckoning};
use crate::protocol::Timestamp;

/// How long to wait after a fault of the storage.
const RETRY: Duration = Duration::from_secs(1);

/// Sleeps until the next lease expires, tells, and so on until the tasks are asked to stop.
///
/// What expired while the process was down is told first. Nobody can be listening then, but the revision grows, so
/// that a reader who comes back with an older one is told to list again.
pub(super) async fn watch(inner: Arc<Inner>) {
    let stopping = inner.tasks.stopping();
    loop {
        // A lease acquired from here on leaves a permit, so that none is slept over.
        let changed = inner.leases_changed.notified();
        let next = match tell(&inner).await {
            Ok(next) => next,
            Err(fault) => {
                error!(
                    error = &fault as &dyn std::error::Error,
                    "expired leases cannot be told"
                );
                tokio::select! {
                    () = stopping.cancelled() => return,
                    () = tokio::time::sleep(RETRY) => continue,
                }
            }
        };
        tokio::select! {
            () = stopping.cancelled() => return,
            () = changed => {}
            () = passed(&inner, next) => {}
        }
    }
}

async fn passed(inner: &Inner, instant: Option<Timestamp>) {
    match instant {
        Some(instant) => inner.clock.wait_past(instant).await,
        None => std::future::pending().await,
    }
}

/// Tells of every lease that has expired, and returns when the next will.
async fn tell(inner: &Inner) -> Result<Option<Timestamp>, StorageError> {
    let kept = inner.store.read(ScopeKey::DEPLOYMENT).await?.leases_not_over().await?;
    let Reckoning { over, next } = transition::reckon(kept, inner.clock.now());
    if over.is_empty() {
        return Ok(next);
    }
    // Looked at again in the writer's turn: what was read may have been told or replaced meanwhile.
    let mut write = inner.store.write(ScopeKey::DEPLOYMENT).await?;
    let kept = write.leases_not_over().await?;
    let Reckoning { over, next } = transition::reckon(kept, inner.clock.now());
    for (experiment, change) in over {
        write.change_lease(&inner.hub.deployment, &experiment, change).await?;
    }
    write.commit(&inner.hub).await?;
    Ok(next)
}
