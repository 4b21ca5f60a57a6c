//! Whole entities for detail pages, read on demand.
//!
//! The key carries the mirror's epoch and the row's revision, so a change makes a new key and an answer
//! that was on its way when the change came can never be shown as the present.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join;
use quick_cache::sync::Cache;

use super::mirror::Mirror;
use super::revision::Epoch;
use crate::client::{ClientError, ExperimentClient};
use crate::protocol::{Idea, IdeaId, Submission, Task, TaskId, Variant, VariantId};

/// A task with what was handed in for it.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskDetail {
    /// The task.
    pub task: Task,
    /// Its submission, if any.
    pub submission: Option<Submission>,
}

/// How long a page waits for a detail.
const PATIENCE: Duration = Duration::from_secs(2);

/// The mirror's epoch, the entity, and the revision of its row.
type Key<Id> = (Epoch, Id, u64);

/// The caches of whole entities, one a kind.
pub struct Details {
    tasks: Cache<Key<TaskId>, Arc<TaskDetail>>,
    ideas: Cache<Key<IdeaId>, Arc<Idea>>,
    variants: Cache<Key<VariantId>, Arc<Variant>>,
}

/// Each read fails with what the task store refused, or that it was not reached.
impl Details {
    /// Caches of at most `capacity` entities each.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            tasks: Cache::new(capacity),
            ideas: Cache::new(capacity),
            variants: Cache::new(capacity),
        }
    }

    /// The task whose row has `revision`, and its submission.
    pub async fn task(
        &self,
        mirror: &Mirror,
        client: &ExperimentClient,
        id: &TaskId,
        revision: u64,
    ) -> Result<Arc<TaskDetail>, ClientError> {
        let read = async {
            let (task, submission) = try_join(client.task(id), client.submission(id)).await?;
            Ok(Arc::new(TaskDetail { task, submission }))
        };
        patiently(
            self.tasks
                .get_or_insert_async(&(mirror.epoch(), id.clone(), revision), read),
        )
        .await
    }

    /// The idea whose row has `revision`.
    pub async fn idea(
        &self,
        mirror: &Mirror,
        client: &ExperimentClient,
        id: &IdeaId,
        revision: u64,
    ) -> Result<Arc<Idea>, ClientError> {
        let read = async { client.idea(id).await.map(Arc::new) };
        patiently(
            self.ideas
                .get_or_insert_async(&(mirror.epoch(), id.clone(), revision), read),
        )
        .await
    }

    /// The variant whose row has `revision`.
    pub async fn variant(
        &self,
        mirror: &Mirror,
        client: &ExperimentClient,
        id: &VariantId,
        revision: u64,
    ) -> Result<Arc<Variant>, ClientError> {
        let read = async { client.variant(id).await.map(Arc::new) };
        patiently(
            self.variants
                .get_or_insert_async(&(mirror.epoch(), id.clone(), revision), read),
        )
        .await
    }
}

/// A page has most of what it shows without the detail, and is better without it than late.
async fn patiently<T>(read: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
    tokio::time::timeout(PATIENCE, read)
        .await
        .unwrap_or(Err(ClientError::Late))
}
