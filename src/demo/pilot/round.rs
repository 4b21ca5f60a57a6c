//! One round of a driver: every worker does one thing.

use tracing::debug;

use super::driver::Driver;
use super::open_work::OpenWork;
use crate::demo::catalog;
use crate::demo::error::DemoError;
use crate::demo::repo::Repo;
use crate::demo::workers::WorkerClient;
use crate::protocol::TaskKind;

/// The result of a round.
pub(super) enum Round {
    /// Something was changed.
    Acted,
    /// There was nothing to do yet.
    Idle,
    /// The experiment has ended, and nothing is left to do for it.
    Done,
}

/// So many variants are made before the repository is packed again.
const PACK_AFTER: u64 = 150;

impl Driver {
    /// Lets every role do one thing, in the order in which an orchestrator decides (`ch03 §6`).
    pub(super) async fn round(&mut self) -> Result<Round, DemoError> {
        self.acted = false;
        self.read_events().await?;
        self.decide_termination().await?;
        if self.terminated && !self.has_next_run {
            catalog::ensure_next_run(&self.options, &self.experiment).await?;
            self.has_next_run = true;
        }
        let mut work = OpenWork::read(&self.client()).await?;
        self.foreign.retain(|id| work.live().any(|task| task.task_id == *id));
        self.reclaim_expired(&work).await?;
        self.settle(&work).await?;
        self.integrate().await?;
        if self.terminated {
            // Nobody may claim any more; what is claimed may be finished.
            work.pending.clear();
        } else {
            self.dispatch(&work).await?;
        }
        self.work(TaskKind::Evaluation, &mut work).await?;
        self.work(TaskKind::Execution, &mut work).await?;
        // Until the baseline is measured there is nothing to breed from.
        if !self.elite.best_first().is_empty() {
            self.work(TaskKind::Ideation, &mut work).await?;
        }
        self.pack_repository().await?;
        let is_settled = work.claimed.is_empty() && work.submitted.is_empty();
        Ok(if self.acted {
            Round::Acted
        } else if self.terminated && is_settled && self.is_integrated() {
            Round::Done
        } else {
            Round::Idle
        })
    }

    /// Each worker for a kind of task does the task that it holds, or claims one.
    async fn work(&mut self, kind: TaskKind, work: &mut OpenWork) -> Result<(), DemoError> {
        let workers = self.workers.clone();
        for worker in workers.for_kind(kind) {
            let Some(task) = work.held_by(worker) else {
                self.claim_next(worker, kind, work).await?;
                continue;
            };
            match kind {
                TaskKind::Ideation => self.ideate(worker, &task).await?,
                TaskKind::Execution => self.execute(worker, &task).await?,
                TaskKind::Evaluation => self.evaluate(worker, &task).await?,
            }
        }
        Ok(())
    }

    async fn claim_next(
        &mut self,
        worker: &WorkerClient,
        kind: TaskKind,
        work: &mut OpenWork,
    ) -> Result<(), DemoError> {
        while let Some(task) = work.take_pending(kind, worker) {
            if kind != TaskKind::Execution || self.is_ours(worker, &task).await? {
                return self.claim(worker, &task).await;
            }
        }
        Ok(())
    }

    async fn pack_repository(&mut self) -> Result<(), DemoError> {
        let attempted = self.progress.attempted;
        if self.packed_at.is_none_or(|before| attempted >= before + PACK_AFTER) {
            self.packed_at = Some(attempted);
            let packed = self.git(Repo::pack).await??;
            debug!(experiment.id = %self.experiment, git.objects = packed, "packed the repository");
        }
        Ok(())
    }
}
