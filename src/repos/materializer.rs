//! What callers use: repositories by experiment, and commits in them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::{Instant, timeout, timeout_at};

use super::blocking::blocking;
use super::clone_path::{self, ClonePath, CloneStatus};
use super::commit::{self, CommitSummary};
use super::error::{RepoError, SetupError};
use super::fetch::Fetcher;
use super::options::{Location, Options};
use super::state::{FetchFailure, RepoState};
use crate::clock::Clock;
use crate::lifecycle::Tasks;
use crate::protocol::{CommitSha, ExperimentId, Timestamp};

/// How many commit summaries are cached. A commit never changes.
const COMMITS: usize = 512;

/// A commit of an experiment, and the parent it is compared with.
type CommitKey = (ExperimentId, CommitSha, Option<CommitSha>);

/// The repositories of a deployment. Cheap to clone.
#[derive(Clone)]
pub struct RepoMaterializer {
    pub(super) fetcher: Arc<Fetcher>,
    commits: Arc<Cache<CommitKey, Arc<CommitSummary>>>,
}

/// A repository that can be read. While it is held, its clone is not evicted.
#[derive(Debug)]
pub struct Handle {
    path: PathBuf,
    fetched: Option<Timestamp>,
    stale: Option<FetchFailure>,
    in_use: Option<File>,
}

impl Handle {
    /// Its path, for libgit2, which blocks.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// When it was last fetched; `None` without a remote.
    pub fn fetched(&self) -> Option<Timestamp> {
        self.fetched
    }

    /// Why it may be older than its remote, if the last fetch failed.
    pub fn stale(&self) -> Option<&FetchFailure> {
        self.stale.as_ref()
    }

    pub(super) async fn holds(&self, commit: &CommitSha) -> Result<bool, RepoError> {
        let (path, commit) = (self.path.clone(), commit.clone());
        blocking(move || commit::has(&path, &commit)).await?
    }
}

impl RepoMaterializer {
    /// Sets up; no disk and no remote is used yet.
    ///
    /// # Errors
    /// When the options contradict each other.
    pub fn new(options: Options, clock: Clock, tasks: Tasks) -> Result<Self, SetupError> {
        if options.remote.is_some() && options.root.is_none() && options.provided.is_none() {
            return Err(SetupError::NoRoot);
        }
        Ok(Self {
            fetcher: Arc::new(Fetcher::new(options, clock, tasks)?),
            commits: Arc::new(Cache::new(COMMITS)),
        })
    }

    /// The repository of an experiment, cloned or fetched first if needed. When a fetch fails, the clone is served as
    /// it is, marked stale.
    ///
    /// # Errors
    /// When there is nothing to read: no repository and no remote, still being cloned, or the remote failed.
    pub async fn open(&self, id: &ExperimentId) -> Result<Handle, RepoError> {
        let options = &self.fetcher.options;
        self.open_by(id, options.max_age, Instant::now() + options.wait_timeout)
            .await
    }

    /// The repository of an experiment with a commit in it. If the clone has the commit, nothing is fetched.
    ///
    /// # Errors
    /// As [`RepoMaterializer::open`], and [`RepoError::NoSuchCommit`] when the remote does not have it either.
    pub async fn open_with(&self, id: &ExperimentId, commit: &CommitSha) -> Result<Handle, RepoError> {
        let deadline = Instant::now() + self.fetcher.options.wait_timeout;
        if let Ok(handle) = self.open_local(id).await
            && handle.holds(commit).await?
        {
            return Ok(handle);
        }
        let handle = self.open_by(id, self.fetcher.options.max_age_on_miss, deadline).await?;
        if handle.holds(commit).await? {
            return Ok(handle);
        }
        if self.fetcher.is_fetching(id) {
            return Err(RepoError::Pending);
        }
        // If the remote could not be asked, that is the reason to give.
        Err(handle.stale.map_or_else(
            || RepoError::NoSuchCommit {
                commit: commit.clone(),
                fetched: handle.fetched,
            },
            |failure| failure.error,
        ))
    }

    /// A summary of a commit, compared with the first of `parents`, or with its own first parent when there are none.
    ///
    /// # Errors
    /// As [`RepoMaterializer::open_with`].
    pub async fn commit(
        &self,
        id: &ExperimentId,
        commit: &CommitSha,
        parents: &[CommitSha],
    ) -> Result<Arc<CommitSummary>, RepoError> {
        let key = (id.clone(), commit.clone(), parents.first().cloned());
        if let Some(known) = self.commits.get(&key) {
            return Ok(known);
        }
        let handle = self.open_with(id, commit).await?;
        let (repos, commit) = (self.clone(), commit.clone());
        // It goes on when the caller stops waiting, so that the next caller finds it cached.
        let read = blocking(move || {
            let read = commit::read(&handle.path, &commit, key.2.as_slice()).map(Arc::new);
            match &read {
                Ok(summary) => repos.commits.insert(key, summary.clone()),
                Err(RepoError::Git { source, .. }) if source.class() != git2::ErrorClass::Os => {
                    repos.mark_damaged(&handle)
                }
                Err(_) => {}
            }
            read
        });
        let read = timeout(self.fetcher.options.wait_timeout, read).await;
        read.unwrap_or(Err(RepoError::Pending)).flatten()
    }

