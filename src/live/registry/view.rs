use std::ops::Bound;
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
    /// How many of the experiments have a task store that has not been probed yet.
    pub(crate) unprobed: usize,
}

impl RegistryView {
    /// A registry that has not been listed.
    pub fn new(freshness: Freshness) -> Self {
        Self {
            listed: false,
            rows: OrdMap::new(),
            freshness,
            revision: 0,
            unprobed: 0,
        }
    }

    /// Puts a row in place of the one with its id.
    pub(in crate::live) fn insert(&mut self, row: RegistryRow) {
        self.remove(&row.id);
        self.unprobed += usize::from(!row.was_probed);
        self.rows.insert(row.id.clone(), Arc::new(row));
    }

    /// Removes the row of an experiment.
    pub(super) fn remove(&mut self, id: &ExperimentId) {
        if let Some(removed) = self.rows.remove(id) {
            self.unprobed -= usize::from(!removed.was_probed);
        }
    }

    /// At most `limit` experiments, newest first, of those registered before `end`.
    pub(super) fn newest_before(&self, end: Option<&ExperimentId>, limit: usize) -> Vec<Arc<RegistryRow>> {
        let end = end.map_or(Bound::Unbounded, Bound::Excluded);
        let before = self.rows.range::<_, ExperimentId>((Bound::Unbounded, end)).rev();
        before.take(limit).map(|(_, row)| row.clone()).collect()
    }

    /// Replaces all rows by those of a list.
    pub(super) fn set_listed(&mut self, rows: OrdMap<ExperimentId, Arc<RegistryRow>>) {
        self.listed = true;
        self.unprobed = rows.values().filter(|row| !row.was_probed).count();
        self.rows = rows;
    }
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
        let view = RegistryView::new(Freshness::CatchingUp);
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
    /// task stores, most of which answer at once. After the first list of a large deployment there are too many of them
    /// to wait for.
    pub async fn wait_until_settled(&self, limit: Duration) -> Arc<RegistryView> {
        const STORES_LIMIT: Duration = Duration::from_millis(500);
        const MAX_STORES: usize = 64;
        self.viewed.notify_one();
        self.wait_until(limit, |view| view.freshness != Freshness::CatchingUp)
            .await;
        // A view from disk is shown as it is once the feed had its chance after the start: the server may stay silent.
        let left = STORES_LIMIT.saturating_sub(self.started.elapsed());
        if !left.is_zero() {
            self.wait_until(left, |view| view.freshness.is_settled()).await;
        }
        let is_probed = |view: &RegistryView| view.unprobed == 0 || view.unprobed > MAX_STORES;
        self.wait_until(STORES_LIMIT, is_probed).await;
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
    use crate::access::CredentialState;
    use crate::clock::Clock;
    use crate::live::registry::Hosting;
    use crate::live::unavailability::{Server, Unavailability};

    fn row(n: usize) -> RegistryRow {
        let id = format!("exp_{n:026}").parse().expect("an id");
        RegistryRow::unregistered(id, Hosting::NotHosted, CredentialState::Stored)
    }

    #[test]
    fn the_next_experiments_are_those_before_the_last_ones() {
        let mut view = RegistryView::new(Freshness::CatchingUp);
        (0..5).for_each(|n| view.insert(row(n)));
        let ids = |end: Option<usize>| {
            let end = end.map(|n| row(n).id);
            let rows = view.newest_before(end.as_ref(), 2);
            rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(ids(None), [row(4).id, row(3).id]);
        assert_eq!(ids(Some(3)), [row(2).id, row(1).id]);
        assert_eq!(ids(Some(1)), [row(0).id]);
    }

    #[test]
    fn the_task_stores_that_were_not_probed_are_counted() {
        let mut view = RegistryView::new(Freshness::CatchingUp);
        let unprobed = |n| RegistryRow::unprobed(row(n).id, None, CredentialState::Stored);
        for row in [unprobed(0), unprobed(1), row(2), unprobed(3), row(1), unprobed(0)] {
            view.insert(row);
        }
        assert_eq!(view.unprobed, 2);
        view.remove(&row(0).id);
        view.remove(&row(0).id);
        assert_eq!(view.unprobed, 1);
        view.set_listed(OrdMap::from_iter([(row(0).id, Arc::new(unprobed(0)))]));
        assert_eq!(view.unprobed, 1);
    }

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
