//! The orchestrator's decisions 1 to 3: it creates the tasks (`ch03 §6`).

use super::driver::Driver;
use super::ids;
use super::open_work::OpenWork;
use crate::demo::error::DemoError;
use crate::protocol::{Baseline, DecisionMode, ErrorType, Extra, IdeationPolicy, Task, TaskId, TaskKind, TaskState};
use crate::protocol::{Variant, VariantStatus};

#[derive(PartialEq)]
enum Created {
    Now,
    /// A task of that id exists, live or ended.
    Before,
    /// The state of its subject has changed meanwhile.
    Refused,
}

impl Driver {
    /// The latest decision first, each only when its dispatch mode is `auto`.
    pub(super) async fn dispatch(&mut self, work: &OpenWork) -> Result<(), DemoError> {
        if !self.progress.has_baseline && self.plan.baseline != Baseline::Off {
            self.create_baseline().await?;
        }
        if self.mode.evaluation_dispatch == DecisionMode::Auto {
            self.dispatch_evaluations(work).await?;
        }
        if self.mode.execution_dispatch == DecisionMode::Auto {
            self.dispatch_executions(work).await?;
        }
        if self.mode.ideation_creation == DecisionMode::Auto {
            self.create_ideation(work).await?;
        }
        Ok(())
    }

    /// The seed as a variant of its own, with which all others are compared (`ch02 §9.4`).
    async fn create_baseline(&mut self) -> Result<(), DemoError> {
        let (id, now) = (ids::baseline(&self.experiment)?, self.now());
        let mut baseline = Variant {
            kind: Some("baseline".into()),
            commit_sha: Some(self.seed.clone()),
            description: Some("The problem's own starting point.".into()),
            ..Variant::starting(id, self.experiment.clone(), vec![self.seed.clone()], now)
        };
        if let Baseline::Given(metrics) = &self.plan.baseline {
            baseline.status = VariantStatus::Success;
            baseline.evaluation = Some(metrics.clone());
            baseline.completed_at = Some(now);
        }
        let client = self.client();
        self.act(client.create_variant(&baseline)).await?;
        self.progress.has_baseline = true;
        Ok(())
    }

    async fn dispatch_evaluations(&mut self, work: &OpenWork) -> Result<(), DemoError> {
        for variant in work.starting.iter().filter(|variant| variant.commit_sha.is_some()) {
            let id = &variant.variant_id;
            let is_busy = work.live().any(|task| {
                // A variant may have its commit before its execution task has ended.
                let executes = task.kind == TaskKind::Execution && task.idea_id() == variant.idea_id;
                executes || task.variant_id().as_ref() == Some(id)
            });
            if !is_busy {
                self.dispatch_evaluation(variant).await?;
            }
        }
        Ok(())
    }

    /// Creates the next evaluation task of a variant, or declares that it cannot be measured.
    async fn dispatch_evaluation(&mut self, variant: &Variant) -> Result<(), DemoError> {
        let id = &variant.variant_id;
        for attempt in 1..=ids::EVALUATIONS {
            let task = ids::evaluation(id, attempt)?;
            let created = self.create_task(task, TaskKind::Evaluation, ("variant_id", id.as_str()));
            if created.await? != Created::Before {
                return Ok(());
            }
        }
        let client = self.client();
        self.act(client.declare_evaluation_error(id)).await?;
        Ok(())
    }

    async fn dispatch_executions(&mut self, work: &OpenWork) -> Result<(), DemoError> {
        let is_in_flight = |task: &&Task| match task.kind {
            TaskKind::Ideation => false,
            TaskKind::Execution => !self.foreign.contains(&task.task_id),
            TaskKind::Evaluation => task.state != TaskState::Submitted,
        };
        let in_flight = work.live().filter(is_in_flight).count();
        let free = self.plan.parallel.saturating_sub(in_flight);
        for idea in work.ready.iter().take(free) {
            let task = ids::execution(&idea.idea_id)?;
            self.create_task(task, TaskKind::Execution, ("idea_id", idea.idea_id.as_str()))
                .await?;
        }
        Ok(())
    }

    async fn create_ideation(&mut self, work: &OpenWork) -> Result<(), DemoError> {
        let (target, total) = match self.plan.ideation {
            IdeationPolicy::MaintainPending { target, max_total } => (target, max_total),
            IdeationPolicy::FixedTotal { total } => (1, Some(total)),
        };
        let is_waiting = |task: &&Task| match &task.claim {
            None => task.state == TaskState::Pending,
            Some(claim) => self.workers.has_ideator(&claim.worker_id),
        };
        let ideations = work.live().filter(|task| task.kind == TaskKind::Ideation);
        let waiting = ideations.filter(is_waiting).count() as u64;
        // Ideas that wait are bred from parents that are no longer the best, so there are never many.
        let has_enough_ideas = work.ready.len() >= self.plan.parallel;
        let number = self.progress.next_task;
        if has_enough_ideas || waiting >= target || total.is_some_and(|total| number > total) {
            return Ok(());
        }
        let (task, subject) = (ids::ideation(&self.experiment, number)?, self.experiment.clone());
        let created = self.create_task(task, TaskKind::Ideation, ("experiment_id", subject.as_str()));
        if created.await? != Created::Refused {
            self.progress.next_task += 1;
        }
        Ok(())
    }

    async fn create_task(
        &mut self,
        task_id: TaskId,
        kind: TaskKind,
        (key, subject): (&str, &str),
    ) -> Result<Created, DemoError> {
        let now = self.now();
        let task = Task {
            task_id,
            kind,
            state: TaskState::Pending,
            payload: Extra::from_iter([(key.to_owned(), subject.into())]),
            target: None,
            created_by: None,
            submitted_by: None,
            claim: None,
            created_at: now,
            updated_at: now,
            extra: Extra::new(),
        };
        let created = self.client().create_task(&task).await;
        if matches!(&created, Err(fault) if fault.error_type() == Some(ErrorType::AlreadyExists)) {
            return Ok(Created::Before);
        }
        Ok(match self.act(async { created }).await? {
            Some(_) => Created::Now,
            None => Created::Refused,
        })
    }
}
