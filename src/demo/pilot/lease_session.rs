//! The time in which the pilot may drive an experiment: from acquiring its lease until it is lost or released.

use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Mutex;
use tracing::debug;

use super::lease::{Action, HeldLease, Renewal, next_action};
use crate::client::{ClientError, ControlClient};
use crate::clock::Clock;
use crate::demo::error::DemoError;
use crate::demo::options::Options;
use crate::demo::workers::LeaseWorker;
use crate::protocol::{AcquireLease, ErrorType, ExperimentId, Timestamp};

/// How long releasing a lease may take; the process waits for it when it stops.
const RELEASE_TIMEOUT: Duration = Duration::from_millis(700);

/// The holder of the pilot's leases.
pub(super) struct LeaseHolder {
    admin: ControlClient,
    credentials: PathBuf,
    /// None until it is needed, and after its credential or membership was refused.
    worker: Mutex<Option<Arc<LeaseWorker>>>,
}

impl LeaseHolder {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            admin: options.client.control(),
            credentials: options.credentials(),
            worker: Mutex::default(),
        }
    }

    async fn worker(&self) -> Result<Arc<LeaseWorker>, DemoError> {
        let mut known = self.worker.lock().await;
        if let Some(worker) = &*known {
            return Ok(worker.clone());
        }
        let worker = Arc::new(LeaseWorker::ensure(&self.admin, &self.credentials).await?);
        Ok(known.insert(worker).clone())
    }

    /// Has the credential and the membership checked again, if the call failed because of them.
    async fn check_again_after(&self, fault: &ClientError) {
        if matches!(fault.error_type(), Some(ErrorType::Unauthorized | ErrorType::Forbidden)) {
            *self.worker.lock().await = None;
        }
    }
}

/// The result of asking for a lease.
pub(super) enum Acquired {
    /// The pilot holds it.
    Held,
    /// Another holder drives the experiment.
    HeldByOther,
    /// The experiment is not registered any more.
    Unregistered,
}

/// The pilot's lease on one experiment.
pub(super) struct LeaseSession {
    holder: Arc<LeaseHolder>,
    clock: Clock,
    experiment: ExperimentId,
    held: Option<HeldLease>,
    /// Whether the server may know of a lease of ours that we do not: from an earlier process, or from a call whose
    /// answer was lost.
    may_hold_unknown: bool,
}

impl LeaseSession {
    pub(super) fn new(holder: Arc<LeaseHolder>, clock: Clock, experiment: ExperimentId) -> Self {
        Self {
            holder,
            clock,
            experiment,
            held: None,
            may_hold_unknown: true,
        }
    }

    /// Acquires the lease, or renews one that is ours already.
    pub(super) async fn acquire(&mut self) -> Result<Acquired, DemoError> {
        let worker = self.holder.worker().await?;
        let acquired = self.acquire_as(&worker).await;
        if let Err(fault) = &acquired {
            self.holder.check_again_after(fault).await;
        }
        Ok(acquired?)
    }

    async fn acquire_as(&mut self, worker: &LeaseWorker) -> Result<Acquired, ClientError> {
        if self.may_hold_unknown
            && let Some(id) = self.lease_on_server(worker).await?
        {
            // It may expire soon, and only a renewal tells from when on it lasts by our own clock.
            match renew(worker, &id, &self.clock).await {
                Ok(held) => {
                    self.held = Some(held);
                    return Ok(Acquired::Held);
                }
                Err(fault) if is_lost(&fault) => {}
                Err(fault) => return Err(fault),
            }
        }
        let since = self.clock.now();
        let request = AcquireLease {
            holder: worker.id.clone(),
            holder_instance: worker.instance.clone(),
        };
        // Also when this call is cancelled.
        self.may_hold_unknown = true;
        let answer = worker.control.acquire(&self.experiment, &request).await;
        self.may_hold_unknown = matches!(&answer, Err(fault) if fault.error_type().is_none() || fault.is_unreachable());
        match answer {
            Ok(lease) => {
                self.held = Some(HeldLease::new(&lease, since));
                Ok(Acquired::Held)
            }
            Err(fault) if fault.error_type() == Some(ErrorType::LeaseHeldByOther) => Ok(Acquired::HeldByOther),
            Err(fault) if fault.is_not_found() => match worker.control.experiment(&self.experiment).await {
                Err(fault) if fault.is_not_found() => Ok(Acquired::Unregistered),
                _ => Err(fault),
            },
            Err(fault) => Err(fault),
        }
    }

