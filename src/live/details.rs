//! Whole entities for detail pages, read on demand.
//!
//! The key carries the mirror's epoch and what is held the row's revision, so an answer that was on its way when the row
//! changed can never be shown as the present: whoever knows of the change reads again, and what is read takes the place
//! of what was held.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join;
use quick_cache::sync::{Cache, DefaultLifecycle, EntryAction, EntryResult};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use super::mirror::Mirror;
use super::revision::Epoch;
use super::weight::{block, object, shared};
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

/// The caches of whole entities, one a kind.
pub struct Details {
    tasks: Kept<TaskId, TaskDetail>,
    ideas: Kept<IdeaId, Idea>,
    variants: Kept<VariantId, Variant>,
}

/// Each read asks `client` for what is not held. It fails with why there is none to ask, with what the task store refused,
/// or that it was not reached.
impl Details {
    /// Caches of at most so many bytes together: half for tasks with their submissions, a quarter each for ideas and for
    /// variants.
    pub(super) fn new(bytes: u64) -> Self {
        Self {
            tasks: Kept::new(bytes / 2),
            ideas: Kept::new(bytes / 4),
            variants: Kept::new(bytes / 4),
        }
    }

    /// The task whose row has `revision`, and its submission.
    pub async fn task(
        &self,
        mirror: &Mirror,
        client: Result<ExperimentClient, ClientError>,
        id: &TaskId,
        revision: u64,
    ) -> Result<Arc<TaskDetail>, ClientError> {
        let read = async {
            let client = client?;
            let (task, submission) = try_join(client.task(id), client.submission(id)).await?;
            Ok(TaskDetail { task, submission })
        };
        self.tasks.read((mirror.epoch(), id.clone()), revision, read).await
    }

    /// The idea whose row has `revision`.
    pub async fn idea(
        &self,
        mirror: &Mirror,
        client: Result<ExperimentClient, ClientError>,
        id: &IdeaId,
        revision: u64,
    ) -> Result<Arc<Idea>, ClientError> {
        let key = (mirror.epoch(), id.clone());
        let read = async { client?.idea(id).await };
        self.ideas.read(key, revision, read).await
    }

    /// The variant whose row has `revision`.
    pub async fn variant(
        &self,
        mirror: &Mirror,
        client: Result<ExperimentClient, ClientError>,
        id: &VariantId,
        revision: u64,
    ) -> Result<Arc<Variant>, ClientError> {
        let key = (mirror.epoch(), id.clone());
        let read = async { client?.variant(id).await };
        self.variants.read(key, revision, read).await
    }
}

/// An entity as it was when its row had a revision, or later.
struct Held<T> {
    revision: u64,
    entity: Arc<T>,
}

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        Self {
            revision: self.revision,
            entity: self.entity.clone(),
        }
    }
}

/// What an entity takes in memory, in bytes.
trait Weighed {
    fn weight(&self) -> usize;
}

#[derive(Clone)]
struct ByBytes;

impl<Id, T: Weighed> Weighter<(Epoch, Id), Held<T>> for ByBytes {
    fn weight(&self, _: &(Epoch, Id), held: &Held<T>) -> u64 {
        // The place in the cache, and the id.
        const ENTRY: usize = 200;
        (ENTRY + shared(size_of::<T>()) + held.entity.weight()) as u64
    }
}

/// The cache of one kind: of each entity the newest that was read.
struct Kept<Id, T>(Cache<(Epoch, Id), Held<T>, ByBytes>);

