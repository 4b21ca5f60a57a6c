//! The deployment's registry of experiments, as readers see it. `registry_feed` fills it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use imbl::OrdMap;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::freshness::Freshness;
use super::unavailability::{Unavailability, UnavailabilityKind};
use crate::access::CredentialState;
use crate::clock::Clock;
use crate::protocol::{Experiment, ExperimentId, ExperimentState, RegistryEntry, Timestamp};

/// Whether the task store has a registered experiment.
#[derive(Debug, Clone, PartialEq)]
pub enum Hosting {
    /// It has; this is its object as of the last look.
    Hosted(Box<Experiment>),
    /// It has not: the experiment is registered and waits to be seeded.
    NotHosted,
    /// It hosts others, or there is no address for this one.
    Elsewhere,
    /// The task store could not be asked.
    Unknown(Unavailability),
}

/// An experiment of the deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct RegistryRow {
    /// Its id.
    pub id: ExperimentId,
    /// What the control plane says; nothing of the default experiment when it is not registered.
    pub entry: Option<RegistryEntry>,
    /// What the task store says.
    pub hosting: Hosting,
    /// Whether the console has a credential for it.
    pub credential: CredentialState,
    /// Whether its configuration is known, or why not, in words.
    pub config: Result<(), String>,
    /// Whether the task store tells it, once that is known.
    pub(super) tells_config: Option<bool>,
    /// Whether the task store was asked.
    pub(super) is_asked: bool,
}

impl RegistryRow {
    /// An experiment that the control plane does not tell of.
    pub fn unregistered(id: ExperimentId, hosting: Hosting, credential: CredentialState) -> Self {
        Self {
            id,
            entry: None,
            hosting,
            credential,
            config: Ok(()),
            tells_config: None,
            is_asked: true,
        }
    }

    /// An experiment whose task store is still to be asked.
    pub(super) fn unasked(id: ExperimentId, entry: Option<RegistryEntry>, credential: CredentialState) -> Self {
        let cause = Unavailability {
            kind: UnavailabilityKind::NotYetContacted,
            message: "the task store has not been asked yet".to_owned(),
        };
        Self {
            id,
            entry,
            hosting: Hosting::Unknown(cause),
            credential,
            config: Ok(()),
            tells_config: None,
            is_asked: false,
        }
    }

    /// An experiment of an earlier life. Its task store is asked again; until it has answered, nobody waits for it.
    pub(super) fn kept(
        id: ExperimentId,
        entry: Option<RegistryEntry>,
        hosted: Option<Experiment>,
        credential: CredentialState,
    ) -> Self {
        let unasked = Self::unasked(id, entry, credential);
        Self {
            hosting: hosted.map_or(unasked.hosting, |experiment| Hosting::Hosted(Box::new(experiment))),
            is_asked: true,
            ..unasked
        }
    }

    /// What people call it.
    pub fn name(&self) -> Option<&str> {
        self.entry.as_ref()?.name.as_ref().map(|name| name.as_str())
    }

    /// The state, from the experiment itself where possible: the control plane's copy lags.
    pub fn state(&self) -> Option<ExperimentState> {
        match &self.hosting {
            Hosting::Hosted(experiment) => Some(experiment.state),
            Hosting::NotHosted | Hosting::Elsewhere => None,
            Hosting::Unknown(_) => Some(self.entry.as_ref()?.last_known_state),
        }
    }
}

/// What a reader sees of the registry; possibly old, see [`RegistryView::freshness`].
#[derive(Debug, Clone)]
pub struct RegistryView {
    /// Whether the first list has arrived.
    pub listed: bool,
    /// The experiments, by id, which is the order of registration.
    pub rows: OrdMap<ExperimentId, Arc<RegistryRow>>,
    /// How far it can be trusted.
    pub freshness: Freshness,
    /// Grows with each change.
    pub revision: u64,
}

/// The readers' side of the registry.
#[derive(Debug)]
pub struct Registry {
    view: ArcSwap<RegistryView>,
    revision: watch::Sender<u64>,
    begun: Instant,
    heard: AtomicI64,
    viewed: AtomicI64,
    viewers: AtomicUsize,
    looked: Notify,
}

impl Registry {
    pub(super) fn new(clock: &Clock) -> Arc<Self> {
        Arc::new(Self {
            view: ArcSwap::from_pointee(RegistryView {
                listed: false,
                rows: OrdMap::new(),
                freshness: Freshness::CatchingUp,
                revision: 0,
            }),
            revision: watch::Sender::new(0),
            begun: Instant::now(),
            heard: AtomicI64::new(clock.now().as_millisecond()),
            viewed: AtomicI64::new(clock.now().as_millisecond()),
            viewers: AtomicUsize::new(0),
            looked: Notify::new(),
        })
    }

