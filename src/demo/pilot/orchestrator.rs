//! The orchestrator: ends, takes back, settles, and hands out (`ch03 §6`).

use tracing::info;

use super::ledger::number;
use super::plan::IdeationPolicy;
use super::{DemoError, Driver, View, names};
use crate::client::ExperimentClient;
use crate::protocol::{DecisionMode, ErrorType, Extra, ReclaimCause, RejectReason, Submission, SubmissionStatus};
use crate::protocol::{Task, TaskId, TaskKind, TaskState, Variant, VariantStatus};

impl Driver {
    /// Decision 0: termination, by the experiment's own policy.
    pub(super) async fn decide_termination(&mut self, client: &ExperimentClient) -> Result<(), DemoError> {
        if self.terminated || self.mode.termination == DecisionMode::Manual {
            return Ok(());
        }
        if let Some(reason) = self.ledger.verdict(&self.plan.termination, self.now()) {
            info!(experiment.id = %self.experiment, reason, "the termination policy ends the experiment");
            let ended = client.terminate(&reason).await;
            self.terminated |= self.act(ended).await?.is_some();
        }
        Ok(())
    }

    /// Claims that ran out go back, whoever held them.
    pub(super) async fn reclaim_expired(&mut self, client: &ExperimentClient, view: &View) -> Result<(), DemoError> {
        let now = self.now();
        for task in &view.claimed {
            let expired = task.claim.as_ref().and_then(|claim| claim.expires_at);
            if expired.is_some_and(|at| at <= now) {
                let reclaimed = client.reclaim(&task.task_id, ReclaimCause::Expired).await;
                self.act(reclaimed).await?;
            }
        }
        Ok(())
    }

    /// Accepts what holds up and rejects what does not. No dispatch mode gates this.
    pub(super) async fn settle(&mut self, client: &ExperimentClient, view: &View) -> Result<(), DemoError> {
        for task in &view.submitted {
            let Some(submission) = client.submission(&task.task_id).await? else {
                continue;
            };
            let settled = match self.judge(client, task, &submission).await? {
                None => client.accept(&task.task_id).await,
                Some(reason) => client.reject(&task.task_id, reason).await,
            };
            self.act(settled).await?;
        }
        Ok(())
    }

    /// Why a submission is to be rejected, if it is (`ch04 §4.3`).
    async fn judge(
        &self,
        client: &ExperimentClient,
        task: &Task,
        submission: &Submission,
    ) -> Result<Option<RejectReason>, DemoError> {
        if submission.status != SubmissionStatus::Success {
            return Ok(Some(RejectReason::WorkerError));
        }
        let holds = match task.kind {
            // The server has checked that the ideas exist and are ready.
            TaskKind::Ideation => true,
            TaskKind::Execution => match (&submission.variant_id, &submission.commit_sha) {
                (Some(variant), Some(commit)) => {
                    let variant = client.variant(variant).await?;
                    let (commit, parents) = (commit.clone(), variant.parent_commits);
                    let starting = variant.status == VariantStatus::Starting;
                    starting && matches!(self.git(move |repo| repo.fault(&commit, &parents)).await?, Ok(None))
                }
                _ => false,
            },
            TaskKind::Evaluation => submission.evaluation.as_ref().is_some_and(|evaluation| {
                self.plan.config.evaluation_fault(evaluation).is_none()
                    && number(Some(evaluation), &self.plan.metric).is_some()
            }),
        };
        Ok((!holds).then_some(RejectReason::ValidationError))
    }

    /// Decisions 3, 2 and 1, each as far as its dispatch mode lets it.
    pub(super) async fn dispatch(&mut self, client: &ExperimentClient, view: &View) -> Result<(), DemoError> {
        if !self.ledger.has_baseline && self.plan.baseline.enabled {
            self.create_baseline(client).await?;
        }
        if self.mode.evaluation_dispatch == DecisionMode::Auto {
            self.dispatch_evaluations(client, view).await?;
        }
        if self.mode.execution_dispatch == DecisionMode::Auto {
            self.dispatch_executions(client, view).await?;
        }
        if self.mode.ideation_creation == DecisionMode::Auto {
            self.create_ideation(client, view).await?;
        }
        Ok(())
    }

