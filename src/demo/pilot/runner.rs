//! Running one experiment for as long as it needs a driver: the lease, the rounds, and what happens after a failure.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::driver::Driver;
use super::lease_session::{Acquired, LeaseSession};
use super::outage::Outage;
use super::round::Round;
use crate::demo::error::DemoError;
use crate::demo::options::Options;
use crate::demo::plan::Plan;
use crate::protocol::ExperimentId;

/// How often a lease is asked for that another holder has.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// The wait after a round in which there was nothing to do.
const IDLE: Duration = Duration::from_millis(1000);

/// Drives one experiment whenever its lease can be had, until nothing is left to do for it.
pub(super) async fn run(options: &Options, id: &ExperimentId, plan: Arc<Plan>, lease: &mut LeaseSession) {
    let mut outage = Outage::default();
    let mut is_waiting = false;
    loop {
        let wait = match lease.acquire().await {
            Ok(Acquired::Held) => {
                outage.recovered("the pilot takes leases again");
                info!(experiment.id = %id, problem = plan.pilot.problem, "the pilot takes the experiment on");
                if lease.while_held(drive(options, id, plan.clone())).await.is_some() {
                    return;
                }
                warn!(experiment.id = %id, "the lease of the experiment is lost; the pilot stops deciding");
                is_waiting = false;
                IDLE
            }
            Ok(Acquired::HeldByOther) => {
                outage.recovered("the pilot asks for leases again");
                if !is_waiting {
                    info!(experiment.id = %id, "another holder has the lease of the experiment; the pilot waits");
                }
                is_waiting = true;
                ASK_AGAIN
            }
            Ok(Acquired::Unregistered) => {
                warn!(experiment.id = %id, "the experiment is not registered any more; the pilot leaves it");
                return;
            }
            Err(fault) => outage.failed("the pilot cannot ask for a lease", &fault),
        };
        tokio::time::sleep(wait).await;
    }
}

/// Drives one experiment to its end. After a failure it waits and tries again.
async fn drive(options: &Options, id: &ExperimentId, plan: Arc<Plan>) {
    let mut outage = Outage::default();
    let mut driver: Option<Driver> = None;
    loop {
        let result = match &mut driver {
            Some(driver) => driver.round().await,
            None => match Driver::open(options, id, plan.clone()).await {
                Ok(opened) => {
                    driver = Some(opened);
                    continue;
                }
                Err(fault) => Err(fault),
            },
        };
        let wait = match result {
            Ok(Round::Done) => {
                info!(experiment.id = %id, "the experiment has ended and everything in flight is settled");
                return;
            }
            Ok(Round::Acted) => {
                outage.recovered("the pilot goes on");
                continue;
            }
            Ok(Round::Idle) => {
                outage.recovered("the pilot goes on");
                IDLE.max(plan.pace(0))
            }
            Err(DemoError::Client(fault)) if fault.is_not_found() && is_gone(options, id).await => {
                warn!(experiment.id = %id, "the experiment is gone; the pilot leaves it");
                return;
            }
            Err(DemoError::Plan(fault)) => {
                warn!(experiment.id = %id, "the pilot leaves the experiment: {fault}");
                return;
            }
            Err(fault) => {
                if !fault.is_unreachable() {
                    // A new driver checks the credentials and the repository, and reads the state again.
                    driver = None;
                }
                outage.failed("the pilot cannot go on", &fault)
            }
        };
        tokio::time::sleep(wait).await;
    }
}

async fn is_gone(options: &Options, id: &ExperimentId) -> bool {
    matches!(options.client.experiment(id).read().await, Err(fault) if fault.is_not_found())
}
