//! Keeps the registry true: list, then watch by push; where the control plane does not push, one list every so often
//! while anybody looks; and without a control plane the one experiment that there is.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use imbl::OrdMap;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::admins::Admins;
use super::backoff::Backoff;
use super::feed;
use super::follow::chain;
use super::freshness::Freshness;
use super::registry::{Hosting, Registry, RegistryRow, RegistryView};
use super::trouble::{Server, Trouble};
use crate::access::{Scope, StoreFactory};
use crate::client::{ClientError, ControlClient, PushEvent, PushStream};
use crate::clock::Clock;
use crate::configs::ConfigSource;
use crate::protocol::{ExperimentId, RegistryEntry};

/// Task stores asked at the same time.
const PARALLEL_PROBES: usize = 8;
/// How long the registry waits for a task store to say what it hosts.
const PROBE: Duration = Duration::from_secs(2);
/// How long the list is kept fresh after the last look, where it has to be asked for.
const SPELL: Duration = Duration::from_secs(30);
/// Every so many lists, task stores are asked again that did not have an experiment, or did not answer.
const ASK_AGAIN: u32 = 3;

/// The only one who changes the registry.
pub(super) struct RegistryFeed {
    pub registry: Arc<Registry>,
    /// Told what becomes of the deployment's workers and groups.
    pub admins: Arc<Admins>,
    pub stores: StoreFactory,
    pub configs: ConfigSource,
    pub clock: Clock,
    /// How often the list is read where the control plane does not push.
    pub every: Duration,
    /// The longest wait before a broken feed is tried again.
    pub retry_cap: Duration,
    /// Ids whose mirrors should look again.
    pub changed: mpsc::UnboundedSender<ExperimentId>,
    /// Ids that a mirror saw change.
    pub noticed: mpsc::UnboundedReceiver<ExperimentId>,
}

