//! Group commit: the writes that wait for their turn share one transaction, and so one sync of the disk.
//!
//! A write that is done queues once more, behind all who were waiting by then; each of those finds the transaction
//! open and works in it. The first to come round again commits for everybody. Nobody waits for a batch to fill:
//! a write that is alone comes round at once.
//!
//! A turn sees what landed before it and is not true yet. So a request whose turn changed nothing, a repeat or a
//! refusal, is answered only once that is true: [`Store::truthfully`].

use std::cell::Cell;
use std::sync::Arc;

use sqlx::SqliteConnection;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot, watch};

use super::write::Announcement;
use super::{StorageError, Store};
use crate::embedded::hub::Hub;

/// The inner mark is not there any more when SQLite has rolled back by itself, as it does when the disk is full.
const OPEN: &str = "BEGIN IMMEDIATE; SAVEPOINT batch";
const CLOSE: &str = "RELEASE batch; COMMIT";
/// Marks where the changes of one write begin, so that they alone can be taken back.
const MARK: &str = "SAVEPOINT one";
const KEEP: &str = "RELEASE one";
const TAKE_BACK: &str = "ROLLBACK TO one; RELEASE one";

tokio::task_local! {
    /// The last batch of which this request saw something that was not true yet.
    static SEEN: Cell<u64>;
}

/// What became of the batches so far; they are numbered from 1.
#[derive(Debug, Clone, Default)]
pub(super) struct Finished {
    last: u64,
    /// The last that failed, and why.
    failed: Option<(u64, Arc<sqlx::Error>)>,
}

/// The one connection that writes, and what its open transaction holds.
#[derive(Debug)]
pub(super) struct Writer {
    connection: SqliteConnection,
    is_open: bool,
    /// The last write gave up half-way: its changes are still to be taken back.
    is_torn: bool,
    landed: Vec<Landed>,
    finished: watch::Sender<Finished>,
}

/// A write that is in the open transaction and waits to be true.
#[derive(Debug)]
struct Landed {
    announcements: Vec<Announcement>,
    committed: oneshot::Sender<Result<(), Arc<sqlx::Error>>>,
}

impl Writer {
    pub(super) fn new(connection: SqliteConnection, finished: watch::Sender<Finished>) -> Self {
        Self {
            connection,
            is_open: false,
            is_torn: false,
            landed: Vec::new(),
            finished,
        }
    }

    async fn run(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(sql).execute(&mut self.connection).await.map(drop)
    }

