use crate::client::{ClientError, ExperimentClient};
use crate::demo::workers::WorkerClient;
use crate::protocol::{Idea, IdeaState, Task, TaskKind, TaskState, Variant, VariantStatus};

/// What is not finished, as the backend has it at the start of a round.
pub(super) struct OpenWork {
    /// The oldest first.
    pub pending: Vec<Task>,
    pub claimed: Vec<Task>,
    /// The one that has waited longest first.
    pub submitted: Vec<Task>,
    /// The highest priority first.
    pub ready: Vec<Idea>,
    pub starting: Vec<Variant>,
}

impl OpenWork {
    pub(super) async fn read(client: &ExperimentClient) -> Result<Self, ClientError> {
        let mut work = Self {
            pending: client.tasks_in_state(TaskState::Pending).await?,
            claimed: client.tasks_in_state(TaskState::Claimed).await?,
            submitted: client.tasks_in_state(TaskState::Submitted).await?,
            ready: client.ideas_in(IdeaState::Ready).await?,
            starting: client.variants_in(VariantStatus::Starting).await?,
        };
        work.submitted.sort_by_key(|task| task.updated_at);
        work.pending.sort_by_key(|task| task.created_at);
        work.ready.sort_by(|a, b| b.priority.total_cmp(&a.priority));
        Ok(work)
    }

    pub(super) fn live(&self) -> impl Iterator<Item = &Task> {
        self.pending.iter().chain(&self.claimed).chain(&self.submitted)
    }

    /// The task that a worker has claimed, if there is one.
    pub(super) fn held_by(&self, worker: &WorkerClient) -> Option<Task> {
        let holds = |task: &&Task| task.claim.as_ref().is_some_and(|claim| claim.worker_id == worker.id);
        self.claimed.iter().find(holds).cloned()
    }

    /// Takes out the first pending task of a kind that the worker may claim. A task for a group counts as one that it
    /// may not claim, since the members of the group are not read.
    pub(super) fn take_pending(&mut self, kind: TaskKind, worker: &WorkerClient) -> Option<Task> {
        let may_claim = |task: &Task| {
            let target = task.target.as_ref();
            task.kind == kind && target.is_none_or(|target| target.id == (&worker.id).into())
        };
        let at = self.pending.iter().position(may_claim)?;
        Some(self.pending.remove(at))
    }
}