    /// What is known now. Never waits.
    pub fn view(&self) -> Arc<RegistryView> {
        self.view.load_full()
    }

    /// Follows the revision.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Waits until the list is of now, or until it is known that it cannot be, at most `limit`; and a moment longer for
    /// the task stores, most of which answer at once.
    pub async fn wait_until_settled(&self, limit: Duration) -> Arc<RegistryView> {
        const STORES: Duration = Duration::from_millis(500);
        self.looked.notify_one();
        self.wait_until(limit, |view| view.freshness != Freshness::CatchingUp)
            .await;
        // What an earlier life left is shown as it is once the feed has had its moment: it may be silent for long.
        let moment = STORES.saturating_sub(self.begun.elapsed());
        if !moment.is_zero() {
            self.wait_until(moment, |view| view.freshness.is_settled()).await;
        }
        self.wait_until(STORES, |view| view.rows.values().all(|row| row.is_asked))
            .await;
        self.view()
    }

    /// Waits until the view is as wanted, at most `limit`; whether it is, the caller sees.
    pub async fn wait_until(&self, limit: Duration, wanted: impl Fn(&RegistryView) -> bool) {
        // Most find what they want, and need not be told when it comes.
        if wanted(&self.view.load()) {
            return;
        }
        let mut revision = self.subscribe();
        let wait = async { while !wanted(&self.view()) && revision.changed().await.is_ok() {} };
        let _ = tokio::time::timeout(limit, wait).await;
    }

    /// Keeps the registry read for as long as the guard lives, where it has to be asked for.
    pub fn viewer(self: &Arc<Self>) -> RegistryViewer {
        self.viewers.fetch_add(1, Ordering::Relaxed);
        self.looked.notify_one();
        RegistryViewer(self.clone())
    }

    pub(super) fn touch(&self, clock: &Clock) {
        self.viewed.store(clock.now().as_millisecond(), Ordering::Relaxed);
    }

    /// Whether anybody looks, or did within `spell`.
    pub(super) fn is_watched(&self, clock: &Clock, spell: Duration) -> bool {
        let silent = clock.now().as_millisecond() - self.viewed.load(Ordering::Relaxed);
        self.viewers.load(Ordering::Relaxed) > 0 || silent <= i64::try_from(spell.as_millis()).unwrap_or(i64::MAX)
    }

    /// Waits for somebody to look.
    pub(super) async fn looked_at(&self) {
        self.looked.notified().await;
    }

    pub(super) fn heard_at(&self, at: Timestamp) {
        self.heard.store(at.as_millisecond(), Ordering::Relaxed);
    }

    pub(super) fn heard(&self, clock: &Clock) {
        self.heard.store(clock.now().as_millisecond(), Ordering::Relaxed);
    }

    /// When the control plane was last heard.
    pub fn last_heard(&self) -> Timestamp {
        Timestamp::from_millisecond(self.heard.load(Ordering::Relaxed))
    }

    /// Swaps in a new view. Only the feed does, and there is one.
    pub(super) fn set(&self, change: impl FnOnce(RegistryView) -> RegistryView) {
        let held = self.view();
        let mut view = change(RegistryView::clone(&held));
        view.revision = held.revision + 1;
        let revision = view.revision;
        self.view.store(Arc::new(view));
        self.revision.send_replace(revision);
    }
}

/// Somebody looks at the registry; dropping it says they left.
#[derive(Debug)]
pub struct RegistryViewer(Arc<Registry>);

impl Drop for RegistryViewer {
    fn drop(&mut self) {
        self.0.viewers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_server_that_says_nothing_is_waited_for_once_and_not_by_every_page() {
        let clock = Clock::default();
        let registry = Registry::new(&clock);
        registry.set(|view| RegistryView {
            listed: true,
            freshness: Freshness::Stale {
                since: clock.now(),
                cause: Unavailability {
                    kind: UnavailabilityKind::NotYetContacted,
                    message: "it has not been heard".to_owned(),
                },
            },
            ..view
        });
        let limit = Duration::from_secs(3600);
        assert!(registry.wait_until_settled(limit).now_or_never().is_none());
        registry.wait_until_settled(limit).await;
        assert!(registry.wait_until_settled(limit).now_or_never().is_some());
    }
}
