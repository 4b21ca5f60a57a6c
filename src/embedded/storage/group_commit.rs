//! Group commit: the writes that wait for the writing connection share one transaction, and so one sync of the disk.
//!
//! A write that is done does not commit. It queues for the connection once more, behind all that were waiting by then.
//! Each of those finds the transaction open and works in it. The first write whose second turn comes commits for all.
//! Nobody waits for a batch to fill: a write that is alone gets its second turn at once.
//!
//! A write session therefore reads changes that are not committed yet. A request that changed nothing itself, such as
//! a repeat or a refusal, must not be answered before they are: [`WriteQueue::after_commit`].

use std::cell::Cell;
use std::sync::Arc;

use sqlx::SqliteConnection;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot, watch};

use super::{StorageError, StorageResult};
use crate::embedded::{HostedExperiment, HostedExperiments, Scope};
use crate::protocol::Notice;

/// When SQLite has rolled back by itself, as it does when the disk is full, the savepoint is gone. So releasing it
/// fails, and the commit is not mistaken for a success.
const BEGIN_BATCH: &str = "BEGIN IMMEDIATE; SAVEPOINT batch";
const COMMIT_BATCH: &str = "RELEASE batch; COMMIT";
/// A savepoint at the first change of each write, so that this write alone can be rolled back.
const BEGIN_WRITE: &str = "SAVEPOINT one";
const KEEP_WRITE: &str = "RELEASE one";
const ROLL_BACK_WRITE: &str = "ROLLBACK TO one; RELEASE one";

tokio::task_local! {
    /// The last batch from which this request has read something uncommitted; 0 for none.
    static READ_UNCOMMITTED: Cell<u64>;
}

/// The outcomes of the batches so far. Batches are numbered from 1.
#[derive(Debug, Clone, Default)]
struct FinishedBatches {
    last: u64,
    /// The last one that failed, and why.
    failed: Option<(u64, Arc<sqlx::Error>)>,
}

/// The queue for the one connection that writes.
#[derive(Debug, Clone)]
pub(super) struct WriteQueue {
    /// Waiters get it in the order in which they came. A batch relies on that.
    connection: Arc<Mutex<WriterConnection>>,
    finished: watch::Sender<FinishedBatches>,
}

/// The one connection that writes, and what its open transaction holds.
#[derive(Debug)]
struct WriterConnection {
    connection: SqliteConnection,
    /// Whether a transaction is open.
    is_open: bool,
    /// Whether the last write was given up half-way, so that its changes must be rolled back first.
    is_partial: bool,
    /// The writes that are done and wait for the commit.
    uncommitted: Vec<UncommittedWrite>,
    finished: watch::Sender<FinishedBatches>,
    experiments: Arc<HostedExperiments>,
}

/// What waiting readers are told once a write is committed.
#[derive(Debug)]
pub(super) enum Announcement {
    /// The log of the experiment has this length.
    LogLength(Arc<HostedExperiment>, u64),
    /// Something else changed in a scope.
    Notice(Arc<Scope>, Notice),
    /// The experiment is hosted from now on.
    Hosted(Arc<HostedExperiment>),
}

impl Announcement {
    pub(super) fn publish(self, experiments: &HostedExperiments) {
        match self {
            Self::LogLength(hosted, length) => hosted.announce_log_length(length),
            Self::Notice(scope, notice) => scope.announce(notice),
            Self::Hosted(hosted) => experiments.put(hosted),
        }
    }
}

/// A write that is done and waits for the commit.
#[derive(Debug)]
struct UncommittedWrite {
    announcements: Vec<Announcement>,
    outcome: oneshot::Sender<Result<(), Arc<sqlx::Error>>>,
}

impl WriteQueue {
    pub(super) fn new(connection: SqliteConnection, experiments: Arc<HostedExperiments>) -> Self {
        let finished = watch::Sender::default();
        let connection = WriterConnection {
            connection,
            is_open: false,
            is_partial: false,
            uncommitted: Vec::new(),
            finished: finished.clone(),
            experiments,
        };
        Self {
            connection: Arc::new(Mutex::new(connection)),
            finished,
        }
    }

    /// Waits for exclusive use of the connection.
    pub(super) async fn acquire(&self) -> StorageResult<WriterGuard> {
        let mut connection = self.connection.clone().lock_owned().await;
        connection.begin().await?;
        Ok(WriterGuard {
            connection,
            queue: self.clone(),
            has_changed: false,
            is_done: false,
        })
    }

    /// Runs a request, and returns its answer only when everything that it read while writing is committed.
    ///
    /// # Errors
    /// [`StorageError::Commit`] when some of that was rolled back.
    pub(super) async fn after_commit<T>(&self, request: impl Future<Output = T>) -> StorageResult<T> {
        let observed = async {
            let answer = request.await;
            (answer, READ_UNCOMMITTED.with(Cell::get))
        };
        let (answer, batch) = READ_UNCOMMITTED.scope(Cell::new(0), observed).await;
        if batch > 0 {
            let mut finished = self.finished.subscribe();
            // The writes of the batch commit it, so this ends. The sender lives as long as the store.
            if let Ok(finished) = finished.wait_for(|finished| finished.last >= batch).await
                && let Some((failed, error)) = &finished.failed
                && *failed >= batch
            {
                return Err(StorageError::Commit(error.clone()));
            }
        }
        if let Ok(mut connection) = self.connection.clone().try_lock_owned() {
            connection.end_if_idle().await;
        }
        Ok(answer)
    }
}

