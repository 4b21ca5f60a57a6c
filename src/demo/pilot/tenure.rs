//! The time in which the pilot may drive an experiment: from acquiring its lease to the loss or the release of it.

use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tracing::debug;

use super::lease::{self, Held, Renewal, Turn};
use crate::client::{ClientError, ControlClient};
use crate::clock::Clock;
use crate::demo::credentials::Pilot;
use crate::demo::{DemoError, Options};
use crate::protocol::{AcquireLease, ErrorType, ExperimentId, Timestamp};

/// How long giving a lease back may take; the process waits for it when it stops.
const FAREWELL: Duration = Duration::from_millis(700);

/// The pilot as a holder of leases.
pub(super) struct Holder {
    admin: ControlClient,
    credentials: PathBuf,
    /// None until it is needed, and when its credential is in doubt.
    pilot: Mutex<Option<Arc<Pilot>>>,
}

impl Holder {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            admin: options.client.control(),
            credentials: options.data_dir.join("credentials"),
            pilot: Mutex::default(),
        }
    }

    async fn pilot(&self) -> Result<Arc<Pilot>, DemoError> {
        let mut known = self.pilot.lock().await;
        if let Some(pilot) = &*known {
            return Ok(pilot.clone());
        }
        let pilot = Arc::new(Pilot::enrol(&self.admin, &self.credentials).await?);
        Ok(known.insert(pilot).clone())
    }

    /// Has the credential and the membership looked at again if that is what a call failed for.
    async fn heed(&self, fault: &ClientError) {
        let doubtful = matches!(fault.error_type(), Some(ErrorType::Unauthorized | ErrorType::Forbidden));
        if doubtful {
            *self.pilot.lock().await = None;
        }
    }
}

/// What came of asking for the lease.
pub(super) enum Begun {
    /// It is ours.
    Held,
    /// Somebody else drives the experiment.
    ByOther,
    /// The experiment is not registered any more.
    Gone,
}

/// The pilot's hold on one experiment.
pub(super) struct Tenure {
    holder: Arc<Holder>,
    clock: Clock,
    experiment: ExperimentId,
    held: Option<Held>,
    /// Whether a lease may be ours without our knowing: from before the process began, or from a call whose answer
    /// got lost.
    unsure: bool,
}

impl Tenure {
    pub(super) fn new(holder: Arc<Holder>, clock: Clock, experiment: ExperimentId) -> Self {
        Self {
            holder,
            clock,
            experiment,
            held: None,
            unsure: true,
        }
    }

    /// Takes the lease, or goes on with the one that is ours already.
    pub(super) async fn begin(&mut self) -> Result<Begun, DemoError> {
        let pilot = self.holder.pilot().await?;
        let begun = self.ask(&pilot).await;
        if let Err(fault) = &begun {
            self.holder.heed(fault).await;
        }
        Ok(begun?)
    }

    async fn ask(&mut self, pilot: &Pilot) -> Result<Begun, ClientError> {
        let control = &pilot.worker.client;
        if self.unsure
            && let Some(id) = self.forgotten(pilot).await?
        {
            // It may be about to run out, and only a renewal says from when on it is good by our own clock.
            match renew(pilot, &id, &self.clock).await {
                Ok(held) => {
                    self.held = Some(held);
                    return Ok(Begun::Held);
                }
                Err(fault) if is_lost(&fault) => {}
                Err(fault) => return Err(fault),
            }
        }
        let since = self.clock.now();
        let request = AcquireLease {
            holder: pilot.worker.id.clone(),
            holder_instance: pilot.instance.clone(),
        };
        self.unsure = true;
        let answer = control.acquire(&self.experiment, &request).await;
        self.unsure = matches!(&answer, Err(fault) if fault.error_type().is_none() || fault.is_unreachable());
        match answer {
            Ok(lease) => {
                self.held = Some(Held::new(&lease, since));
                Ok(Begun::Held)
            }
            Err(fault) if fault.error_type() == Some(ErrorType::LeaseHeldByOther) => Ok(Begun::ByOther),
            Err(fault) if fault.is_not_found() => match control.experiment(&self.experiment).await {
                Err(fault) if fault.is_not_found() => Ok(Begun::Gone),
                _ => Err(fault),
            },
            Err(fault) => Err(fault),
        }
    }

