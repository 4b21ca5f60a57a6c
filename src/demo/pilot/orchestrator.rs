//! The orchestrator: ends the experiment, takes tasks back, and accepts or rejects submissions (`ch03 §6`).

use tracing::info;

use super::driver::Driver;
use super::open_work::OpenWork;
use crate::demo::error::DemoError;
use crate::protocol::{DecisionMode, ReclaimCause, RejectReason, Submission, SubmissionStatus};
use crate::protocol::{Task, TaskKind, VariantStatus};

impl Driver {
    /// Decision 0: termination, by the experiment's own policy.
    pub(super) async fn decide_termination(&mut self) -> Result<(), DemoError> {
        if self.terminated || self.mode.termination == DecisionMode::Manual {
            return Ok(());
        }
        if let Some(reason) = self.progress.reason_to_terminate(self.now()) {
            info!(experiment.id = %self.experiment, reason, "the termination policy ends the experiment");
            let client = self.client();
            self.terminated |= self.act(client.terminate(&reason)).await?.is_some();
        }
        Ok(())
    }

    /// Takes back the tasks whose claims have expired, of any worker.
    pub(super) async fn reclaim_expired(&mut self, work: &OpenWork) -> Result<(), DemoError> {
        let (client, now) = (self.client(), self.now());
        for task in &work.claimed {
            let expires_at = task.claim.as_ref().and_then(|claim| claim.expires_at);
            if expires_at.is_some_and(|at| at <= now) {
                self.act(client.reclaim(&task.task_id, ReclaimCause::Expired)).await?;
            }
        }
        Ok(())
    }

    /// Accepts or rejects what was submitted. No dispatch mode gates this.
    pub(super) async fn settle(&mut self, work: &OpenWork) -> Result<(), DemoError> {
        let client = self.client();
        for task in &work.submitted {
            let Some(submission) = client.submission(&task.task_id).await? else {
                continue;
            };
            match self.reason_to_reject(task, &submission).await? {
                None => self.act(client.accept(&task.task_id)).await?,
                Some(reason) => self.act(client.reject(&task.task_id, reason)).await?,
            };
        }
        Ok(())
    }

    /// Why a submission is to be rejected, if it is (`ch04 §4.3`).
    async fn reason_to_reject(&self, task: &Task, submission: &Submission) -> Result<Option<RejectReason>, DemoError> {
        if submission.status != SubmissionStatus::Success {
            return Ok(Some(RejectReason::WorkerError));
        }
        let is_valid = match task.kind {
            // The server has checked that the ideas exist and are ready.
            TaskKind::Ideation => true,
            TaskKind::Execution => self.is_valid_commit(submission).await?,
            TaskKind::Evaluation => submission.evaluation.as_ref().is_some_and(|evaluation| {
                self.plan.config.evaluation_fault(evaluation).is_none() && self.plan.score(Some(evaluation)).is_some()
            }),
        };
        Ok((!is_valid).then_some(RejectReason::ValidationError))
    }

    async fn is_valid_commit(&self, submission: &Submission) -> Result<bool, DemoError> {
        let (Some(variant), Some(commit)) = (&submission.variant_id, submission.commit_sha.clone()) else {
            return Ok(false);
        };
        let variant = self.client().variant(variant).await?;
        let parents = variant.parent_commits;
        let is_starting = variant.status == VariantStatus::Starting;
        Ok(is_starting && matches!(self.git(move |repo| repo.fault(&commit, &parents)).await?, Ok(None)))
    }
}