impl WriterConnection {
    async fn run(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(sql).execute(&mut self.connection).await.map(drop)
    }

    /// Opens a transaction, or joins the open one once it holds whole writes only.
    async fn begin(&mut self) -> StorageResult {
        self.roll_back_partial().await;
        if !self.is_open {
            // Set before the statement: if this future is dropped in between, the next write must not assume that no
            // transaction is open.
            self.is_open = true;
            if let Err(error) = self.run(BEGIN_BATCH).await {
                self.is_open = false;
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Rolls back what a write left half done. If that fails the whole transaction is lost, with every write in it.
    async fn roll_back_partial(&mut self) {
        if !self.is_partial {
            return;
        }
        match self.run(ROLL_BACK_WRITE).await {
            Ok(()) => self.is_partial = false,
            Err(error) => self.fail(error).await,
        }
    }

    /// Commits the batch, and tells the readers in the order of the writes.
    async fn commit(&mut self) {
        self.roll_back_partial().await;
        if self.uncommitted.is_empty() {
            return;
        }
        if let Err(error) = self.run(COMMIT_BATCH).await {
            return self.fail(error).await;
        }
        self.is_open = false;
        for write in self.uncommitted.drain(..) {
            for announcement in write.announcements {
                announcement.publish(&self.experiments);
            }
            // The caller may be gone; the write is committed all the same.
            let _ = write.outcome.send(Ok(()));
        }
        self.finished.send_modify(|finished| finished.last += 1);
    }

    async fn fail(&mut self, error: sqlx::Error) {
        let error = Arc::new(error);
        // An error means that SQLite has rolled back already.
        let _ = self.run("ROLLBACK").await;
        self.is_open = false;
        self.is_partial = false;
        for write in self.uncommitted.drain(..) {
            let _ = write.outcome.send(Err(error.clone()));
        }
        self.finished.send_modify(|finished| {
            finished.last += 1;
            finished.failed = Some((finished.last, error));
        });
    }

    /// Ends a transaction in which nothing was written, so that an idle server holds no lock on the database.
    async fn end_if_idle(&mut self) {
        self.roll_back_partial().await;
        if self.is_open && self.uncommitted.is_empty() {
            // If it fails the transaction counts as open, and the next write finds out.
            self.is_open = self.run("ROLLBACK").await.is_err();
        }
    }
}

/// Exclusive use of the writing connection. Dropped without [`WriterGuard::commit`], its changes are rolled back.
#[derive(Debug)]
pub(super) struct WriterGuard {
    connection: OwnedMutexGuard<WriterConnection>,
    queue: WriteQueue,
    has_changed: bool,
    is_done: bool,
}

impl WriterGuard {
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection.connection
    }

    /// The connection for a change. The first call sets the savepoint, so that a write that only reads costs nothing.
    pub(super) async fn change(&mut self) -> StorageResult<&mut SqliteConnection> {
        if !self.has_changed {
            // Set before the statement: if it fails or is cut off, the rollback must still run.
            self.has_changed = true;
            self.connection.run(BEGIN_WRITE).await?;
        }
        Ok(&mut self.connection.connection)
    }

    /// Gives the connection back, and returns when the changes are committed.
    pub(super) async fn commit(mut self, announcements: Vec<Announcement>) -> StorageResult {
        if !self.has_changed {
            return Ok(());
        }
        self.connection.run(KEEP_WRITE).await?;
        let (sender, mut outcome) = oneshot::channel();
        self.connection.uncommitted.push(UncommittedWrite {
            announcements,
            outcome: sender,
        });
        self.is_done = true;
        let queue = self.queue.connection.clone();
        drop(self);
        let outcome = tokio::select! {
            biased;
            outcome = &mut outcome => outcome,
            mut connection = queue.lock_owned() => {
                // Another write may have committed the batch just before.
                if let Ok(outcome) = outcome.try_recv() {
                    Ok(outcome)
                } else {
                    connection.commit().await;
                    outcome.await
                }
            }
        };
        match outcome {
            Ok(outcome) => outcome.map_err(StorageError::Commit),
            // Every write of a batch is told its outcome. If one were not, nobody could say whether it is committed.
            Err(_) => Err(StorageError::Commit(Arc::new(sqlx::Error::WorkerCrashed))),
        }
    }
}

impl Drop for WriterGuard {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        self.connection.is_partial |= self.has_changed;
        if !self.connection.uncommitted.is_empty() {
            let batch = self.connection.finished.borrow().last + 1;
            // Outside a request, as in the watch on leases, there is no answer to hold back.
            let _ = READ_UNCOMMITTED.try_with(|last| last.set(batch));
        }
    }
}

#[cfg(test)]
mod tests;