    /// Brings the connection to where a turn can begin: in a transaction that holds whole writes only.
    async fn begin(&mut self) -> Result<(), StorageError> {
        self.mend().await;
        if !self.is_open {
            // Before it is so: cut off here, the next turn finds out, which the other order would hide.
            self.is_open = true;
            if let Err(error) = self.run(OPEN).await {
                self.is_open = false;
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Takes back what a write left half done. If that fails the transaction is gone, and so is every write in it.
    async fn mend(&mut self) {
        if !self.is_torn {
            return;
        }
        match self.run(TAKE_BACK).await {
            Ok(()) => self.is_torn = false,
            Err(error) => self.fail(error).await,
        }
    }

    /// Makes every landed write true and tells the readers, in the order in which they landed.
    async fn commit(&mut self, hub: &Hub) {
        self.mend().await;
        if self.landed.is_empty() {
            return;
        }
        if let Err(error) = self.run(CLOSE).await {
            return self.fail(error).await;
        }
        self.is_open = false;
        for landed in self.landed.drain(..) {
            for announcement in landed.announcements {
                announcement.make(hub);
            }
            // Whoever asked may be gone; what was written stands.
            let _ = landed.committed.send(Ok(()));
        }
        self.finished.send_modify(|finished| finished.last += 1);
    }

    async fn fail(&mut self, error: sqlx::Error) {
        let error = Arc::new(error);
        // It fails when SQLite has rolled back already, which is just as well.
        let _ = self.run("ROLLBACK").await;
        self.is_open = false;
        self.is_torn = false;
        for landed in self.landed.drain(..) {
            let _ = landed.committed.send(Err(error.clone()));
        }
        self.finished.send_modify(|finished| {
            finished.last += 1;
            finished.failed = Some((finished.last, error));
        });
    }

    /// Ends a transaction that nobody has written in, so that an idle server holds no lock.
    async fn rest(&mut self) {
        self.mend().await;
        if self.is_open && self.landed.is_empty() {
            // A failure is found by whoever begins next.
            self.is_open = self.run("ROLLBACK").await.is_err();
        }
    }
}

impl Store {
    /// Runs a request, and hands out its answer only when everything it saw in its turns is true.
    ///
    /// # Errors
    /// [`StorageError::Commit`] when some of that will never be true.
    pub(in crate::embedded) async fn truthfully<T>(&self, request: impl Future<Output = T>) -> Result<T, StorageError> {
        let looking = async {
            let answer = request.await;
            (answer, SEEN.with(Cell::get))
        };
        let (answer, seen) = SEEN.scope(Cell::new(0), looking).await;
        if seen > 0 {
            let mut finished = self.finished.subscribe();
            // Those whose writes it saw commit them, so this comes; and the sender lives as long as the store.
            if let Ok(finished) = finished.wait_for(|finished| finished.last >= seen).await
                && let Some((failed, error)) = &finished.failed
                && *failed >= seen
            {
                return Err(StorageError::Commit(error.clone()));
            }
        }
        if let Ok(mut writer) = self.writer.clone().try_lock_owned() {
            writer.rest().await;
        }
        Ok(answer)
    }
}

/// The writer's turn. Dropped without [`Turn::commit`], it leaves no trace.
#[derive(Debug)]
pub(super) struct Turn {
    writer: OwnedMutexGuard<Writer>,
    queue: Arc<Mutex<Writer>>,
    has_changed: bool,
    has_landed: bool,
}

impl Turn {
    pub(super) async fn begin(queue: &Arc<Mutex<Writer>>) -> Result<Self, StorageError> {
        let mut writer = queue.clone().lock_owned().await;
        writer.begin().await?;
        Ok(Self {
            writer,
            queue: queue.clone(),
            has_changed: false,
            has_landed: false,
        })
    }

    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.writer.connection
    }

    /// To be called before the first change, so that a turn that only looks costs nothing.
    pub(super) async fn change(&mut self) -> Result<&mut SqliteConnection, StorageError> {
        if !self.has_changed {
            // First, so that a mark that could not be set is looked into.
            self.has_changed = true;
            self.writer.run(MARK).await?;
        }
        Ok(&mut self.writer.connection)
    }

    /// Ends the turn, and returns when all that was written in it is true.
    pub(super) async fn commit(mut self, announcements: Vec<Announcement>, hub: &Hub) -> Result<(), StorageError> {
        if !self.has_changed {
            return Ok(());
        }
        self.writer.run(KEEP).await?;
        let (committed, mut outcome) = oneshot::channel();
        self.writer.landed.push(Landed {
            announcements,
            committed,
        });
        self.has_landed = true;
        let queue = self.queue.clone();
        drop(self);
        let outcome = tokio::select! {
            biased;
            outcome = &mut outcome => outcome,
            mut writer = queue.lock_owned() => {
                // Somebody may have committed between the two.
                if let Ok(outcome) = outcome.try_recv() {
                    Ok(outcome)
                } else {
                    writer.commit(hub).await;
                    outcome.await
                }
            }
        };
        match outcome {
            Ok(outcome) => outcome.map_err(StorageError::Commit),
            // A landed write is always answered; if it were not, nobody could say whether it stands.
            Err(_) => Err(StorageError::Commit(Arc::new(sqlx::Error::WorkerCrashed))),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.has_landed {
            return;
        }
        self.writer.is_torn |= self.has_changed;
        if !self.writer.landed.is_empty() {
            let batch = self.writer.finished.borrow().last + 1;
            // Whoever is not a request, such as the watch on leases, answers to nobody.
            let _ = SEEN.try_with(|seen| seen.set(batch));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::embedded::storage::{Durability, ScopeKey, Store};

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    async fn open(dir: &Path) -> Result<(Store, Hub), Box<dyn std::error::Error>> {
        let (store, stored) = Store::open(&dir.join("switchboard.db"), Durability::Unsynced).await?;
        Ok((store, Hub::new(stored)?))
    }

    async fn put(turn: &mut Turn, id: &str) -> Result<(), StorageError> {
        let query = sqlx::query("INSERT INTO scope (id) VALUES (?)").bind(id);
        query.execute(turn.change().await?).await?;
        Ok(())
    }

    async fn stored(store: &Store) -> Result<Vec<String>, StorageError> {
        let mut session = store.read(ScopeKey::DEPLOYMENT).await?;
        let query = sqlx::query_scalar("SELECT id FROM scope WHERE num > 0 ORDER BY num");
        Ok(query.fetch_all(session.parts().0).await?)
    }

    #[tokio::test]
    async fn those_who_wait_share_a_commit_and_one_that_gives_up_takes_only_its_own_back() -> Outcome {
        let dir = tempfile::tempdir()?;
        let (store, hub) = open(dir.path()).await?;
        let mut first = Turn::begin(&store.writer).await?;
        put(&mut first, "a").await?;
        let quitter = async {
            let mut turn = Turn::begin(&store.writer).await?;
            put(&mut turn, "b").await
        };
        let second = async {
            let mut turn = Turn::begin(&store.writer).await?;
            // Nobody has committed, though the first was done long ago: the second came before it could.
            assert_eq!(stored(&store).await?, [""; 0]);
            put(&mut turn, "c").await?;
            turn.commit(Vec::new(), &hub).await
        };
        let (mut quitter, mut second) = (std::pin::pin!(quitter), std::pin::pin!(second));
        // Both queue while the first has the turn.
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(quitter.as_mut().poll(&mut context), Poll::Pending));
        assert!(matches!(second.as_mut().poll(&mut context), Poll::Pending));
        let (first, quitter, second) = tokio::join!(first.commit(Vec::new(), &hub), quitter, second);
        first.and(quitter).and(second)?;
        assert_eq!(stored(&store).await?, ["a", "c"]);
        Ok(())
    }

    #[tokio::test]
    async fn a_full_disk_fails_who_is_not_true_yet_and_nobody_else() -> Outcome {
        let dir = tempfile::tempdir()?;
        let (store, hub) = open(dir.path()).await?;
        let limit = async |pages: &str| {
            let mut turn = Turn::begin(&store.writer).await?;
            let pragma = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
            sqlx::raw_sql(pragma).execute(turn.connection()).await?;
            Ok::<_, StorageError>(())
        };
        limit("1").await?; // The least possible is what there is.
        let long = "x".repeat(3000);
        let mut landed = Vec::new();
        let failed = loop {
            let mut turn = Turn::begin(&store.writer).await?;
            let id = format!("{}{long}", landed.len());
            let written = match put(&mut turn, &id).await {
                Ok(()) => turn.commit(Vec::new(), &hub).await,
                Err(error) => Err(error),
            };
            match written {
                Ok(()) => landed.push(id),
                Err(error) => break error,
            }
        };
        assert!(
            matches!(failed, StorageError::Sql(_) | StorageError::Commit(_)),
            "{failed}"
        );
        assert_eq!(stored(&store).await?, landed);
        limit("1000000").await?;
        let mut turn = Turn::begin(&store.writer).await?;
        put(&mut turn, "room again").await?;
        turn.commit(Vec::new(), &hub).await?;
        landed.push("room again".to_owned());
        assert_eq!(stored(&store).await?, landed);
        Ok(())
    }

    /// A write that landed and is not true yet, and a turn that sees it.
    async fn seen_too_soon<'a>(
        store: &'a Store,
        hub: &'a Hub,
    ) -> Result<(Pin<Box<dyn Future<Output = Result<(), StorageError>> + 'a>>, Turn), StorageError> {
        let mut first = Turn::begin(&store.writer).await?;
        put(&mut first, "a").await?;
        let mut second = std::pin::pin!(Turn::begin(&store.writer));
        // In the queue before the first can come round to commit.
        assert!(
            second
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        let mut first = Box::pin(first.commit(Vec::new(), hub));
        let turn = tokio::select! {
            biased;
            _ = &mut first => panic!("it committed out of its turn"),
            turn = second => turn?,
        };
        Ok((first, turn))
    }

    async fn look(mut turn: Turn) -> Result<Vec<String>, sqlx::Error> {
        let query = sqlx::query_scalar("SELECT id FROM scope WHERE num > 0 ORDER BY num");
        query.fetch_all(turn.connection()).await
    }

    #[tokio::test]
    async fn an_answer_waits_until_what_it_rests_on_is_true() -> Outcome {
        let dir = tempfile::tempdir()?;
        let (store, hub) = open(dir.path()).await?;
        let (first, turn) = seen_too_soon(&store, &hub).await?;
        let mut answer = Box::pin(store.truthfully(look(turn)));
        let given_up = tokio::time::timeout(std::time::Duration::from_millis(50), &mut answer).await;
        assert!(given_up.is_err(), "nobody has committed, so nobody may be told");
        assert_eq!(stored(&store).await?, [""; 0]);
        let (first, answer) = tokio::join!(first, answer);
        first?;
        assert_eq!(answer??, ["a"]);
        assert_eq!(stored(&store).await?, ["a"]);

        let turn = Turn::begin(&store.writer).await?;
        assert_eq!(store.truthfully(look(turn)).await??, ["a"], "nothing to wait for");
        assert!(!store.writer.lock().await.is_open, "an idle server holds no lock");
        Ok(())
    }

    #[tokio::test]
    async fn when_sqlite_rolls_back_by_itself_nobody_is_told_otherwise() -> Outcome {
        let dir = tempfile::tempdir()?;
        let (store, hub) = open(dir.path()).await?;
        let (first, mut turn) = seen_too_soon(&store, &hub).await?;
        sqlx::raw_sql("ROLLBACK").execute(turn.connection()).await?;
        let mut third = std::pin::pin!(async {
            let mut turn = Turn::begin(&store.writer).await?;
            put(&mut turn, "c").await?;
            turn.commit(Vec::new(), &hub).await
        });
        let answer = store.truthfully(look(turn));
        let (first, answer, third) = tokio::join!(first, answer, &mut third);
        assert!(matches!(first, Err(StorageError::Commit(_))), "{first:?}");
        assert!(matches!(answer, Err(StorageError::Commit(_))), "{answer:?}");
        let landed: &[&str] = if third.is_ok() { &["c"] } else { &[] };
        assert_eq!(stored(&store).await?, landed);
        let mut turn = Turn::begin(&store.writer).await?;
        put(&mut turn, "d").await?;
        turn.commit(Vec::new(), &hub).await?;
        assert!(stored(&store).await?.contains(&"d".to_owned()), "and it goes on");
        Ok(())
    }
}