    /// The lease that the server says is held by this process, or by an earlier one with the same data directory.
    async fn lease_on_server(&self, worker: &LeaseWorker) -> Result<Option<String>, ClientError> {
        let mut leases = worker.control.leases(&worker.id).await?;
        leases.retain(|lease| lease.experiment_id == self.experiment && lease.holder_instance == worker.instance);
        Ok(leases.pop().map(|lease| lease.lease_id))
    }

    /// Does the work while the lease is held, and renews it meanwhile. Returns `None` when the lease is lost; the work
    /// is then dropped where it is.
    pub(super) async fn while_held<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let mut last = Renewal::Done;
        loop {
            let held = self.held.clone()?;
            let end = held.end();
            match next_action(&held, last, self.clock.now()) {
                Action::Work(until) => tokio::select! {
                    biased;
                    () = self.clock.wait_past(until) => {}
                    done = poll_until(end, &self.clock, work.as_mut()) => if done.is_some() { return done },
                },
                Action::Renew => tokio::select! {
                    biased;
                    () = self.clock.wait_past(end) => {}
                    renewed = self.renew(&held) => match renewed {
                        Ok(held) => {
                            last = Renewal::Done;
                            self.held = Some(held);
                        }
                        Err(renewal) => last = renewal,
                    },
                    done = poll_until(end, &self.clock, work.as_mut()) => if done.is_some() { return done },
                },
                Action::Stop => {
                    self.held = None;
                    self.may_hold_unknown = last != Renewal::Refused;
                    return None;
                }
            }
        }
    }

    async fn renew(&self, held: &HeldLease) -> Result<HeldLease, Renewal> {
        let renewed = async {
            let worker = self.holder.worker().await?;
            let renewed = renew(&worker, &held.id, &self.clock).await;
            if let Err(fault) = &renewed {
                self.holder.check_again_after(fault).await;
            }
            Ok(renewed?)
        };
        renewed.await.map_err(|fault: DemoError| {
            debug!(experiment.id = %self.experiment, "the lease is not renewed: {fault}");
            match fault {
                DemoError::Client(fault) if is_lost(&fault) => Renewal::Refused,
                _ => Renewal::Failed(self.clock.now()),
            }
        })
    }

    /// Releases the lease, if the server answers in time. Otherwise it expires, or the next process continues with it.
    pub(super) async fn end(mut self) {
        match tokio::time::timeout(RELEASE_TIMEOUT, self.release()).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => debug!(experiment.id = %self.experiment, "the lease is not released: {fault}"),
            Err(_) => debug!(experiment.id = %self.experiment, "the lease is not released in time"),
        }
    }

    async fn release(&mut self) -> Result<(), DemoError> {
        // Without a worker there is no lease, and none is registered just to release nothing.
        let Some(worker) = self.holder.worker.lock().await.clone() else {
            return Ok(());
        };
        let id = match self.held.take() {
            Some(held) => Some(held.id),
            None if self.may_hold_unknown => self.lease_on_server(&worker).await?,
            None => None,
        };
        if let Some(id) = id {
            worker.control.release(&id, &worker.instance).await?;
        }
        Ok(())
    }
}

async fn renew(worker: &LeaseWorker, lease: &str, clock: &Clock) -> Result<HeldLease, ClientError> {
    let since = clock.now();
    let renewed = worker.control.renew(lease, &worker.instance).await?;
    Ok(HeldLease::new(&renewed, since))
}

fn is_lost(fault: &ClientError) -> bool {
    matches!(
        fault.error_type(),
        Some(ErrorType::LeaseExpired | ErrorType::LeaseNotHeld | ErrorType::LeaseInstanceMismatch)
    )
}

/// Polls the work only while `end` has not passed; after that it yields `None`. A timer alone is not enough: it does not
/// run while the machine sleeps.
fn poll_until<T, F: Future<Output = T>>(
    end: Timestamp,
    clock: &Clock,
    mut work: Pin<&mut F>,
) -> impl Future<Output = Option<T>> {
    poll_fn(move |context| {
        if clock.now() > end {
            return Poll::Ready(None);
        }
        work.as_mut().poll(context).map(Some)
    })
}
