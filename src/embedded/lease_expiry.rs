//! Announces leases that expire. An expiry is nobody's request, so a task watches for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::storage::{StorageResult, Store};
use super::transition::{self, LeaseSweep};
use super::{Scope, ScopeKey};
use crate::clock::Clock;
use crate::protocol::Timestamp;

/// How long to wait after a fault of the storage.
const RETRY: Duration = Duration::from_secs(1);

/// The watch on the leases of the deployment.
pub(super) struct LeaseExpiry {
    store: Store,
    deployment: Arc<Scope>,
    clock: Clock,
    /// Wakes the watch when a lease was acquired.
    acquired: Notify,
}

impl LeaseExpiry {
    pub(super) fn new(store: Store, deployment: Arc<Scope>, clock: Clock) -> Self {
        Self {
            store,
            deployment,
            clock,
            acquired: Notify::new(),
        }
    }

    /// To be called after a lease was acquired.
    pub(super) fn lease_acquired(&self) {
        self.acquired.notify_one();
    }

    /// Sleeps until the next lease expires, announces that, and so on until it is asked to stop.
    ///
    /// It begins with what expired while the process was down. Nobody can be listening then, but the revision grows,
    /// so that a reader that comes back with an older one is told to list again.
    pub(super) async fn watch(&self, stopping: CancellationToken) {
        loop {
            // A lease acquired from here on leaves a permit, so that its expiry is not missed.
            let acquired = self.acquired.notified();
            let next = match self.announce_expired().await {
                Ok(next) => next,
                Err(fault) => {
                    error!(
                        error = &fault as &dyn std::error::Error,
                        "expired leases cannot be announced"
                    );
                    tokio::select! {
                        () = stopping.cancelled() => return,
                        () = tokio::time::sleep(RETRY) => continue,
                    }
                }
            };
            tokio::select! {
                () = stopping.cancelled() => return,
                () = acquired => {}
                () = self.passes(next) => {}
            }
        }
    }

    async fn passes(&self, instant: Option<Timestamp>) {
        match instant {
            Some(instant) => self.clock.wait_past(instant).await,
            None => std::future::pending().await,
        }
    }

    /// Announces every lease that has expired, and returns when the next one will.
    async fn announce_expired(&self) -> StorageResult<Option<Timestamp>> {
        let mut session = self.store.read(ScopeKey::DEPLOYMENT).await?;
        let sweep = transition::sweep(session.unannounced_leases().await?, self.clock.now());
        drop(session);
        if sweep.expired.is_empty() {
            return Ok(sweep.next_expiry);
        }
        // Read again as the writer: another write may have announced or replaced a lease meanwhile.
        let mut write = self.store.write(ScopeKey::DEPLOYMENT).await?;
        let leases = write.unannounced_leases().await?;
        let LeaseSweep { expired, next_expiry } = transition::sweep(leases, self.clock.now());
        for (experiment, change) in expired {
            write.apply_lease_change(&self.deployment, &experiment, change).await?;
        }
        write.commit().await?;
        Ok(next_expiry)
    }
}
