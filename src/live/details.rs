//! Whole entities for detail pages, read on demand and cached.
//!
//! The key holds the mirror's epoch, and the cached value the row's revision. So an answer that was under way when the
//! row changed is never shown as current: a reader that knows of the change reads again, and replaces the cached value.

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

/// A task with its submission.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskDetail {
    /// The task.
    pub task: Task,
    /// Its submission, if there is one.
    pub submission: Option<Submission>,
}

/// How long a page waits for a detail. It has most of its content without, and is better without than late.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// The caches of whole entities, one for each kind.
pub struct Details {
    tasks: EntityCache<TaskId, TaskDetail>,
    ideas: EntityCache<IdeaId, Idea>,
    variants: EntityCache<VariantId, Variant>,
}

/// Each read asks `client` for what is not cached. Its errors are those of the client: there is none, the task store
/// refuses, or it was not reached in time.
impl Details {
    /// Caches of at most this many bytes together: half for tasks with their submissions, a quarter each for ideas and
    /// for variants.
    pub(super) fn new(bytes: u64) -> Self {
        Self {
            tasks: EntityCache::new(bytes / 2),
            ideas: EntityCache::new(bytes / 4),
            variants: EntityCache::new(bytes / 4),
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

/// A revision of the row, and the entity as of that revision or later.
type Cached<T> = (u64, Arc<T>);

/// Memory of an entity, in bytes.
trait HasWeight {
    fn weight(&self) -> usize;
}

#[derive(Clone)]
struct ByWeight;

impl<Id, T: HasWeight> Weighter<(Epoch, Id), Cached<T>> for ByWeight {
    fn weight(&self, _: &(Epoch, Id), (_, entity): &Cached<T>) -> u64 {
        // The entry in the cache, and the id.
        const ENTRY: usize = 200;
        (ENTRY + shared(size_of::<T>()) + entity.weight()) as u64
    }
}

/// The cache of one kind. Of each entity it has the newest version that was read.
struct EntityCache<Id, T>(Cache<(Epoch, Id), Cached<T>, ByWeight>);

impl<Id: Clone + Eq + Hash, T: HasWeight> EntityCache<Id, T> {
    #[expect(clippy::expect_used, reason = "both numbers that the options need are given")]
    fn new(bytes: u64) -> Self {
        let options = OptionsBuilder::new()
            // One shard: an entity may then be as large as the whole budget.
            .shards(1)
            .estimated_items_capacity(1024)
            .weight_capacity(bytes)
            .build()
            .expect("complete");
        let (hash, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self(Cache::with_options(options, ByWeight, hash, lifecycle))
    }

    /// The cached entity of this revision or a newer one; otherwise the result of `read`, shared by all callers that
    /// wait.
    async fn read(
        &self,
        key: (Epoch, Id),
        revision: u64,
        read: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<Arc<T>, ClientError> {
        let reading = async {
            let entry = self.0.entry_async(&key, |_, (cached_revision, entity)| {
                match *cached_revision >= revision {
                    true => EntryAction::Retain(entity.clone()),
                    false => EntryAction::ReplaceWithGuard,
                }
            });
            let guard = match entry.await {
                EntryResult::Retained(entity) => return Ok(entity),
                EntryResult::Vacant(guard) | EntryResult::Replaced(guard, _) => Some(guard),
                EntryResult::Removed(..) | EntryResult::Timeout => None,
            };
            let entity = Arc::new(read.await?);
            if let Some(guard) = guard {
                // The insertion is refused if the cache was cleared meanwhile; the next caller reads again.
                let _ = guard.insert((revision, entity.clone()));
            }
            Ok(entity)
        };
        tokio::time::timeout(READ_TIMEOUT, reading)
            .await
            .unwrap_or(Err(ClientError::TimedOut))
    }
}

impl HasWeight for TaskDetail {
    fn weight(&self) -> usize {
        let submission = self.submission.as_ref().map_or(0, |submission| {
            block(submission.artifacts_uri.as_ref().map_or(0, String::len))
                + submission.evaluation.as_ref().map_or(0, object)
                + object(&submission.extra)
                // An id each, and its element in the list.
                + submission.idea_ids.as_ref().map_or(0, Vec::len) * 80
        });
        // Ids of the task and of its workers.
        const IDS: usize = 320;
        IDS + object(&self.task.payload) + object(&self.task.extra) + submission
    }
}

impl HasWeight for Idea {
    fn weight(&self) -> usize {
        const IDS: usize = 320;
        let parents = self.parent_commits.len() * 80;
        IDS + parents + block(self.slug.len()) + block(self.artifacts_uri.len()) + object(&self.extra)
    }
}

impl HasWeight for Variant {
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

    impl HasWeight for Text {
        fn weight(&self) -> usize {
            self.0.len()
        }
    }

    async fn read(cache: &EntityCache<u32, Text>, epoch: Epoch, id: u32, revision: u64, reads: &Cell<usize>) -> String {
        let fresh = async {
            reads.set(reads.get() + 1);
            Ok(Text(format!("{id} of {revision}")))
        };
        let text = cache.read((epoch, id), revision, fresh).await.expect("read");
        text.0.clone()
    }

    #[tokio::test]
    async fn a_newer_revision_is_read_and_replaces_the_old() {
        let (cache, epoch, reads) = (EntityCache::new(1 << 20), Epoch::random(), Cell::new(0));
        assert_eq!(read(&cache, epoch, 1, 4, &reads).await, "1 of 4");
        assert_eq!(read(&cache, epoch, 1, 4, &reads).await, "1 of 4");
        assert_eq!(read(&cache, epoch, 1, 7, &reads).await, "1 of 7");
        // A reader with the old row gets the newer entity.
        assert_eq!(read(&cache, epoch, 1, 4, &reads).await, "1 of 7");
        assert_eq!((reads.get(), cache.0.len()), (2, 1));
        // Another epoch of the mirror starts its revisions again.
        assert_eq!(read(&cache, Epoch::random(), 1, 2, &reads).await, "1 of 2");
        for revision in 8..1000 {
            read(&cache, epoch, 1, revision, &reads).await;
        }
        assert_eq!(cache.0.len(), 2, "old revisions are not kept");
    }

    #[tokio::test]
    async fn an_answer_that_was_under_way_is_not_given_to_readers_of_a_newer_row() {
        let (cache, epoch, reads) = (EntityCache::new(1 << 20), Epoch::random(), Cell::new(0));
        let (answer, late) = oneshot::channel();
        let old = cache.read((epoch, 1), 4, async { Ok(Text(late.await.expect("told"))) });
        let new = async {
            answer.send("1 of 4".to_owned()).expect("still waited for");
            read(&cache, epoch, 1, 5, &reads).await
        };
        let (old, new) = tokio::join!(old, new);
        assert_eq!(old.expect("read").0, "1 of 4");
        assert_eq!((new.as_str(), reads.get()), ("1 of 5", 1));
    }

    #[tokio::test]
    async fn concurrent_readers_share_one_answer_and_a_failure_is_not_cached() {
        let (cache, epoch, reads) = (EntityCache::<u32, Text>::new(1 << 20), Epoch::random(), Cell::new(0));
        let failed = cache.read((epoch, 1), 1, async { Err(ClientError::TimedOut) }).await;
        assert!(failed.is_err());
        let all = join_all((0..50).map(|_| read(&cache, epoch, 1, 1, &reads))).await;
        assert!(all.iter().all(|text| text == "1 of 1"));
        assert_eq!(reads.get(), 1);
    }

    #[tokio::test]
    async fn the_cache_is_bounded_in_bytes() {
        let (cache, epoch) = (EntityCache::new(100_000), Epoch::random());
        for id in 0..200 {
            let long = async { Ok(Text("x".repeat(5_000))) };
            cache.read((epoch, id), 1, long).await.expect("read");
            assert!(cache.0.weight() <= 100_000);
        }
        assert!((10..20).contains(&cache.0.len()), "{}", cache.0.len());
        // An entity larger than the cache is returned and not cached.
        let heavy = async { Ok(Text("x".repeat(200_000))) };
        let heavy = cache.read((epoch, 1000), 1, heavy).await.expect("read");
        assert!(heavy.0.len() == 200_000 && cache.0.weight() <= 100_000);
    }
}
