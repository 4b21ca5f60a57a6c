//! The pilot: follows the registry and runs each hosted experiment whose configuration has a `pilot:` block.
//!
//! One [`Driver`] an experiment goes round and round: it looks at what the backend holds, and lets each
//! role do one thing about it. Nothing that matters is remembered here, so a driver that was cut off
//! anywhere continues from what the backend and the repository say. It acts only while the pilot holds the experiment's
//! lease ([`tenure`]), so that several pilots may share a deployment.

mod evaluator;
mod executor;
mod ideator;
mod integrator;
mod lease;
mod ledger;
mod names;
mod orchestrator;
mod outage;
mod plan;
mod recall;
mod tenure;
mod view;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::credentials::{Crew, Member};
use super::repo::{Repo, RepoError};
use super::{DemoError, Options, catalog};
use crate::client::ClientError;
use crate::protocol::{
    CommitSha, DispatchMode, ErrorType, ExperimentId, ExperimentState, Task, TaskId, Timestamp, Variant,
};
use ledger::{Elite, Ledger};
use outage::Outage;
pub(super) use plan::Plan;
use tenure::{Begun, Holder, Tenure};
use view::View;

/// How often the registry is read, and whether a lease that somebody else holds has become free.
const FOLLOW: Duration = Duration::from_secs(2);
/// The wait after a round in which there was nothing to do.
const IDLE: Duration = Duration::from_millis(1000);

/// Runs until the process stops.
pub(super) async fn follow(options: Options) {
    let stopping = options.tasks.stopping();
    let mut outage = Outage::default();
    // Taken on, or looked at and left alone: a configuration never changes.
    let mut known = HashSet::new();
    let holder = Arc::new(Holder::new(&options));
    loop {
        let wait = match take_on(&options, &holder, &mut known).await {
            Ok(()) => {
                outage.over("the demo follows the registry again");
                FOLLOW
            }
            Err(fault) => outage.wait("the demo cannot follow the registry", &fault),
        };
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn take_on(options: &Options, holder: &Arc<Holder>, known: &mut HashSet<ExperimentId>) -> Result<(), DemoError> {
    for entry in options.client.control().experiments().await? {
        let id = entry.experiment_id;
        if known.contains(&id) {
            continue;
        }
        let config = match options.client.experiment(&id).config().await {
            Ok(config) => config,
            // Registered but not seeded; perhaps next time.
            Err(fault) if fault.is_not_found() => continue,
            Err(fault @ ClientError::Decode(_)) => {
                warn!(experiment.id = %id, "its configuration cannot be read; left alone: {fault}");
                known.insert(id);
                continue;
            }
            Err(fault) => return Err(fault.into()),
        };
        known.insert(id.clone());
        match Plan::read(config) {
            Ok(Some(plan)) => {
                let mut tenure = Tenure::new(holder.clone(), options.clock.clone(), id.clone());
                let options = options.clone();
                options.tasks.clone().spawn("pilot", async move {
                    // Every step can be repeated, so being cut off at any await is a fine way to stop.
                    let run = run(&options, &id, Arc::new(plan), &mut tenure);
                    options.tasks.stopping().run_until_cancelled(run).await;
                    tenure.end().await;
                });
            }
            Ok(None) => debug!(experiment.id = %id, "has no pilot block; left alone"),
            Err(fault) => warn!(experiment.id = %id, "the pilot cannot take the experiment on: {fault}"),
        }
    }
    Ok(())
}

/// Drives one experiment whenever its lease is to be had, until there is nothing more to do for it.
async fn run(options: &Options, id: &ExperimentId, plan: Arc<Plan>, tenure: &mut Tenure) {
    let mut outage = Outage::default();
    let mut is_waiting = false;
    loop {
        let wait = match tenure.begin().await {
            Ok(Begun::Held) => {
                outage.over("the pilot takes leases again");
                info!(experiment.id = %id, problem = plan.pilot.problem, "the pilot takes the experiment on");
                if tenure.hold(drive(options, id, plan.clone())).await.is_some() {
                    return;
                }
                warn!(experiment.id = %id, "the lease of the experiment is lost; the pilot stops deciding");
                is_waiting = false;
                IDLE
            }
            Ok(Begun::ByOther) => {
                outage.over("the pilot asks for leases again");
                if !is_waiting {
                    info!(experiment.id = %id, "somebody else holds the lease of the experiment; the pilot waits");
                }
                is_waiting = true;
                FOLLOW
            }
            Ok(Begun::Gone) => {
                warn!(experiment.id = %id, "the experiment is not registered any more; the pilot leaves it");
                return;
            }
            Err(fault) => outage.wait("the pilot cannot ask for a lease", &fault),
        };
        tokio::time::sleep(wait).await;
    }
}

/// Drives one experiment to its end, mending what can be mended.
async fn drive(options: &Options, id: &ExperimentId, plan: Arc<Plan>) {
    let mut outage = Outage::default();
    let mut driver: Option<Driver> = None;
    loop {
        let result = match driver.as_mut() {
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
                outage.over("the pilot goes on");
                continue;
            }
            Ok(Round::Idle) => {
                outage.over("the pilot goes on");
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
                    // Credentials, repository and memory are all looked at again.
                    driver = None;
                }
                outage.wait("the pilot cannot go on", &fault)
            }
        };
        tokio::time::sleep(wait).await;
    }
}

