//! The repositories of the experiments: found, cloned when first needed, kept fresh and within bounds.
//!
//! Everything that blocks runs beside the async threads. Of a clone there is one flight at a time: in this process
//! everybody waits for the same, and between processes it holds a lock. Whoever waits does so for a bounded time; the
//! flight goes on without them.

mod commit;
mod credential;
mod error;
mod flight;
mod options;
mod pkt;
mod place;
mod remote;
mod smart;
mod state;
#[cfg(test)]
mod tests;
mod transfer;

pub use commit::{ChangedFile, CommitSummary, FileChange};
pub use credential::CredentialSource;
pub use error::{RemoteFailure, RemoteFault, RepoError, SetupError};
pub use options::Options;
pub use remote::Remote;
pub use smart::NetworkLimits;
pub use state::{RepoState, Stale};

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::lifecycle::Tasks;
use crate::protocol::{CommitSha, ExperimentId, Timestamp};
use flight::{Flights, blocking};
use place::{Look, Place};
use smart::Http;

/// Commits in short that are kept; a commit never changes.
const COMMITS: usize = 512;

/// The repositories of a deployment. Cheap to clone.
#[derive(Clone)]
pub struct RepoMaterializer {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    http: Http,
    clock: Clock,
    tasks: Tasks,
    flights: Flights,
    /// Since when a remote that cannot be used is known as such.
    started: Timestamp,
    commits: Cache<(ExperimentId, CommitSha, Option<CommitSha>), Arc<CommitSummary>>,
}

/// A repository that can be read. While it is held, its clone is not thrown away.
#[derive(Debug)]
pub struct Handle {
    path: PathBuf,
    fetched: Option<Timestamp>,
    stale: Option<Stale>,
    in_use: Option<File>,
}

impl Handle {
    /// Where it is, for libgit2, which blocks.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// When it was last fetched; `None` when it has no remote.
    pub fn fetched(&self) -> Option<Timestamp> {
        self.fetched
    }

    /// Why it may be older than its remote, if the last fetch failed.
    pub fn stale(&self) -> Option<&Stale> {
        self.stale.as_ref()
    }

    async fn holds(&self, commit: &CommitSha) -> Result<bool, RepoError> {
        let (path, commit) = (self.path.clone(), commit.clone());
        blocking(move || commit::has(&path, &commit)).await?
    }
}

impl RepoMaterializer {
    /// Nothing is touched or asked yet.
    ///
    /// # Errors
    /// When the options contradict each other.
    pub fn new(options: Options, clock: Clock, tasks: Tasks) -> Result<Self, SetupError> {
        if options.remote.is_some() && options.root.is_none() && options.provided.is_none() {
            return Err(SetupError::NoRoot);
        }
        let shared = Shared {
            http: Http::new(options.network)?,
            options,
            started: clock.now(),
            clock,
            tasks,
            flights: Flights::default(),
            commits: Cache::new(COMMITS),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// The repository of an experiment, cloned or fetched first if need be. What cannot be fetched is served as it is,
    /// and says so.
    ///
    /// # Errors
    /// When there is nothing to read: not provisioned, still being cloned, or not to be had from the remote.
    pub async fn open(&self, id: &ExperimentId) -> Result<Handle, RepoError> {
        let deadline = Instant::now() + self.shared.options.patience;
        self.open_by(id, self.shared.options.fetch_after, deadline).await
    }

    /// The repository of an experiment with a commit in it. If it is there already, nobody is asked for anything.
    ///
    /// # Errors
    /// As [`RepoMaterializer::open`], and [`RepoError::NoSuchCommit`] when the remote does not have it either.
    pub async fn open_with(&self, id: &ExperimentId, commit: &CommitSha) -> Result<Handle, RepoError> {
        let deadline = Instant::now() + self.shared.options.patience;
        if let Ok(handle) = self.shared.present(id).await
            && handle.holds(commit).await?
        {
            return Ok(handle);
        }
        let handle = self.open_by(id, self.shared.options.miss_after, deadline).await?;
        if handle.holds(commit).await? {
            return Ok(handle);
        }
        if self.shared.flights.is_flying(id) {
            return Err(RepoError::Pending);
        }
        // If nobody could be asked, that is the reason, rather than that it is not here.
        Err(handle.stale.map_or_else(
            || RepoError::NoSuchCommit {
                commit: commit.clone(),
                fetched: handle.fetched,
            },
            |stale| stale.error,
        ))
    }

    /// A commit in short, compared with the first of `parents`, or with its own first parent when there are none.
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
        if let Some(known) = self.shared.commits.get(&key) {
            return Ok(known);
        }
        let handle = self.open_with(id, commit).await?;
        let (shared, commit) = (self.shared.clone(), commit.clone());
        // It goes on when nobody waits for it any more, so that the next who asks finds it.
        let read = blocking(move || {
            let read = commit::read(&handle.path, &commit, key.2.as_slice()).map(Arc::new);
            match &read {
                Ok(summary) => shared.commits.insert(key, summary.clone()),
                Err(RepoError::Git { source, .. }) if source.class() != git2::ErrorClass::Os => {
                    shared.distrust(&handle)
                }
                Err(_) => {}
            }
            read
        });
        let read = tokio::time::timeout(self.shared.options.patience, read).await;
        read.unwrap_or(Err(RepoError::Pending)).flatten()
    }

    /// How it stands with an experiment's repository: a look at the directory and at what is remembered, no more.
    pub fn state(&self, id: &ExperimentId) -> RepoState {
        let options = &self.shared.options;
        let place = match self.shared.site(id) {
            Err(_) => return RepoState::Disabled,
            Ok(Site::Provided(path)) => match self.shared.failure(id) {
                None => return RepoState::Provided { path },
                Some(stale) => {
                    return RepoState::Failed {
                        error: stale.error,
                        since: stale.since,
                        fetched: place::fetched(&path),
                    };
                }
            },
            Ok(Site::At(place)) => place,
        };
        let (is_there, fetched) = place.glance();
        match (self.shared.failure(id), is_there) {
            (Some(stale), _) => RepoState::Failed {
                error: stale.error,
                since: stale.since,
                fetched,
            },
            (None, true) => RepoState::Cloned { fetched },
            (None, false) if self.shared.flights.is_flying(id) => RepoState::Cloning,
            (None, false) if options.remote.is_some() => RepoState::NotYetCloned,
            (None, false) => RepoState::Missing { path: place.path() },
        }
    }

    async fn open_by(&self, id: &ExperimentId, fresh_for: Duration, deadline: Instant) -> Result<Handle, RepoError> {
        if let Ok(handle) = self.shared.present(id).await
            && (self.shared.options.remote.is_none() || is_within(handle.fetched, self.shared.clock.now(), fresh_for))
        {
            return Ok(handle);
        }
        // Nothing is held meanwhile: a flight may have to put something else in the clone's place.
        if let Some(mut landed) = self.shared.board(id, fresh_for) {
            // Too late or landed, what is there now is the answer; its sender goes when it lands.
            let _ = timeout_at(deadline, landed.changed()).await;
        }
        self.shared.present(id).await
    }
}

/// Where an experiment's repository is.
enum Site {
    Provided(PathBuf),
    At(Place),
}

impl Shared {
    /// Why a repository may be older than its remote, or is not here at all.
    fn failure(&self, id: &ExperimentId) -> Option<Stale> {
        let unusable = || {
            Some(Stale {
                error: self.options.unusable.clone()?.into(),
                since: self.started,
            })
        };
        self.flights.failure(id).or_else(unusable)
    }