    /// The lease that this process, or one that had the data directory before, holds according to the server.
    async fn forgotten(&self, pilot: &Pilot) -> Result<Option<String>, ClientError> {
        let mut leases = pilot.worker.client.leases(&pilot.worker.id).await?;
        leases.retain(|lease| lease.experiment_id == self.experiment && lease.holder_instance == pilot.instance);
        Ok(leases.pop().map(|lease| lease.lease_id))
    }

    /// Works while the lease is held, and renews it meanwhile. `None` when it was lost: then the work is dropped where
    /// it stands.
    pub(super) async fn hold<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let mut last = Renewal::Done;
        loop {
            let held = self.held.clone()?;
            let end = held.end();
            match lease::turn(&held, last, self.clock.now()) {
                Turn::Act(until) => tokio::select! {
                    biased;
                    () = self.clock.wait_past(until) => {}
                    done = before(end, &self.clock, work.as_mut()) => if done.is_some() { return done },
                },
                Turn::Renew => tokio::select! {
                    biased;
                    () = self.clock.wait_past(end) => {}
                    renewed = self.renew(&held) => match renewed {
                        Ok(held) => {
                            last = Renewal::Done;
                            self.held = Some(held);
                        }
                        Err(renewal) => last = renewal,
                    },
                    done = before(end, &self.clock, work.as_mut()) => if done.is_some() { return done },
                },
                Turn::Stop => {
                    self.held = None;
                    self.unsure = last != Renewal::Refused;
                    return None;
                }
            }
        }
    }

    async fn renew(&self, held: &Held) -> Result<Held, Renewal> {
        let renewed = async {
            let pilot = self.holder.pilot().await?;
            let renewed = renew(&pilot, &held.id, &self.clock).await;
            if let Err(fault) = &renewed {
                self.holder.heed(fault).await;
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

    /// Gives back what is held, if the server can be told in time; else it runs out, or is gone on with by the next
    /// process.
    pub(super) async fn end(mut self) {
        match tokio::time::timeout(FAREWELL, self.release()).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => debug!(experiment.id = %self.experiment, "the lease is not given back: {fault}"),
            Err(_) => debug!(experiment.id = %self.experiment, "the lease is not given back in time"),
        }
    }

    async fn release(&mut self) -> Result<(), DemoError> {
        // Nobody is enrolled only to say good-bye.
        let Some(pilot) = self.holder.pilot.lock().await.clone() else {
            return Ok(());
        };
        let id = match self.held.take() {
            Some(held) => Some(held.id),
            None if self.unsure => self.forgotten(&pilot).await?,
            None => None,
        };
        if let Some(id) = id {
            pilot.worker.client.release(&id, &pilot.instance).await?;
        }
        Ok(())
    }
}

async fn renew(pilot: &Pilot, lease: &str, clock: &Clock) -> Result<Held, ClientError> {
    let since = clock.now();
    let renewed = pilot.worker.client.renew(lease, &pilot.instance).await?;
    Ok(Held::new(&renewed, since))
}

fn is_lost(fault: &ClientError) -> bool {
    matches!(
        fault.error_type(),
        Some(ErrorType::LeaseExpired | ErrorType::LeaseNotHeld | ErrorType::LeaseInstanceMismatch)
    )
}

/// Takes no step of the work when `end` has passed, and yields `None` instead. Timers alone would not do: they stand
/// still while the machine sleeps, and time goes on.
fn before<T, F: Future<Output = T>>(
    end: Timestamp,
    clock: &Clock,
    mut work: Pin<&mut F>,
) -> impl Future<Output = Option<T>> {
    poll_fn(move |context| match clock.now() > end {
        true => std::task::Poll::Ready(None),
        false => work.as_mut().poll(context).map(Some),
    })
}