    /// The seed as a variant of its own, so that everything else has something to be better than (`ch02 §9.4`).
    async fn create_baseline(&mut self, client: &ExperimentClient) -> Result<(), DemoError> {
        let metrics = self.plan.baseline.metrics.clone();
        let now = self.now();
        let baseline = Variant {
            variant_id: super::named(names::baseline(&self.experiment))?,
            experiment_id: self.experiment.clone(),
            kind: Some("baseline".into()),
            status: if metrics.is_some() {
                VariantStatus::Success
            } else {
                VariantStatus::Starting
            },
            idea_id: None,
            parent_commits: vec![self.seed.clone()],
            branch: None,
            commit_sha: Some(self.seed.clone()),
            variant_commit_sha: None,
            description: Some("The problem's own starting point.".into()),
            completed_at: metrics.is_some().then_some(now),
            evaluation: metrics,
            artifacts_uri: None,
            executor_artifacts_uri: None,
            started_at: now,
            executed_by: None,
            evaluated_by: None,
            extra: Extra::new(),
        };
        let created = client.create_variant(&baseline).await;
        self.act(created).await?;
        self.ledger.has_baseline = true;
        Ok(())
    }

    async fn dispatch_evaluations(&mut self, client: &ExperimentClient, view: &View) -> Result<(), DemoError> {
        for variant in view.starting.iter().filter(|variant| variant.commit_sha.is_some()) {
            let id = &variant.variant_id;
            if view.live().any(|task| task.variant_id().as_ref() == Some(id)) {
                continue;
            }
            // A variant still being executed may have its commit already.
            if view
                .live()
                .any(|task| task.kind == TaskKind::Execution && task.idea_id() == variant.idea_id)
            {
                continue;
            }
            let mut dispatched = false;
            for attempt in 1..=names::EVALUATIONS {
                let payload = [("variant_id".to_owned(), id.as_str().into())];
                let task = super::named(names::evaluation(id, attempt))?;
                if self
                    .create(client, task, TaskKind::Evaluation, payload.into_iter().collect())
                    .await?
                    != Created::Before
                {
                    dispatched = true;
                    break;
                }
            }
            if !dispatched {
                let declared = client.declare_evaluation_error(id).await;
                self.act(declared).await?;
            }
        }
        Ok(())
    }

    async fn dispatch_executions(&mut self, client: &ExperimentClient, view: &View) -> Result<(), DemoError> {
        let executing = view
            .live()
            .filter(|task| task.kind == TaskKind::Execution && !self.foreign.contains(&task.task_id));
        let measuring = view
            .live()
            .filter(|task| task.kind == TaskKind::Evaluation && task.state != TaskState::Submitted);
        let in_flight = executing.count() + measuring.count();
        for idea in view.ready.iter().take(self.plan.parallel.saturating_sub(in_flight)) {
            let payload = [("idea_id".to_owned(), idea.idea_id.as_str().into())];
            let task = super::named(names::execution(&idea.idea_id))?;
            self.create(client, task, TaskKind::Execution, payload.into_iter().collect())
                .await?;
        }
        Ok(())
    }

    async fn create_ideation(&mut self, client: &ExperimentClient, view: &View) -> Result<(), DemoError> {
        let made = self.ledger.next_task - 1;
        let (target, total) = match self.plan.ideation {
            IdeationPolicy::MaintainPending { target, max_total } => (target, max_total),
            IdeationPolicy::FixedTotal { total } => (1, Some(total)),
        };
        let pending = view.pending(TaskKind::Ideation).count();
        let ours = view.live().filter(|task| {
            task.kind == TaskKind::Ideation && task.claim.as_ref().is_some_and(|claim| self.crew.has(&claim.worker_id))
        });
        // Ideas bred from yesterday's parents are worth little: no stock is laid in.
        let enough = view.ready.len() >= self.plan.parallel;
        if enough || pending + ours.count() >= target || total.is_some_and(|total| made >= total) {
            return Ok(());
        }
        let task = super::named(names::ideation(&self.experiment, self.ledger.next_task))?;
        let payload = [("experiment_id".to_owned(), self.experiment.as_str().into())];
        if self
            .create(client, task, TaskKind::Ideation, payload.into_iter().collect())
            .await?
            != Created::Refused
        {
            self.ledger.next_task += 1;
        }
        Ok(())
    }

    async fn create(
        &mut self,
        client: &ExperimentClient,
        task_id: TaskId,
        kind: TaskKind,
        payload: Extra,
    ) -> Result<Created, DemoError> {
        let now = self.now();
        let task = Task {
            task_id,
            kind,
            state: TaskState::Pending,
            payload,
            target: None,
            created_by: None,
            submitted_by: None,
            claim: None,
            created_at: now,
            updated_at: now,
            extra: Extra::new(),
        };
        let created = client.create_task(&task).await;
        if matches!(&created, Err(fault) if fault.error_type() == Some(ErrorType::AlreadyExists)) {
            return Ok(Created::Before);
        }
        Ok(match self.act(created).await? {
            Some(_) => Created::Now,
            None => Created::Refused,
        })
    }
}

#[derive(PartialEq)]
enum Created {
    Now,
    /// A task of that id exists, live or ended.
    Before,
    /// What it is for has changed meanwhile.
    Refused,
}