async fn is_gone(options: &Options, id: &ExperimentId) -> bool {
    matches!(options.client.experiment(id).read().await, Err(fault) if fault.is_not_found())
}

enum Round {
    Acted,
    Idle,
    Done,
}

/// One experiment being run.
struct Driver {
    experiment: ExperimentId,
    options: Options,
    plan: Arc<Plan>,
    crew: Arc<Crew>,
    repo: Repo,
    seed: CommitSha,
    ledger: Ledger,
    elite: Elite,
    mode: DispatchMode,
    terminated: bool,
    /// Execution tasks of ideas that hold no mutation: people's own, for people to execute.
    foreign: HashSet<TaskId>,
    acted: bool,
    /// Variants attempted when the repository was last tidied.
    tidied_at: Option<u64>,
    /// Whether what comes after this experiment has been seen to.
    is_followed_on: bool,
}

/// Variants between two times of tidying the repository.
const TIDY: u64 = 150;

impl Driver {
    async fn open(options: &Options, id: &ExperimentId, plan: Arc<Plan>) -> Result<Self, DemoError> {
        let admin = options.client.experiment(id);
        let experiment = admin.read().await?;
        let known = experiment.base_commit_sha.as_ref();
        if !tokio::fs::try_exists(options.repository(id)).await.unwrap_or(false) {
            // One that somebody else drove before may have commits that only its repository has.
            let is_fresh = admin.variants().await?.items.iter().all(Variant::is_baseline);
            if known.is_some() || !is_fresh {
                return Err(DemoError::Plan("its commits are in no repository of the demo".into()));
            }
        }
        let (repo, seed) = catalog::lay_down(options, id, &plan, experiment.created_at).await?;
        if known.is_some_and(|known| *known != seed) {
            return Err(DemoError::Plan(format!(
                "its base commit is not {seed}, the tip of main"
            )));
        }
        let credentials = options.data_dir.join("credentials");
        let crew = Crew::enrol(&admin, &credentials, plan.pilot.workers.clamp(1, 9)).await?;
        let mut driver = Self {
            experiment: id.clone(),
            options: options.clone(),
            elite: Elite::new(plan.direction),
            ledger: Ledger::new(experiment.created_at),
            mode: DispatchMode::default(),
            terminated: false,
            foreign: HashSet::new(),
            acted: false,
            tidied_at: None,
            is_followed_on: false,
            crew: Arc::new(crew),
            plan,
            repo,
            seed,
        };
        driver.recall().await?;
        // After the position in the log from which it is followed, or a change in between would never be heard of.
        driver.mode = admin.dispatch_mode().await?;
        driver.terminated = admin.read().await?.state == ExperimentState::Terminated;
        Ok(driver)
    }

