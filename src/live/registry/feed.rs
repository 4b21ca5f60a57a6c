//! Keeps the registry current: list, then watch by push. A control plane that does not push is listed at an interval
//! while anybody views the registry. Without a control plane the registry is the default experiment.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::probe_queue::{Probe, ProbeDepth};
use super::writer::RegistryWriter;
use crate::access::Scope;
use crate::client::{ClientError, ControlClient, PushStream, WatchEvent};
use crate::live::admins::Admins;
use crate::live::backoff::Backoff;
use crate::live::error_chain::error_chain;
use crate::live::feed::supported;
use crate::live::freshness::{FeedKind, Freshness};
use crate::live::saved::SnapshotStore;
use crate::live::unavailability::{Server, Unavailability};
use crate::protocol::ExperimentId;

/// After this many lists, there is another round of probes.
const LISTS_PER_PROBE: u32 = 3;
/// After this many lists, a control plane that did not push is asked again whether it does.
const LISTS_PER_CONNECT: u32 = 30;

/// What the feed is asked to read again, because it may not hear of the change otherwise.
pub(in crate::live) enum RefreshRequest {
    /// The experiment changed, and so did its entry at the control plane.
    Entry(ExperimentId),
    /// Its task store answers differently than before. The control plane knows nothing of that.
    TaskStore(ExperimentId),
}

/// Reads the control plane, and writes what it says to the registry.
pub(in crate::live) struct RegistryFeed {
    pub writer: RegistryWriter,
    /// Told of changes of the deployment's workers and groups.
    pub admins: Arc<Admins>,
    /// What probes found.
    pub probed: mpsc::UnboundedReceiver<Vec<Probe>>,
    /// What mirrors and pages ask to be read again.
    pub refresh_requests: mpsc::UnboundedReceiver<RefreshRequest>,
    /// The registry as it was saved before the process started.
    pub snapshot_store: Option<SnapshotStore>,
    /// The interval between lists of a control plane that does not push.
    pub poll_interval: Duration,
    /// The longest wait before a broken feed is retried.
    pub max_retry_delay: Duration,
}

impl RegistryFeed {
    /// Follows the control plane until it is told to stop.
    pub(in crate::live) async fn run(mut self, stopping: CancellationToken) {
        let mut backoff = Backoff::new(self.max_retry_delay);
        if let Some(store) = &self.snapshot_store
            && let Some((rows, heard)) = store.load_registry().await
        {
            self.writer.restore(rows, heard);
        }
        loop {
            let started = Instant::now();
            let error = tokio::select! {
                () = stopping.cancelled() => return,
                error = self.follow_once() => error,
            };
            if !matches!(self.writer.view().freshness, Freshness::Stale { .. }) {
                warn!(error = %error_chain(&error), "the registry's feed broke; showing what is known");
            }
            self.mark_broken(&error);
            let retry = tokio::time::sleep(backoff.next(started.elapsed()));
            tokio::pin!(retry);
            loop {
                tokio::select! {
                    () = stopping.cancelled() => return,
                    Some(probes) = self.probed.recv() => self.writer.put_probed(probes),
                    () = &mut retry => break,
                }
            }
        }
    }

    /// Follows until the feed breaks, and answers why it did.
    async fn follow_once(&mut self) -> ClientError {
        let followed = match self.writer.stores.control() {
            Some(control) => self.watch(&control).await,
            None => self.follow_default_experiment().await,
        };
        match followed {
            Ok(()) => ClientError::Stream("the server closed it".into()),
            Err(error) => error,
        }
    }

    /// The one experiment of a deployment without a control plane.
    async fn follow_default_experiment(&mut self) -> Result<(), ClientError> {
        self.writer.put_list(Vec::new(), Some(ProbeDepth::Store));
        self.writer.set_freshness(Freshness::Polling {
            every: self.poll_interval,
        });
        loop {
            // There is no server to hear from, so the list is always current.
            self.writer.heard();
            self.wait_for_next_poll(None).await?;
            self.writer.probe_round();
        }
    }

    async fn watch(&mut self, control: &ControlClient) -> Result<(), ClientError> {
        loop {
            // Watch before listing: a change during the list is then signalled afterwards, and read again.
            match supported(control.watch().await)? {
                Some(stream) => return self.follow_push(control, stream).await,
                None => self.poll(control).await?,
            }
        }
    }

