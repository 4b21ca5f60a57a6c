//! What one round of a driver looks at.

use crate::client::{ClientError, ExperimentClient};
use crate::demo::credentials::Member;
use crate::protocol::{Idea, IdeaState, Task, TaskKind, TaskState, Variant, VariantStatus};

/// What the backend holds that is not finished.
pub(super) struct View {
    pub(super) pending: Vec<Task>,
    pub(super) claimed: Vec<Task>,
    pub(super) submitted: Vec<Task>,
    pub(super) ready: Vec<Idea>,
    pub(super) starting: Vec<Variant>,
}

impl View {
    pub(super) async fn read(client: &ExperimentClient) -> Result<Self, ClientError> {
        let mut view = Self {
            pending: client.tasks_in_state(TaskState::Pending).await?,
            claimed: client.tasks_in_state(TaskState::Claimed).await?,
            submitted: client.tasks_in_state(TaskState::Submitted).await?,
            ready: client.ideas_in(IdeaState::Ready).await?,
            starting: client.variants_in(VariantStatus::Starting).await?,
        };
        view.submitted.sort_by_key(|task| task.updated_at);
        view.pending.sort_by_key(|task| task.created_at);
        view.ready.sort_by(|a, b| b.priority.total_cmp(&a.priority));
        Ok(view)
    }

    pub(super) fn live(&self) -> impl Iterator<Item = &Task> {
        self.pending.iter().chain(&self.claimed).chain(&self.submitted)
    }

    pub(super) fn pending(&self, kind: TaskKind) -> impl Iterator<Item = &Task> {
        self.pending.iter().filter(move |task| task.kind == kind)
    }

    /// What a worker holds, if anything.
    pub(super) fn held_by(&self, member: &Member) -> Option<&Task> {
        self.claimed
            .iter()
            .find(|task| task.claim.as_ref().is_some_and(|claim| claim.worker_id == member.id))
    }
}