    fn site(&self, id: &ExperimentId) -> Result<Site, RepoError> {
        match (&self.options.provided, &self.options.root) {
            (Some((own, path)), _) if own == id => Ok(Site::Provided(path.clone())),
            (_, Some(root)) => Ok(Site::At(Place::new(root, id))),
            (_, None) => Err(RepoError::Disabled),
        }
    }

    /// What is here, without asking anybody.
    async fn present(&self, id: &ExperimentId) -> Result<Handle, RepoError> {
        let place = match self.site(id)? {
            Site::At(place) => place,
            Site::Provided(path) => {
                let given = path.clone();
                let opened =
                    blocking(move || git2::Repository::open(&given).map(drop).map_err(RepoError::git(&given))).await?;
                // That it cannot be had is why it is not there.
                opened.map_err(|error| self.failure(id).map_or(error, |stale| stale.error))?;
                return Ok(Handle {
                    fetched: place::fetched(&path),
                    stale: self.failure(id),
                    path,
                    in_use: None,
                });
            }
        };
        let (path, now) = (place.path(), self.clock.now());
        let look = blocking(move || place.look(now)).await??;
        let stale = self.failure(id);
        match (look, stale) {
            (Look::Ready(found), stale) => Ok(Handle {
                path,
                fetched: found.fetched,
                stale,
                in_use: found.in_use,
            }),
            (_, Some(stale)) => Err(stale.error),
            _ if self.options.remote.is_some() => Err(RepoError::Pending),
            (Look::Absent, None) => Err(RepoError::NotProvisioned(path)),
            (Look::Broken(why), None) => Err(RepoError::git(&path)(git2::Error::from_str(&why))),
        }
    }

    /// Notes that a clone cannot be read, so that it is made again; not twice in a short time, since then the fault
    /// is the remote's. What others made is theirs to mend.
    fn distrust(&self, handle: &Handle) {
        let is_new = is_within(handle.fetched, self.clock.now(), self.options.fetch_after);
        if self.options.remote.is_some() && handle.in_use.is_some() && !is_new {
            place::mark_damaged(&handle.path);
        }
    }
}

/// Whether `instant` lies at most `span` back.
fn is_within(instant: Option<Timestamp>, now: Timestamp, span: Duration) -> bool {
    instant.is_some_and(|instant| {
        let age = now.instant().duration_since(instant.instant());
        u128::try_from(age.as_millis()).is_ok_and(|age| age < span.as_millis())
    })
}
