//! Group commit: the writes that wait for their turn share one transaction, and so one sync of the disk.
//!
//! A write that is done queues once more, behind all who were waiting by then; each of those finds the transaction
//! open and works in it. The first to come round again commits for everybody. Nobody waits for a batch to fill:
//! a write that is alone comes round at once.

use std::sync::Arc;

use sqlx::SqliteConnection;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use super::StorageError;
use super::write::Announcement;
use crate::embedded::hub::Hub;

/// Marks where the changes of one write begin, so that they alone can be taken back.
const SAVEPOINT: &str = "SAVEPOINT one";
const KEEP: &str = "RELEASE one";
const TAKE_BACK: &str = "ROLLBACK TO one; RELEASE one";

/// The one connection that writes, and what its open transaction holds.
#[derive(Debug)]
pub(super) struct Writer {
    connection: SqliteConnection,
    is_open: bool,
    /// The last write gave up half-way: its changes are still to be taken back.
    is_torn: bool,
    landed: Vec<Landed>,
}

/// A write that is in the open transaction and waits to be true.
#[derive(Debug)]
struct Landed {
    announcements: Vec<Announcement>,
    committed: oneshot::Sender<Result<(), Arc<sqlx::Error>>>,
}

impl Writer {
    pub(super) fn new(connection: SqliteConnection) -> Self {
        Self {
            connection,
            is_open: false,
            is_torn: false,
            landed: Vec::new(),
        }
    }

    async fn run(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(sql).execute(&mut self.connection).await.map(drop)
    }

    /// Brings the connection to where a turn can begin: in a transaction that holds whole writes only.
    async fn begin(&mut self) -> Result<(), StorageError> {
        self.mend().await;
        if !self.is_open {
            self.run("BEGIN IMMEDIATE").await?;
            self.is_open = true;
        }
        Ok(())
    }

    /// Takes back what a write left half done. If that fails the transaction is gone, as after a full disk, and so
    /// is every write in it.
    async fn mend(&mut self) {
        if std::mem::take(&mut self.is_torn)
            && let Err(error) = self.run(TAKE_BACK).await
        {
            self.fail(error).await;
        }
    }

    /// Makes every landed write true and tells the readers, in the order in which they landed.
    async fn commit(&mut self, hub: &Hub) {
        self.mend().await;
        if self.landed.is_empty() {
            return;
        }
        match self.run("COMMIT").await {
            Ok(()) => self.is_open = false,
            Err(error) => return self.fail(error).await,
        }
        for landed in self.landed.drain(..) {
            for announcement in landed.announcements {
                announcement.make(hub);
            }
            // Whoever asked may be gone; what was written stands.
            let _ = landed.committed.send(Ok(()));
        }
    }

    async fn fail(&mut self, error: sqlx::Error) {
        let error = Arc::new(error);
        // It fails when SQLite has rolled back already, which is just as well.
        let _ = self.run("ROLLBACK").await;
        self.is_open = false;
        for landed in self.landed.drain(..) {
            let _ = landed.committed.send(Err(error.clone()));
        }
    }
}

/// The writer's turn. Dropped without [`Turn::commit`], it leaves no trace.
#[derive(Debug)]
pub(super) struct Turn {
    writer: OwnedMutexGuard<Writer>,
    queue: Arc<Mutex<Writer>>,
    has_changed: bool,
}

impl Turn {
    pub(super) async fn begin(queue: &Arc<Mutex<Writer>>) -> Result<Self, StorageError> {
        let mut writer = queue.clone().lock_owned().await;
        writer.begin().await?;
        Ok(Self {
            writer,
            queue: queue.clone(),
            has_changed: false,
        })
    }

    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.writer.connection
    }

    /// To be called before the first change, so that a turn that only looks costs nothing.
    pub(super) async fn change(&mut self) -> Result<&mut SqliteConnection, StorageError> {
        if !self.has_changed {
            // First, since a savepoint that fails says that the transaction is gone.
            self.has_changed = true;
            self.writer.run(SAVEPOINT).await?;
        }
        Ok(&mut self.writer.connection)
    }

    /// Ends the turn, and returns when all that was written in it is true.
    pub(super) async fn commit(mut self, announcements: Vec<Announcement>, hub: &Hub) -> Result<(), StorageError> {
        if !self.has_changed {
            return Ok(());
        }
        self.writer.run(KEEP).await?;
        self.has_changed = false;
        let (committed, mut outcome) = oneshot::channel();
        self.writer.landed.push(Landed {
            announcements,
            committed,
        });
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
        self.writer.is_torn |= self.has_changed;
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::path::Path;
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
}