    /// The state of an experiment's repository, from memory and two looks at the directory.
    pub fn state(&self, id: &ExperimentId) -> RepoState {
        let location = match self.fetcher.options.location(id) {
            Err(_) => return RepoState::Disabled,
            Ok(location) => location,
        };
        let path = match &location {
            Location::Provided(path) => path.clone(),
            Location::Clone(clone) => clone.path(),
        };
        let fetched = clone_path::fetched(&path);
        if let Some(FetchFailure { error, since }) = self.fetcher.failure(id) {
            return RepoState::Failed { error, since, fetched };
        }
        match location {
            Location::Provided(path) => RepoState::Provided { path },
            Location::Clone(_) if path.exists() => RepoState::Cloned { fetched },
            Location::Clone(_) if self.fetcher.is_fetching(id) => RepoState::Cloning,
            Location::Clone(_) if self.fetcher.options.remote.is_some() => RepoState::NotYetCloned,
            Location::Clone(_) => RepoState::Missing { path },
        }
    }

    async fn open_by(&self, id: &ExperimentId, max_age: Duration, deadline: Instant) -> Result<Handle, RepoError> {
        let is_fresh = |handle: &Handle| {
            let fetched = handle
                .fetched
                .is_some_and(|at| self.fetcher.clock.is_recent(at, max_age));
            fetched || self.fetcher.options.remote.is_none()
        };
        if let Ok(handle) = self.open_local(id).await
            && is_fresh(&handle)
        {
            return Ok(handle);
        }
        // No handle is held meanwhile: the fetch may have to replace the clone. At the deadline the answer is what is
        // there by then.
        let _ = timeout_at(deadline, self.fetcher.fetch(id, max_age)).await;
        self.open_local(id).await
    }

    /// The repository as it is on disk.
    async fn open_local(&self, id: &ExperimentId) -> Result<Handle, RepoError> {
        match self.fetcher.options.location(id)? {
            Location::Provided(path) => self.open_provided(id, path).await,
            Location::Clone(clone) => self.open_clone(id, clone).await,
        }
    }

    async fn open_provided(&self, id: &ExperimentId, path: PathBuf) -> Result<Handle, RepoError> {
        let opening = path.clone();
        let opened = blocking(move || {
            git2::Repository::open(&opening)
                .map(drop)
                .map_err(RepoError::git(&opening))
        });
        // A failure of the remote is the reason why it is not there.
        let failure = || self.fetcher.failure(id);
        opened
            .await?
            .map_err(|error| failure().map_or(error, |failure| failure.error))?;
        Ok(Handle {
            fetched: clone_path::fetched(&path),
            stale: failure(),
            path,
            in_use: None,
        })
    }

    async fn open_clone(&self, id: &ExperimentId, clone: ClonePath) -> Result<Handle, RepoError> {
        let (path, now) = (clone.path(), self.fetcher.clock.now());
        let status = blocking(move || clone.open(now)).await??;
        let failure = self.fetcher.failure(id);
        match (status, failure) {
            (CloneStatus::Ready(found), stale) => Ok(Handle {
                path,
                fetched: found.fetched,
                stale,
                in_use: found.in_use,
            }),
            (_, Some(failure)) => Err(failure.error),
            _ if self.fetcher.options.remote.is_some() => Err(RepoError::Pending),
            (CloneStatus::Absent, None) => Err(RepoError::NotProvisioned(path)),
            (CloneStatus::Broken(why), None) => Err(RepoError::git(&path)(git2::Error::from_str(&why))),
        }
    }

    /// Marks a clone that cannot be read, so that it is made again. Not twice in a short time: then the fault is the
    /// remote's. A repository that others made is left to them.
    fn mark_damaged(&self, handle: &Handle) {
        let options = &self.fetcher.options;
        let is_new = handle
            .fetched
            .is_some_and(|at| self.fetcher.clock.is_recent(at, options.max_age));
        if options.remote.is_some() && handle.in_use.is_some() && !is_new {
            clone_path::mark_damaged(&handle.path);
        }
    }
}