impl RegistryFeed {
    /// Follows the control plane until told to stop.
    pub(super) async fn follow(mut self, stopping: CancellationToken) {
        let mut backoff = Backoff::new(self.retry_cap);
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
            let trouble = Trouble::of(Server::ControlPlane, &error);
            self.broken(trouble).await;
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(backoff.next(started.elapsed())) => {}
            }
        }
    }

    async fn attempt(&mut self) -> ClientError {
        let watched = match self.stores.control() {
            Some(control) => self.watch(&control).await,
            None => self.alone().await,
        };
        match watched {
            Ok(()) => ClientError::Stream("the server closed it".into()),
            Err(error) => error,
        }
    }

    /// The one experiment of a deployment without a control plane.
    async fn alone(&mut self) -> Result<(), ClientError> {
        let rows = self.probed(Vec::new()).await;
        self.list(rows);
        self.freshness(Freshness::Live);
        loop {
            self.pause(None).await?;
            self.ask_again().await;
        }
    }

    async fn watch(&mut self, control: &ControlClient) -> Result<(), ClientError> {
        // Watching first: what changes while the list is read is told afterwards and read again.
        match feed::supported(control.watch().await)? {
            Some(stream) => self.pushed(control, stream).await,
            None => self.poll(control).await,
        }
    }

    async fn pushed(&mut self, control: &ControlClient, mut stream: PushStream) -> Result<(), ClientError> {
        let mut listed = false;
        let watching = self.admins.watched();
        loop {
            let item = match stream.next().now_or_never() {
                Some(item) => item,
                None => {
                    watching.caught_up();
                    tokio::select! {
                        Some(id) = self.noticed.recv() => {
                            watching.busy();
                            self.refresh(control, id).await?;
                            continue;
                        }
                        item = stream.next() => item,
                    }
                }
            };
            watching.busy();
            let Some(item) = item.transpose()? else {
                return Ok(());
            };
            self.registry.heard(&self.clock);
            match item {
                PushEvent::Connected | PushEvent::Resync => {
                    watching.changed();
                    let rows = self.probed(control.experiments().await?).await;
                    self.list(rows);
                    listed = true;
                    self.freshness(Freshness::Live);
                }
                PushEvent::Signalled(notice) if listed => {
                    watching.noticed(&notice);
                    if let Ok(worker) = notice.id.parse() {
                        self.stores.credential_changed(&Scope::ControlPlane, &worker);
                    }
                    match notice.id.parse() {
                        Ok(id) => self.refresh(control, id).await?,
                        // About a worker or a group. They are not held here; whoever shows them looks again.
                        Err(_) => self.registry.set(|view| view),
                    }
                }
                PushEvent::Heartbeat if listed => self.ask_again().await,
                PushEvent::Signalled(_) | PushEvent::Heartbeat | PushEvent::Logged { .. } => {}
            }
        }
    }

    async fn poll(&mut self, control: &ControlClient) -> Result<(), ClientError> {
        debug!("the control plane does not push; asking every so often while anybody looks");
        for round in 0_u32.. {
            let entries = control.experiments().await?;
            self.registry.heard(&self.clock);
            let rows = self.compared(entries).await;
            self.list(rows);
            if round % ASK_AGAIN == 0 {
                self.ask_again().await;
            }
            self.freshness(Freshness::Polling);
            self.pause(Some(control)).await?;
            if !self.registry.is_watched(&self.clock, SPELL) {
                // Who looks next waits for a list of then.
                self.freshness(Freshness::CatchingUp);
                self.registry.looked_at().await;
            }
        }
        Ok(())
    }

    /// Waits, and sees to what mirrors notice meanwhile.
    async fn pause(&mut self, control: Option<&ControlClient>) -> Result<(), ClientError> {
        let end = tokio::time::sleep(self.every);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return Ok(()),
                Some(id) = self.noticed.recv() => match control {
                    Some(control) => self.refresh(control, id).await?,
                    None => {
                        let row = self.row(id, None).await;
                        self.put(row);
                    }
                }
            }
        }
    }

    /// Reads one entry again, with its lease.
    async fn refresh(&self, control: &ControlClient, id: ExperimentId) -> Result<(), ClientError> {
        let entry = match control.experiment(&id).await {
            Ok(entry) => Some(entry),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        if entry.is_some() || self.stores.default_experiment() == Some(&id) {
            let row = self.row(id.clone(), entry).await;
            self.put(row);
        } else if self.registry.view().rows.contains_key(&id) {
            self.registry.set(|mut view| {
                view.rows.remove(&id);
                view
            });
        }
        // A receiver that is gone means the process is stopping.
        let _ = self.changed.send(id);
        Ok(())
    }

    /// Looks again at what is on disk, and, while anybody looks, at what the task stores did not have or say.
    async fn ask_again(&self) {
        let view = self.registry.view();
        let rows: Vec<_> = view.rows.values().map(|row| RegistryRow::clone(row)).collect();
        let asked = rows.into_iter().map(|row| self.asked_again(row));
        let rows: Vec<_> = stream::iter(asked).buffer_unordered(PARALLEL_PROBES).collect().await;
        rows.into_iter().for_each(|row| self.put(row));
    }

    async fn asked_again(&self, row: RegistryRow) -> RegistryRow {
        match row.hosting {
            Hosting::Hosted(_) => self.with_readiness(row).await,
            _ if self.registry.is_watched(&self.clock, SPELL) => self.row(row.id, row.entry).await,
            _ => row,
        }
    }

    /// Every entry, and the default experiment even if it is not registered, with what the task stores say.
    async fn probed(&self, entries: Vec<RegistryEntry>) -> Vec<RegistryRow> {
        self.rows(entries, |_| None).await
    }

    /// The same, asking only about what the control plane tells of otherwise than before.
    async fn compared(&self, entries: Vec<RegistryEntry>) -> Vec<RegistryRow> {
        let view = self.registry.view();
        self.rows(entries, |entry| {
            let held = view.rows.get(&entry.experiment_id)?;
            (held.entry.as_ref() == Some(entry)).then(|| RegistryRow::clone(held))
        })
        .await
    }

    async fn rows(
        &self,
        entries: Vec<RegistryEntry>,
        held: impl Fn(&RegistryEntry) -> Option<RegistryRow>,
    ) -> Vec<RegistryRow> {
        let default = self.stores.default_experiment();
        let unregistered = default.filter(|id| entries.iter().all(|entry| entry.experiment_id != **id));
        let entries = entries
            .into_iter()
            .map(|entry| (entry.experiment_id.clone(), held(&entry), Some(entry)));
        let all = entries.chain(unregistered.map(|id| (id.clone(), None, None)));
        let all: Vec<_> = all.collect();
        let rows = all
            .into_iter()
            .map(|(id, held, entry)| self.held_or_asked(id, held, entry));
        stream::iter(rows).buffer_unordered(PARALLEL_PROBES).collect().await
    }

    async fn held_or_asked(
        &self,
        id: ExperimentId,
        held: Option<RegistryRow>,
        entry: Option<RegistryEntry>,
    ) -> RegistryRow {
        match held {
            Some(row) => self.with_readiness(row).await,
            None => self.row(id, entry).await,
        }
    }

    async fn row(&self, id: ExperimentId, entry: Option<RegistryEntry>) -> RegistryRow {
        let hosting = match self.stores.probe(&id) {
            None => Hosting::Elsewhere,
            Some(client) => match tokio::time::timeout(PROBE, client.read()).await {
                Err(_) => Hosting::Unknown(Trouble::of(Server::TaskStore, &ClientError::Late)),
                Ok(Ok(experiment)) => Hosting::Hosted(Box::new(experiment)),
                Ok(Err(error)) if error.is_not_hosted_here() => Hosting::Elsewhere,
                Ok(Err(error)) if error.is_not_found() => Hosting::NotHosted,
                Ok(Err(error)) => Hosting::Unknown(Trouble::of(Server::TaskStore, &error)),
            },
        };
        let is_told = match (&hosting, self.stores.probe(&id)) {
            (Hosting::Hosted(_), Some(client)) => client.config().await.is_ok(),
            _ => false,
        };
        let row = RegistryRow {
            credential: self.stores.credential_state(&id),
            config: Ok(()),
            id,
            entry,
            hosting,
            tells_config: is_told,
        };
        self.with_readiness(row).await
    }

    /// Looks at what is on disk.
    async fn with_readiness(&self, row: RegistryRow) -> RegistryRow {
        let config = match &row.hosting {
            Hosting::Hosted(_) if !row.tells_config => self.configs.of(&row.id).await.map(drop),
            // Nobody asks for the configuration of what is not there.
            _ => Ok(()),
        };
        let config = config.map_err(|trouble| trouble.to_string());
        RegistryRow {
            credential: self.stores.credential_state(&row.id),
            config,
            ..row
        }
    }

    fn put(&self, row: RegistryRow) {
        let view = self.registry.view();
        if view.rows.get(&row.id).map(Arc::as_ref) != Some(&row) {
            self.registry.set(|mut view| {
                view.rows.insert(row.id.clone(), Arc::new(row));
                view
            });
        }
    }

    /// Swaps in a whole list, if it is another.
    fn list(&self, rows: Vec<RegistryRow>) {
        let rows: OrdMap<_, _> = rows.into_iter().map(|row| (row.id.clone(), Arc::new(row))).collect();
        let view = self.registry.view();
        if view.listed && view.rows == rows {
            return;
        }
        for id in view
            .rows
            .keys()
            .chain(rows.keys())
            .filter(|id| view.rows.get(*id) != rows.get(*id))
        {
            let _ = self.changed.send(id.clone());
        }
        self.registry.set(|view| RegistryView {
            listed: true,
            rows,
            ..view
        });
    }

    /// What is known stays, and is old from now on. The default experiment needs no registry to be there.
    async fn broken(&self, trouble: Trouble) {
        if !self.registry.view().listed
            && let Some(id) = self.stores.default_experiment()
        {
            let row = self.row(id.clone(), None).await;
            self.put(row);
        }
        self.freshness(Freshness::Stale {
            since: self.registry.last_heard(),
            trouble,
        });
    }

    fn freshness(&self, freshness: Freshness) {
        if self.registry.view().freshness != freshness {
            self.registry
                .set(|view: RegistryView| RegistryView { freshness, ..view });
        }
    }
}