    async fn follow_push(&mut self, control: &ControlClient, mut stream: PushStream) -> Result<(), ClientError> {
        let mut listed = false;
        let guard = self.admins.feed_opened();
        loop {
            let item = match stream.next().now_or_never() {
                Some(item) => item,
                None => {
                    guard.set_caught_up();
                    tokio::select! {
                        Some(request) = self.refresh_requests.recv() => {
                            guard.set_busy();
                            self.refresh(Some(control), request).await?;
                            continue;
                        }
                        Some(probes) = self.probed.recv() => {
                            self.writer.put_probed(probes);
                            continue;
                        }
                        item = stream.next() => item,
                    }
                }
            };
            guard.set_busy();
            let Some(item) = item.transpose()? else {
                return Ok(());
            };
            match item {
                WatchEvent::Connected | WatchEvent::Resync => {
                    guard.invalidate();
                    let entries = control.experiments().await?;
                    self.writer.heard();
                    self.writer.put_list(entries, Some(ProbeDepth::Store));
                    listed = true;
                    self.writer.set_freshness(Freshness::Live(FeedKind::Push));
                }
                WatchEvent::Signalled(notice) if listed => {
                    guard.apply_notice(&notice);
                    if let Ok(worker) = notice.id.parse() {
                        self.writer.stores.credential_changed(&Scope::ControlPlane, &worker);
                    }
                    match notice.id.parse() {
                        Ok(id) => self.refresh_entry(control, id).await?,
                        // It is about a worker or a group. They are not held here; with the new revision a page that
                        // shows them reads again.
                        Err(_) => self.writer.registry.update(|view| view),
                    }
                    self.writer.heard();
                }
                WatchEvent::Heartbeat if listed => {
                    // Everything before the heartbeat has been received and read.
                    self.writer.heard();
                    guard.heard();
                    self.writer.probe_round();
                }
                WatchEvent::Signalled(_) | WatchEvent::Heartbeat | WatchEvent::Logged { .. } => {}
            }
        }
    }

    /// Lists at an interval, until it is time to ask again whether the control plane pushes.
    async fn poll(&mut self, control: &ControlClient) -> Result<(), ClientError> {
        debug!("the control plane does not push; polling while the registry is viewed");
        let mut known_tag = None;
        for round in 0..LISTS_PER_CONNECT {
            if let Some((entries, tag)) = control.experiments_if_changed(known_tag.as_deref()).await? {
                self.writer.put_list(entries, None);
                known_tag = tag;
            }
            self.writer.heard();
            if round % LISTS_PER_PROBE == 0 {
                self.writer.probe_round();
            }
            self.writer.set_freshness(Freshness::Polling {
                every: self.poll_interval,
            });
            self.wait_for_next_poll(Some(control)).await?;
            if !self.writer.is_viewed() {
                // The next viewer waits for a new list.
                self.writer.set_freshness(Freshness::CatchingUp);
                self.writer.registry.viewed().await;
            }
        }
        Ok(())
    }

    /// Waits for the next poll, and meanwhile handles requests and the results of probes.
    async fn wait_for_next_poll(&mut self, control: Option<&ControlClient>) -> Result<(), ClientError> {
        let end = tokio::time::sleep(self.poll_interval);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return Ok(()),
                Some(probes) = self.probed.recv() => self.writer.put_probed(probes),
                Some(request) = self.refresh_requests.recv() => self.refresh(control, request).await?,
            }
        }
    }

    async fn refresh(&self, control: Option<&ControlClient>, request: RefreshRequest) -> Result<(), ClientError> {
        match (request, control) {
            (RefreshRequest::Entry(id), Some(control)) => return self.refresh_entry(control, id).await,
            (RefreshRequest::Entry(id), None) => self.writer.put_entry(id, None),
            (RefreshRequest::TaskStore(id), _) => self.writer.probe_afresh(&id),
        }
        Ok(())
    }

    /// Reads one entry again, with its lease.
    async fn refresh_entry(&self, control: &ControlClient, id: ExperimentId) -> Result<(), ClientError> {
        let entry = match control.experiment(&id).await {
            Ok(entry) => Some(entry),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        if entry.is_some() || self.writer.stores.default_experiment() == Some(&id) {
            self.writer.put_entry(id, entry);
        } else {
            self.writer.remove(id);
        }
        Ok(())
    }

    /// Keeps what is known, and marks it stale. The default experiment is listed even without a registry.
    fn mark_broken(&self, error: &ClientError) {
        if !self.writer.view().listed
            && let Some(id) = self.writer.stores.default_experiment()
        {
            self.writer.put_entry(id.clone(), None);
        }
        self.writer.set_stale(Unavailability::of(Server::ControlPlane, error));
    }
}
