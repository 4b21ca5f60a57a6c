//! The deployment's registry of experiments: the same list, then watch, one level up.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::{StreamExt, stream};
use imbl::OrdMap;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::backoff::Backoff;
use super::follow::{chain, in_words};
use super::freshness::Freshness;
use crate::client::{Client, ClientError, PushEvent};
use crate::clock::Clock;
use crate::protocol::{Experiment, ExperimentId, ExperimentState, RegistryEntry, Timestamp};

/// Whether the task store has a registered experiment.
#[derive(Debug, Clone, PartialEq)]
pub enum Hosting {
    /// It has; this is its object as of the last look.
    Hosted(Box<Experiment>),
    /// It has not: the experiment is registered and waits to be seeded.
    NotHosted,
    /// The task store could not be asked.
    Unknown,
}

/// An experiment of the registry.
#[derive(Debug, Clone, PartialEq)]
pub struct RegistryRow {
    /// What the control plane says.
    pub entry: RegistryEntry,
    /// What the task store says.
    pub hosting: Hosting,
}

impl RegistryRow {
    /// What people call it.
    pub fn name(&self) -> Option<&str> {
        self.entry.name.as_ref().map(|name| name.as_str())
    }

    /// The state, from the experiment itself where possible: the control plane's copy lags.
    pub fn state(&self) -> Option<ExperimentState> {
        match &self.hosting {
            Hosting::Hosted(experiment) => Some(experiment.state),
            Hosting::NotHosted => None,
            Hosting::Unknown => Some(self.entry.last_known_state),
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
    heard: AtomicI64,
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
            heard: AtomicI64::new(clock.now().instant().as_millisecond()),
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

    /// Waits for the first list, at most `limit`.
    pub async fn settled(&self, limit: Duration) -> Arc<RegistryView> {
        let mut revision = self.subscribe();
        let wait = async {
            loop {
                let view = self.view();
                if view.listed || matches!(view.freshness, Freshness::Stale { .. }) || revision.changed().await.is_err()
                {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(limit, wait).await;
        self.view()
    }

    fn last_heard(&self) -> Timestamp {
        let millis = self.heard.load(Ordering::Relaxed);
        jiff::Timestamp::from_millisecond(millis)
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
            .into()
    }
}

/// The only one who changes the registry.
pub(super) struct RegistryWriter {
    registry: Arc<Registry>,
    client: Client,
    clock: Clock,
    /// Ids whose mirrors should look again.
    changed: mpsc::UnboundedSender<ExperimentId>,
}

impl RegistryWriter {
    pub(super) fn new(
        registry: Arc<Registry>,
        client: Client,
        clock: Clock,
        changed: mpsc::UnboundedSender<ExperimentId>,
    ) -> Self {
        Self {
            registry,
            client,
            clock,
            changed,
        }
    }

    /// Follows the control plane until told to stop.
    pub(super) async fn follow(self, retry_cap: Duration, stopping: CancellationToken) {
        let mut backoff = Backoff::new(retry_cap);
        loop {
            let started = Instant::now();
            let error = tokio::select! {
                () = stopping.cancelled() => return,
                error = self.attempt() => error,
            };
            let view = self.registry.view();
            if !matches!(view.freshness, Freshness::Stale { .. }) {
                warn!(error = %chain(&error), "the registry's feed broke; showing what is known");
            }
            let reason = in_words(&error).replace("task store", "control plane");
            self.freshness(Freshness::Stale {
                since: self.registry.last_heard(),
                reason,
            });
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(backoff.next(started.elapsed())) => {}
            }
        }
    }

    async fn attempt(&self) -> ClientError {
        match self.watch().await {
            Ok(()) => ClientError::Stream("the server closed it".into()),
            Err(error) => error,
        }
    }

    async fn watch(&self) -> Result<(), ClientError> {
        // Watching first: what changes while the list is read is told afterwards and read again.
        let mut stream = self.client.control().watch().await?;
        let mut listed = false;
        while let Some(item) = stream.next().await {
            let item = item?;
            self.heard();
            match item {
                PushEvent::Connected | PushEvent::Resync => {
                    self.list().await?;
                    listed = true;
                    self.freshness(Freshness::Live);
                }
                PushEvent::Signalled(notice) if listed => self.refresh(&notice.id).await?,
                PushEvent::Heartbeat if listed => self.ask_again().await?,
                PushEvent::Signalled(_) | PushEvent::Heartbeat | PushEvent::Logged { .. } => {}
            }
        }
        Ok(())
    }

    async fn list(&self) -> Result<(), ClientError> {
        let entries = self.client.control().experiments().await?;
        let rows = stream::iter(entries.into_iter().map(|entry| self.with_hosting(entry)))
            .buffer_unordered(8)
            .map(|row| (row.entry.experiment_id.clone(), Arc::new(row)))
            .collect()
            .await;
        self.set(|view| RegistryView {
            listed: true,
            rows,
            ..view
        });
        Ok(())
    }

    /// Reads one entry again, with its lease. Notices about workers and groups carry other ids and find nothing.
    async fn refresh(&self, id: &str) -> Result<(), ClientError> {
        let Ok(id) = id.parse::<ExperimentId>() else {
            return Ok(());
        };
        let row = match self.client.control().experiment(&id).await {
            Ok(entry) => Some(Arc::new(self.with_hosting(entry).await)),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        if self.registry.view().rows.get(&id) != row.as_ref() {
            self.set(|mut view| {
                match row {
                    Some(row) => view.rows.insert(id.clone(), row),
                    None => view.rows.remove(&id),
                };
                view
            });
        }
        // A receiver that is gone means the process is stopping.
        let _ = self.changed.send(id);
        Ok(())
    }

    /// Looks again at what the task store could not be asked about.
    async fn ask_again(&self) -> Result<(), ClientError> {
        let view = self.registry.view();
        for (id, _) in view.rows.iter().filter(|(_, row)| row.hosting == Hosting::Unknown) {
            self.refresh(id.as_str()).await?;
        }
        Ok(())
    }

    async fn with_hosting(&self, entry: RegistryEntry) -> RegistryRow {
        let hosting = match self.client.experiment(&entry.experiment_id).read().await {
            Ok(experiment) => Hosting::Hosted(Box::new(experiment)),
            Err(error) if error.is_not_found() => Hosting::NotHosted,
            Err(_) => Hosting::Unknown,
        };
        RegistryRow { entry, hosting }
    }

    fn heard(&self) {
        self.registry
            .heard
            .store(self.clock.now().instant().as_millisecond(), Ordering::Relaxed);
    }

    fn freshness(&self, freshness: Freshness) {
        if self.registry.view().freshness != freshness {
            self.set(|view| RegistryView { freshness, ..view });
        }
    }

    fn set(&self, change: impl FnOnce(RegistryView) -> RegistryView) {
        let held = self.registry.view();
        let mut view = change(RegistryView::clone(&held));
        view.revision = held.revision + 1;
        let revision = view.revision;
        self.registry.view.store(Arc::new(view));
        self.registry.revision.send_replace(revision);
    }
}
