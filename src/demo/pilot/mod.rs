//! The pilot: follows the registry and runs each hosted experiment whose configuration has a `pilot:` block.
//!
//! One [`driver::Driver`] for an experiment goes round and round ([`round`]): it reads what the backend holds, and lets
//! each role do one thing about it. It remembers nothing that it cannot read again, so after an interruption anywhere
//! it continues from what the backend and the repository say. It acts only while the pilot holds the experiment's lease
//! ([`lease_session`]), so that several pilots may share a deployment.

mod dispatch;
mod driver;
mod elite;
mod evaluator;
mod executor;
mod ideator;
mod ids;
mod integrator;
mod lease;
mod lease_session;
mod open_work;
mod orchestrator;
mod outage;
mod progress;
mod round;
mod runner;
mod state;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, warn};

use super::error::DemoError;
use super::options::Options;
use super::plan::Plan;
use crate::client::ClientError;
use crate::protocol::ExperimentId;
use lease_session::{LeaseHolder, LeaseSession};
use outage::Outage;

/// How often the registry is read.
const FOLLOW: Duration = Duration::from_secs(2);

/// Runs until the process stops.
pub(super) async fn follow(options: Options) {
    let stopping = options.tasks.stopping();
    let mut outage = Outage::default();
    // Those that are run, and those that are left alone: a configuration never changes.
    let mut known = HashSet::new();
    let holder = Arc::new(LeaseHolder::new(&options));
    loop {
        let wait = match take_on_new(&options, &holder, &mut known).await {
            Ok(()) => {
                outage.recovered("the demo follows the registry again");
                FOLLOW
            }
            Err(fault) => outage.failed("the demo cannot follow the registry", &fault),
        };
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn take_on_new(
    options: &Options,
    holder: &Arc<LeaseHolder>,
    known: &mut HashSet<ExperimentId>,
) -> Result<(), DemoError> {
    for entry in options.client.control().experiments().await? {
        let id = entry.experiment_id;
        if known.contains(&id) {
            continue;
        }
        let plan = match options.client.experiment(&id).config().await {
            Ok(config) => Plan::read(config),
            // Registered but not seeded; perhaps next time.
            Err(fault) if fault.is_not_found() => continue,
            Err(fault @ ClientError::Decode(_)) => Err(fault.into()),
            Err(fault) => return Err(fault.into()),
        };
        known.insert(id.clone());
        match plan {
            Ok(Some(plan)) => take_on(options, holder, id, plan),
            Ok(None) => debug!(experiment.id = %id, "has no pilot block; left alone"),
            Err(fault) => warn!(experiment.id = %id, "the pilot cannot take the experiment on: {fault}"),
        }
    }
    Ok(())
}

fn take_on(options: &Options, holder: &Arc<LeaseHolder>, id: ExperimentId, plan: Plan) {
    let mut lease = LeaseSession::new(holder.clone(), options.clock.clone(), id.clone());
    let (options, tasks) = (options.clone(), options.tasks.clone());
    tasks.spawn("pilot", async move {
        // Every step can be repeated, so the run may be cut off at any await.
        let run = runner::run(&options, &id, Arc::new(plan), &mut lease);
        options.tasks.stopping().run_until_cancelled(run).await;
        lease.end().await;
    });
}
