use std::sync::Arc;
use std::time::Duration;

use imbl::OrdMap;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::row::RegistryRow;
use crate::live::atomic_timestamp::AtomicTimestamp;
use crate::live::freshness::Freshness;
use crate::live::published::Published;
use crate::live::usage::{Usage, Viewer};
use crate::protocol::{ExperimentId, Timestamp};

/// What a reader sees of the registry. It may be stale, see [`RegistryView::freshness`].
#[derive(Debug, Clone)]
pub struct RegistryView {
    /// Whether the first list has arrived.
    pub listed: bool,
    /// The experiments, by id, which is the order of registration.
    pub rows: OrdMap<ExperimentId, Arc<RegistryRow>>,
    /// How current it is.
    pub freshness: Freshness,
    /// Grows with each change.
    pub revision: u64,
}

/// The readers' side of the registry.
#[derive(Debug)]
pub struct Registry {
    view: Published<RegistryView, u64>,
    started: Instant,
    last_heard: AtomicTimestamp,
    pub(in crate::live) usage: Arc<Usage>,
    /// Wakes the feed when somebody views the registry.
    viewed: Notify,
}

impl Registry {
    pub(in crate::live) fn new(now: Timestamp) -> Arc<Self> {
        let view = RegistryView {
            listed: false,
            rows: OrdMap::new(),
            freshness: Freshness::CatchingUp,
            revision: 0,
        };
        Arc::new(Self {
            view: Published::new(view, 0),
            started: Instant::now(),
            last_heard: AtomicTimestamp::new(now),
            usage: Usage::new(now),
            viewed: Notify::new(),
        })
    }

    /// The present view. Never waits.
    pub fn view(&self) -> Arc<RegistryView> {
        self.view.load()
    }

    /// Follows the revision.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.view.subscribe()
    }

    /// Waits until the list is current, or it is known that it cannot be, at most `limit`; and a moment longer for the
    /// task stores, most of which answer at once.
    pub async fn wait_until_settled(&self, limit: Duration) -> Arc<RegistryView> {
        const STORES_LIMIT: Duration = Duration::from_millis(500);
        self.viewed.notify_one();
        self.wait_until(limit, |view| view.freshness != Freshness::CatchingUp)
            .await;
        // A view from disk is shown as it is once the feed had its chance after the start: the server may stay silent.
        let left = STORES_LIMIT.saturating_sub(self.started.elapsed());
        if !left.is_zero() {
            self.wait_until(left, |view| view.freshness.is_settled()).await;
        }
        self.wait_until(STORES_LIMIT, |view| view.rows.values().all(|row| row.was_probed))
            .await;
        self.view()
    }

    /// Waits until the view satisfies a condition, at most `limit`. A timeout is no error: the caller looks at the view
    /// and sees.
    pub async fn wait_until(&self, limit: Duration, condition: impl Fn(&RegistryView) -> bool) {
        self.view.wait_until(limit, condition).await;
    }

    /// Keeps the registry polled for as long as the guard lives, if the control plane does not push.
    pub fn viewer(&self) -> Viewer {
        let viewer = self.usage.viewer();
        self.viewed.notify_one();
        viewer
    }

    /// Waits for somebody to view the registry.
    pub(super) async fn viewed(&self) {
        self.viewed.notified().await;
    }

    /// Records that the control plane answered.
    pub(super) fn set_last_heard(&self, at: Timestamp) {
        self.last_heard.set(at);
    }

    /// When the control plane last answered.
    pub fn last_heard(&self) -> Timestamp {
        self.last_heard.get()
    }

    /// Publishes a new view. Only the feed does, and there is one.
    pub(super) fn update(&self, change: impl FnOnce(RegistryView) -> RegistryView) {
        let held = self.view();
        let revision = held.revision + 1;
        let view = RegistryView {
            revision,
            ..change(RegistryView::clone(&held))
        };
        self.view.store(view, revision);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::clock::Clock;
    use crate::live::unavailability::{Server, Unavailability};

    #[tokio::test]
    async fn only_the_first_page_waits_for_a_silent_server() {
        let clock = Clock::default();
        let registry = Registry::new(clock.now());
        registry.update(|view| RegistryView {
            listed: true,
            freshness: Freshness::Stale {
                since: clock.now(),
                cause: Unavailability::not_yet_contacted(Server::ControlPlane),
            },
            ..view
        });
        let limit = Duration::from_secs(3600);
        assert!(registry.wait_until_settled(limit).now_or_never().is_none());
        registry.wait_until_settled(limit).await;
        assert!(registry.wait_until_settled(limit).now_or_never().is_some());
    }
}
