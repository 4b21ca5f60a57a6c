//! Keeps the registry true: list, then watch by push; where the control plane does not push, one list every so often
//! while anybody looks; and without a control plane the one experiment that there is.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::admins::Admins;
use super::backoff::Backoff;
use super::feed;
use super::follow::{Noticed, chain};
use super::freshness::{FeedKind, Freshness};
use super::probe::{Depth, Look};
use super::registry::{Registry, RegistryRow, RegistryView};
use super::saved::Shelf;
use super::unavailability::{Server, Unavailability};
use crate::access::{Scope, StoreFactory};
use crate::client::{ClientError, ControlClient, PushStream, WatchEvent};
use crate::clock::Clock;
use crate::protocol::ExperimentId;

/// How long the list is kept fresh after the last look, where it has to be asked for.
pub(super) const SPELL: Duration = Duration::from_secs(30);
/// Every so many lists, task stores are asked again that did not have an experiment, or did not answer.
const ASK_AGAIN: u32 = 3;
/// Every so many lists, a control plane that did not push is asked whether it does by now.
const PROBE_AGAIN: u32 = 30;

/// The only one who changes the registry.
pub(super) struct RegistryFeed {
    pub registry: Arc<Registry>,
    /// Told what becomes of the deployment's workers and groups.
    pub admins: Arc<Admins>,
    pub stores: StoreFactory,
    /// What to look at beside the feed.
    pub looks: mpsc::UnboundedSender<Look>,
    /// What came of it.
    pub found: mpsc::UnboundedReceiver<Look>,
    pub clock: Clock,
    /// Where what was known in an earlier life is kept.
    pub shelf: Option<Shelf>,
    /// How often the list is read where the control plane does not push.
    pub every: Duration,
    /// The longest wait before a broken feed is tried again.
    pub max_retry_delay: Duration,
    /// Ids whose mirrors should look again.
    pub changed: mpsc::UnboundedSender<ExperimentId>,
    /// What mirrors and pages saw change.
    pub noticed: mpsc::UnboundedReceiver<Noticed>,
}