    /// Lets every role do one thing, in the order in which an orchestrator decides (`ch03 §6`).
    async fn round(&mut self) -> Result<Round, DemoError> {
        self.acted = false;
        let crew = self.crew.clone();
        let orchestrator = &crew.orchestrator.client;
        self.catch_up(orchestrator).await?;
        self.decide_termination(orchestrator).await?;
        if self.terminated && !self.is_followed_on {
            catalog::follow_on(&self.options, &self.experiment).await?;
            self.is_followed_on = true;
        }
        let view = View::read(orchestrator).await?;
        self.foreign.retain(|id| view.live().any(|task| task.task_id == *id));
        self.reclaim_expired(orchestrator, &view).await?;
        self.settle(orchestrator, &view).await?;
        self.integrate(&crew.orchestrator).await?;
        if !self.terminated {
            self.dispatch(orchestrator, &view).await?;
        }
        self.evaluate(&crew, &view).await?;
        self.execute(&crew, &view).await?;
        self.ideate(&crew, &view).await?;
        self.tidy().await?;
        let in_flight = !view.claimed.is_empty() || !view.submitted.is_empty();
        Ok(if self.acted {
            Round::Acted
        } else if self.terminated && !in_flight && self.is_integrated() {
            Round::Done
        } else {
            Round::Idle
        })
    }

    /// Paces an action that changed something. That somebody else was quicker is no fault: the next
    /// round sees how things stand.
    async fn act<T>(&mut self, result: Result<T, ClientError>) -> Result<Option<T>, DemoError> {
        match result {
            Ok(value) => {
                self.acted = true;
                tokio::time::sleep(self.plan.pace(self.ledger.attempted)).await;
                Ok(Some(value))
            }
            Err(fault) if is_lost_race(&fault) => {
                debug!(experiment.id = %self.experiment, "somebody else was quicker: {fault}");
                Ok(None)
            }
            Err(fault) => Err(fault.into()),
        }
    }

    async fn git<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Repo) -> Result<T, RepoError> + Send + 'static,
    ) -> Result<Result<T, RepoError>, DemoError> {
        let repo = self.repo.clone();
        Ok(tokio::task::spawn_blocking(move || work(&repo)).await?)
    }

    async fn tidy(&mut self) -> Result<(), DemoError> {
        let attempted = self.ledger.attempted;
        if self.tidied_at.is_none_or(|before| attempted >= before + TIDY) {
            self.tidied_at = Some(attempted);
            let packed = self.git(Repo::tidy).await??;
            debug!(experiment.id = %self.experiment, git.objects = packed, "tidied the repository");
        }
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    /// Whether this claim of an executor or evaluator is one of the few that are never finished; it depends
    /// on the claim alone, so a restart does not change it. An ideator, being the only one, never goes away.
    fn is_dropped(&self, task: &Task) -> bool {
        use rand::RngExt;
        let Some(claim) = task.claim.as_ref().filter(|claim| claim.expires_at.is_some()) else {
            return false;
        };
        let one_in = self.plan.pilot.drop_one_in;
        let label = format!("{} {}", task.task_id, claim.claimed_at);
        one_in > 0 && super::problem::rng(self.plan.pilot.seed, &label).random_range(0..one_in) == 0
    }

    async fn claim(&mut self, member: &Member, task: &Task) -> Result<bool, DemoError> {
        let good_for = Duration::from_secs(self.plan.pilot.claim_seconds.into())
            // A slow experiment's worker gets its turn less often.
            .max(self.plan.pace(self.ledger.attempted) * 40);
        let expires_at = self.now().instant().checked_add(good_for).ok().map(Timestamp::from);
        let request = crate::protocol::ClaimRequest { expires_at };
        let claimed = member.client.claim(&task.task_id, &request).await;
        Ok(self.act(claimed).await?.is_some())
    }
}

impl Plan {
    /// The time between two actions once there are so many variants.
    fn pace(&self, variants: u64) -> Duration {
        let pace = self.pilot.pace_ms.clamp(1, 3_600_000);
        Duration::from_millis(pace + pace.saturating_mul(variants) / self.pilot.settle_after.max(1))
    }
}

fn is_lost_race(fault: &ClientError) -> bool {
    matches!(
        fault.error_type(),
        Some(
            ErrorType::IllegalTransition
                | ErrorType::NotClaimed
                | ErrorType::WrongClaimant
                | ErrorType::WorkerNotEligible
                | ErrorType::AlreadyExists
                | ErrorType::InvalidPrecondition
                | ErrorType::ConflictingResubmission
        )
    )
}

/// Whether a worker may try to claim a task: only targets that are surely met are tried.
fn is_open_to(task: &Task, member: &Member) -> bool {
    task.target
        .as_ref()
        .is_none_or(|target| target.id == (&member.id).into())
}

/// Ids are made of parts that are never empty.
fn named<T>(id: Result<T, crate::protocol::IdError>) -> Result<T, DemoError> {
    id.map_err(|fault| DemoError::Plan(fault.to_string()))
}
