//! One experiment being run: what is known of it, and the steps that every role takes in the same way.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tracing::debug;

use super::elite::Elite;
use super::progress::Progress;
use crate::client::{ClientError, ExperimentClient};
use crate::demo::error::DemoError;
use crate::demo::options::Options;
use crate::demo::plan::Plan;
use crate::demo::problem::rng;
use crate::demo::repo::{Repo, RepoError};
use crate::demo::workers::{RoleWorkers, WorkerClient};
use crate::protocol::{ClaimRequest, CommitSha, DispatchMode, ErrorType, ExperimentId, ExperimentState};
use crate::protocol::{Submission, Task, TaskId, Timestamp, Variant};

/// Drives one experiment. It may be dropped at any await: the next one continues from what the backend and the
/// repository say.
pub(super) struct Driver {
    pub options: Options,
    pub experiment: ExperimentId,
    pub plan: Arc<Plan>,
    pub workers: Arc<RoleWorkers>,
    pub repo: Repo,
    /// The commit where the experiment starts.
    pub seed: CommitSha,
    pub progress: Progress,
    pub elite: Elite,
    pub mode: DispatchMode,
    pub terminated: bool,
    /// Execution tasks whose ideas hold no mutation. People proposed them, and people execute them.
    pub foreign: HashSet<TaskId>,
    /// Whether this round changed something.
    pub acted: bool,
    /// How many variants there were when the repository was last packed.
    pub packed_at: Option<u64>,
    /// Whether the run that follows this experiment is there.
    pub has_next_run: bool,
}

impl Driver {
    pub(super) async fn open(options: &Options, id: &ExperimentId, plan: Arc<Plan>) -> Result<Self, DemoError> {
        let admin = options.client.experiment(id);
        let experiment = admin.read().await?;
        let base = experiment.base_commit_sha.as_ref();
        let path = options.repository(id);
        if !tokio::fs::try_exists(&path).await.unwrap_or(false) {
            // The commits of an experiment that was driven from another data directory may be only there.
            let is_fresh = admin.variants().await?.items.iter().all(Variant::is_baseline);
            if base.is_some() || !is_fresh {
                return Err(DemoError::Plan("its commits are in no repository of the demo".into()));
            }
        }
        let (repo, seed) = plan.ensure_repository(path, experiment.created_at).await?;
        if base.is_some_and(|base| *base != seed) {
            let fault = format!("its base commit is not {seed}, the tip of main");
            return Err(DemoError::Plan(fault));
        }
        let count = plan.pilot.workers.clamp(1, 9);
        let workers = RoleWorkers::ensure(&admin, &options.credentials(), count).await?;
        let mut driver = Self {
            options: options.clone(),
            experiment: id.clone(),
            workers: Arc::new(workers),
            repo,
            seed,
            progress: Progress::new(experiment.created_at, plan.termination.clone()),
            elite: Elite::new(plan.direction),
            mode: DispatchMode::default(),
            terminated: false,
            foreign: HashSet::new(),
            acted: false,
            packed_at: None,
            has_next_run: false,
            plan,
        };
        driver.load_state().await?;
        // Only now, after the cursor in the log is known: a change before would be in no event that is read.
        driver.mode = admin.dispatch_mode().await?;
        driver.terminated = admin.read().await?.state == ExperimentState::Terminated;
        Ok(driver)
    }

    /// The client of the orchestrator.
    pub(super) fn client(&self) -> ExperimentClient {
        self.workers.orchestrator.client.clone()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    /// Makes a call that changes something, and waits for the pace of the experiment. `None` when another client was
    /// quicker, which is no fault: the next round reads how things are.
    pub(super) async fn act<T>(
        &mut self,
        call: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<Option<T>, DemoError> {
        match call.await {
            Ok(value) => {
                self.acted = true;
                tokio::time::sleep(self.plan.pace(self.progress.attempted)).await;
                Ok(Some(value))
            }
            Err(fault) if is_lost_race(&fault) => {
                debug!(experiment.id = %self.experiment, "another client was quicker: {fault}");
                Ok(None)
            }
            Err(fault) => Err(fault.into()),
        }
    }

    pub(super) async fn claim(&mut self, worker: &WorkerClient, task: &Task) -> Result<(), DemoError> {
        // In a slow experiment a worker's turn comes less often, so its claim lasts longer.
        let pace = self.plan.pace(self.progress.attempted);
        let duration = Duration::from_secs(self.plan.pilot.claim_seconds.into()).max(pace * 40);
        let expires_at = self.now().instant().checked_add(duration).ok().map(Timestamp::from);
        let request = ClaimRequest { expires_at };
        self.act(worker.client.claim(&task.task_id, &request)).await?;
        Ok(())
    }

    pub(super) async fn submit(
        &mut self,
        worker: &WorkerClient,
        task: &Task,
        submission: Submission,
    ) -> Result<(), DemoError> {
        self.act(worker.client.submit(&task.task_id, submission)).await?;
        Ok(())
    }

    /// Whether this claim of an executor or evaluator is one of the few that are abandoned. It depends on the claim
    /// alone, so a restart does not change it. The only ideator never abandons one.
    pub(super) fn is_dropped(&self, task: &Task) -> bool {
        let Some(claim) = task.claim.as_ref().filter(|claim| claim.expires_at.is_some()) else {
            return false;
        };
        let one_in = self.plan.pilot.drop_one_in;
        let label = format!("{} {}", task.task_id, claim.claimed_at);
        one_in > 0 && rng(self.plan.pilot.seed, &label).random_range(0..one_in) == 0
    }

    /// Computes something about the problem, on a thread where that may take long.
    pub(super) async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Plan) -> T + Send + 'static,
    ) -> Result<T, DemoError> {
        let plan = self.plan.clone();
        Ok(tokio::task::spawn_blocking(move || work(&plan)).await?)
    }

    /// Works on the repository, on a thread where that may take long.
    pub(super) async fn git<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Repo) -> Result<T, RepoError> + Send + 'static,
    ) -> Result<Result<T, RepoError>, DemoError> {
        let repo = self.repo.clone();
        Ok(tokio::task::spawn_blocking(move || work(&repo)).await?)
    }

    /// The genomes of some commits; none when a commit has no genome.
    pub(super) async fn genomes(&self, commits: &[CommitSha]) -> Result<Option<Vec<String>>, DemoError> {
        let (file, commits) = (self.plan.problem.file(), commits.to_vec());
        let read = self.git(move |repo| commits.iter().map(|commit| repo.read(commit, file)).collect());
        Ok(read.await?.ok())
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