impl<Id: Clone + Eq + Hash, T: Weighed> Kept<Id, T> {
    #[expect(clippy::expect_used, reason = "both numbers that the options need are given")]
    fn new(bytes: u64) -> Self {
        let options = OptionsBuilder::new()
            // One room for all: an entity may be as large as the budget, not only as large as a part of it.
            .shards(1)
            .estimated_items_capacity(1024)
            .weight_capacity(bytes)
            .build()
            .expect("complete");
        let (hash, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self(Cache::with_options(options, ByBytes, hash, lifecycle))
    }

    /// What is held of this revision or a newer one; otherwise what `read` reads, once for all who ask meanwhile.
    ///
    /// A page has most of what it shows without the detail, and is better without it than late.
    async fn read(
        &self,
        key: (Epoch, Id),
        revision: u64,
        read: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<Arc<T>, ClientError> {
        let reading = async {
            let entry = self.0.entry_async(&key, |_, held| match held.revision >= revision {
                true => EntryAction::Retain(held.entity.clone()),
                false => EntryAction::ReplaceWithGuard,
            });
            let guard = match entry.await {
                EntryResult::Retained(entity) => return Ok(entity),
                EntryResult::Vacant(guard) | EntryResult::Replaced(guard, _) => Some(guard),
                EntryResult::Removed(..) | EntryResult::Timeout => None,
            };
            let entity = Arc::new(read.await?);
            if let Some(guard) = guard {
                let entity = entity.clone();
                // Refused when it was emptied meanwhile; then the next one reads it again.
                let _ = guard.insert(Held { revision, entity });
            }
            Ok(entity)
        };
        tokio::time::timeout(PATIENCE, reading)
            .await
            .unwrap_or(Err(ClientError::TimedOut))
    }
}

impl Weighed for TaskDetail {
    fn weight(&self) -> usize {
        let submission = self.submission.as_ref().map_or(0, |submission| {
            block(submission.artifacts_uri.as_ref().map_or(0, String::len))
                + submission.evaluation.as_ref().map_or(0, object)
                + object(&submission.extra)
                // An id each, and its place.
                + submission.idea_ids.as_ref().map_or(0, Vec::len) * 80
        });
        // Ids of the task and of who had to do with it.
        const IDS: usize = 320;
        IDS + object(&self.task.payload) + object(&self.task.extra) + submission
    }
}

impl Weighed for Idea {
    fn weight(&self) -> usize {
        const IDS: usize = 320;
        let parents = self.parent_commits.len() * 80;
        IDS + parents + block(self.slug.len()) + block(self.artifacts_uri.len()) + object(&self.extra)
    }
}

impl Weighed for Variant {
    fn weight(&self) -> usize {
        const IDS: usize = 480;
        let texts = [
            &self.branch,
            &self.description,
            &self.artifacts_uri,
            &self.executor_artifacts_uri,
        ];
        let texts = texts.into_iter().flatten().map(|text| block(text.len())).sum::<usize>();
        let parents = self.parent_commits.len() * 80;
        IDS + parents + texts + self.evaluation.as_ref().map_or(0, object) + object(&self.extra)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join_all;
    use tokio::sync::oneshot;

    use super::*;

    struct Text(String);

    impl Weighed for Text {
        fn weight(&self) -> usize {
            self.0.len()
        }
    }

    async fn read(kept: &Kept<u32, Text>, epoch: Epoch, id: u32, revision: u64, reads: &Cell<usize>) -> String {
        let fresh = async {
            reads.set(reads.get() + 1);
            Ok(Text(format!("{id} of {revision}")))
        };
        let text = kept.read((epoch, id), revision, fresh).await.expect("read");
        text.0.clone()
    }

    #[tokio::test]
    async fn a_newer_row_is_read_anew_and_takes_the_place_of_the_old() {
        let (kept, epoch, reads) = (Kept::new(1 << 20), Epoch::fresh(), Cell::new(0));
        assert_eq!(read(&kept, epoch, 1, 4, &reads).await, "1 of 4");
        assert_eq!(read(&kept, epoch, 1, 4, &reads).await, "1 of 4");
        assert_eq!(read(&kept, epoch, 1, 7, &reads).await, "1 of 7");
        // Who still has the old row sees what is newer rather than asking for what is gone.
        assert_eq!(read(&kept, epoch, 1, 4, &reads).await, "1 of 7");
        assert_eq!((reads.get(), kept.0.len()), (2, 1));
        // Another life of the mirror counts its revisions anew.
        assert_eq!(read(&kept, Epoch::fresh(), 1, 2, &reads).await, "1 of 2");
        for revision in 8..1000 {
            read(&kept, epoch, 1, revision, &reads).await;
        }
        assert_eq!(kept.0.len(), 2, "what was superseded is gone");
    }

    #[tokio::test]
    async fn an_answer_that_was_on_its_way_is_not_given_to_who_knows_better() {
        let (kept, epoch, reads) = (Kept::new(1 << 20), Epoch::fresh(), Cell::new(0));
        let (answer, late) = oneshot::channel();
        let old = kept.read((epoch, 1), 4, async { Ok(Text(late.await.expect("told"))) });
        let new = async {
            answer.send("1 of 4".to_owned()).expect("still waited for");
            read(&kept, epoch, 1, 5, &reads).await
        };
        let (old, new) = tokio::join!(old, new);
        assert_eq!(old.expect("read").0, "1 of 4");
        assert_eq!((new.as_str(), reads.get()), ("1 of 5", 1));
    }

    #[tokio::test]
    async fn who_asks_meanwhile_waits_for_the_same_answer_and_a_failure_is_not_kept() {
        let (kept, epoch, reads) = (Kept::<u32, Text>::new(1 << 20), Epoch::fresh(), Cell::new(0));
        let failed = kept.read((epoch, 1), 1, async { Err(ClientError::TimedOut) }).await;
        assert!(failed.is_err());
        let all = join_all((0..50).map(|_| read(&kept, epoch, 1, 1, &reads))).await;
        assert!(all.iter().all(|text| text == "1 of 1"));
        assert_eq!(reads.get(), 1);
    }

    #[tokio::test]
    async fn bytes_are_what_is_bounded() {
        let (kept, epoch) = (Kept::new(100_000), Epoch::fresh());
        for id in 0..200 {
            let long = async { Ok(Text("x".repeat(5_000))) };
            kept.read((epoch, id), 1, long).await.expect("read");
            assert!(kept.0.weight() <= 100_000);
        }
        assert!((10..20).contains(&kept.0.len()), "{}", kept.0.len());
        // What is heavier than all there is room for is handed on and not kept.
        let heavy = async { Ok(Text("x".repeat(200_000))) };
        let heavy = kept.read((epoch, 1000), 1, heavy).await.expect("read");
        assert!(heavy.0.len() == 200_000 && kept.0.weight() <= 100_000);
    }
}