impl RegistryFeed {
    /// Follows the control plane until told to stop.
    pub(super) async fn follow(mut self, stopping: CancellationToken) {
        let mut backoff = Backoff::new(self.max_retry_delay);
        if let Some(shelf) = &self.shelf
            && let Some((rows, heard)) = shelf.registry().await
        {
            self.restore(rows, heard);
        }
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
            let cause = Unavailability::of(Server::ControlPlane, &error);
            self.broken(cause);
            let end = tokio::time::sleep(backoff.next(started.elapsed()));
            tokio::pin!(end);
            loop {
                tokio::select! {
                    () = stopping.cancelled() => return,
                    Some(look) = self.found.recv() => self.found(look),
                    () = &mut end => break,
                }
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
        self.list(Vec::new(), Depth::Store);
        self.freshness(Freshness::Polling { every: self.every });
        loop {
            // There is nobody to hear: what there is is known.
            self.registry.heard(&self.clock);
            self.pause(None).await?;
            self.ask_again();
        }
    }

    async fn watch(&mut self, control: &ControlClient) -> Result<(), ClientError> {
        loop {
            // Watching first: what changes while the list is read is told afterwards and read again.
            match feed::supported(control.watch().await)? {
                Some(stream) => return self.pushed(control, stream).await,
                None => self.poll(control).await?,
            }
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
                        Some(noticed) = self.noticed.recv() => {
                            watching.busy();
                            self.see_to(Some(control), noticed).await?;
                            continue;
                        }
                        Some(look) = self.found.recv() => {
                            self.found(look);
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
            match item {
                WatchEvent::Connected | WatchEvent::Resync => {
                    watching.changed();
                    let entries = control.experiments().await?;
                    self.registry.heard(&self.clock);
                    self.list(entries, Depth::Store);
                    listed = true;
                    self.freshness(Freshness::Live(FeedKind::Push));
                }
                WatchEvent::Signalled(notice) if listed => {
                    watching.noticed(&notice);
                    if let Ok(worker) = notice.id.parse() {
                        self.stores.credential_changed(&Scope::ControlPlane, &worker);
                    }
                    match notice.id.parse() {
                        Ok(id) => self.refresh(control, id).await?,
                        // About a worker or a group. They are not held here; whoever shows them looks again.
                        Err(_) => self.registry.set(|view| view),
                    }
                    self.registry.heard(&self.clock);
                }
                WatchEvent::Heartbeat if listed => {
                    // Everything before the beat has been told and read.
                    self.registry.heard(&self.clock);
                    watching.heard(self.clock.now());
                    self.ask_again();
                }
                WatchEvent::Signalled(_) | WatchEvent::Heartbeat | WatchEvent::Logged { .. } => {}
            }
        }
    }

    /// Lists again and again, for as long as no better way is asked for.
    async fn poll(&mut self, control: &ControlClient) -> Result<(), ClientError> {
        debug!("the control plane does not push; asking every so often while anybody looks");
        let mut known = None;
        for round in 0..PROBE_AGAIN {
            if let Some((entries, tag)) = control.experiments_if_changed(known.as_deref()).await? {
                self.list(entries, Depth::Disk);
                known = tag;
            }
            self.registry.heard(&self.clock);
            if round % ASK_AGAIN == 0 {
                self.ask_again();
            }
            self.freshness(Freshness::Polling { every: self.every });
            self.pause(Some(control)).await?;
            if !self.registry.is_watched(&self.clock, SPELL) {
                // Who looks next waits for a list of then.
                self.freshness(Freshness::CatchingUp);
                self.registry.looked_at().await;
            }
        }
        Ok(())
    }

    /// Waits, and sees to what mirrors notice and task stores say meanwhile.
    async fn pause(&mut self, control: Option<&ControlClient>) -> Result<(), ClientError> {
        let end = tokio::time::sleep(self.every);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return Ok(()),
                Some(look) = self.found.recv() => self.found(look),
                Some(noticed) = self.noticed.recv() => self.see_to(control, noticed).await?,
            }
        }
    }

    async fn see_to(&self, control: Option<&ControlClient>, noticed: Noticed) -> Result<(), ClientError> {
        match (noticed, control) {
            (Noticed::Changed(id), Some(control)) => return self.refresh(control, id).await,
            (Noticed::Changed(id), None) => self.tell_of(id, None),
            (Noticed::OtherAtStore(id), _) => {
                if let Some(row) = self.registry.view().rows.get(&id) {
                    self.look(RegistryRow::clone(row), Depth::Anew);
                }
            }
        }
        Ok(())
    }

    /// Reads one entry again, with its lease.
    async fn refresh(&self, control: &ControlClient, id: ExperimentId) -> Result<(), ClientError> {
        let entry = match control.experiment(&id).await {
            Ok(entry) => Some(entry),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        if entry.is_some() || self.stores.default_experiment() == Some(&id) {
            self.tell_of(id, entry);
        } else if self.registry.view().rows.contains_key(&id) {
            self.registry.set(|mut view| {
                view.rows.remove(&id);
                view
            });
            // A receiver that is gone means the process is stopping.
            let _ = self.changed.send(id);
        }
        Ok(())
    }

    /// What is known stays, and is old from now on. The default experiment needs no registry to be there.
    fn broken(&self, cause: Unavailability) {
        if !self.registry.view().listed
            && let Some(id) = self.stores.default_experiment()
        {
            self.tell_of(id.clone(), None);
        }
        self.freshness(Freshness::Stale {
            since: self.registry.last_heard(),
            cause,
        });
    }

    fn freshness(&self, freshness: Freshness) {
        if self.registry.view().freshness != freshness {
            self.registry
                .set(|view: RegistryView| RegistryView { freshness, ..view });
        }
    }
}
