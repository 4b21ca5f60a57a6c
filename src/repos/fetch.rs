//! Fetching a repository from its remote: one fetch at a time for each, shared by all callers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use git2::Repository;
use tracing::{info, warn};

use super::blocking::blocking;
use super::clone_path::{self, ClonePath, CloneStatus, Lock};
use super::credential::Credential;
use super::error::{RemoteFailure, RemoteFault, RepoError, SetupError};
use super::failures::Failures;
use super::options::{Location, Options};
use super::pkt_line::Advertisement;
use super::remote::Target;
use super::smart_http::{Http, Session};
use super::state::FetchFailure;
use super::transfer;
use crate::clock::Clock;
use crate::lifecycle::Tasks;
use crate::protocol::{ExperimentId, Timestamp};
use crate::singleflight::SingleFlight;

/// Fetches repositories, and remembers which fetches failed.
pub(super) struct Fetcher {
    pub options: Options,
    pub clock: Clock,
    http: Http,
    tasks: Tasks,
    fetches: SingleFlight<ExperimentId, Result<(), RepoError>>,
    failures: Arc<Failures>,
    /// Since when a remote that cannot be used is known as such.
    started: Timestamp,
}

impl Fetcher {
    pub(super) fn new(options: Options, clock: Clock, tasks: Tasks) -> Result<Self, SetupError> {
        Ok(Self {
            http: Http::new(options.network)?,
            options,
            started: clock.now(),
            clock,
            fetches: SingleFlight::new("repository", tasks.clone()),
            tasks,
            failures: Arc::default(),
        })
    }

    /// Whether a fetch is under way.
    pub(super) fn is_fetching(&self, id: &ExperimentId) -> bool {
        self.fetches.is_running(id)
    }

    /// Why a repository may be older than its remote, or is missing.
    pub(super) fn failure(&self, id: &ExperimentId) -> Option<FetchFailure> {
        let unusable = || {
            Some(FetchFailure {
                error: self.options.unusable.clone()?.into(),
                since: self.started,
            })
        };
        self.failures.get(id).or_else(unusable)
    }

    /// Has a repository fetched that was not fetched for `max_age`, and waits for it. The fetch goes on if the caller
    /// stops waiting. Nothing happens without a remote, or if it failed a moment ago. The outcome is remembered, see
    /// [`Self::failure`].
    pub(super) async fn fetch(self: &Arc<Self>, id: &ExperimentId, max_age: Duration) {
        if self.options.remote.is_none() {
            return;
        }
        let in_backoff = || self.failures.in_backoff(id, &self.clock).map(Err);
        let work = || {
            let (fetcher, id) = (self.clone(), id.clone());
            async move { fetcher.fetch_in_time(&id, max_age).await }
        };
        let (failures, clock, key) = (self.failures.clone(), self.clock.clone(), id.clone());
        let record = move |outcome: Option<&Result<(), RepoError>>| {
            let outcome = outcome.cloned().unwrap_or(Err(RepoError::Interrupted));
            failures.record(&key, outcome, clock.now());
        };
        // The outcome is read from `failures` and from the disk.
        let _ = self.fetches.run(id.clone(), in_backoff, work, record).await;
    }

    async fn fetch_in_time(&self, id: &ExperimentId, max_age: Duration) -> Result<(), RepoError> {
        let stopping = self.tasks.stopping();
        tokio::select! {
            () = stopping.cancelled() => Err(RepoError::Interrupted),
            fetched = tokio::time::timeout(self.options.network.total, self.fetch_now(id, max_age)) => {
                fetched.unwrap_or_else(|_| Err(self.timed_out(id)))
            }
        }
    }

    fn timed_out(&self, id: &ExperimentId) -> RepoError {
        let url = self.options.remote.as_ref().map(|remote| remote.target(id).to_string());
        let failure = RemoteFailure {
            fault: RemoteFault::Unreachable,
            url: url.unwrap_or_default(),
            message: "it took too long in all".to_owned(),
        };
        failure.into()
    }

    async fn fetch_now(&self, id: &ExperimentId, max_age: Duration) -> Result<(), RepoError> {
        let Some(remote) = &self.options.remote else {
            return Err(RepoError::Disabled);
        };
        let (path, is_provided) = match self.options.location(id)? {
            Location::Clone(path) => (path, false),
            Location::Provided(provided) => match ClonePath::of(&provided) {
                Some(path) if blocking(move || is_bare(&provided)).await? => (path, true),
                // A working tree belongs to others, and so does what cannot be opened.
                _ => return Ok(()),
            },
        };
        let locking = path.clone();
        let lock = blocking(move || locking.lock()).await??;
        // After the lock, which may have taken long.
        let asked = self.clock.now();
        let locked = LockedClone { path, lock };
        let is_present = match locked.run(move |path| path.open(asked)).await? {
            // Another process has fetched it meanwhile.
            CloneStatus::Ready(found) if found.fetched.is_some_and(|at| self.clock.is_recent(at, max_age)) => {
                return Ok(());
            }
            CloneStatus::Ready(_) => true,
            CloneStatus::Absent => false,
            CloneStatus::Broken(why) if is_provided => {
                return Err(RepoError::git(&locked.path.path())(git2::Error::from_str(&why)));
            }
            CloneStatus::Broken(why) => {
                locked.run(move |path| path.clear(&why, asked)).await?;
                false
            }
        };
        let clone = match is_present {
            true => locked.path.path(),
            false => locked.run(ClonePath::init).await?,
        };
        let is_ours = !is_present || (!is_provided && locked.path.is_ours());
        let advertised = match remote.target(id) {
            Target::Directory(source) => {
                let clone = clone.clone();
                locked.run(move |_| transfer::fetch_directory(&clone, &source)).await?
            }
            Target::Http(url) => self.download(&locked, &clone, &url).await?,
        };
        let made = clone.clone();
        let finish = move |path: &ClonePath| {
            transfer::update_branches(&made, &advertised, is_ours)?;
            match is_present {
                false => path.publish(&made, asked),
                true => {
                    clone_path::mark_fetched(&made, asked)?;
                    if is_ours {
                        transfer::repack(&made)?;
                    }
                    Ok(())
                }
            }
        };
        locked.run(finish).await?;
        if !is_present {
            info!(experiment.id = %id, repository = %locked.path.path().display(), "the repository is cloned");
        }
        drop(locked);
        match &self.options.root {
            Some(root) => self.evict(root, id).await,
            None => Ok(()),
        }
    }

    /// Downloads what the remote has and the clone lacks.
    async fn download(
        &self,
        locked: &LockedClone,
        clone: &Path,
        url: &reqwest::Url,
    ) -> Result<Advertisement, RepoError> {
        let (credential, no_credential) = self.credential(url).await;
        let session = Session {
            http: &self.http,
            url,
            credential: credential.as_ref(),
            no_credential: no_credential.as_deref(),
        };
        let advertised = session.advertised().await?;
        let (path, wanted) = (clone.to_owned(), advertised.clone());
        let plan = locked.run(move |_| transfer::plan(&path, &wanted)).await?;
        if plan.wants.is_empty() {
            return Ok(advertised);
        }
        let pack = locked.path.pack();
        let received = session
            .pack(&plan.wants, &plan.haves, &pack, self.options.byte_budget)
            .await;
        if !matches!(received, Ok(Ok(()))) {
            // It may be what fills the disk. If this fails, the next fetch removes it.
            let _ = tokio::fs::remove_file(&pack).await;
        }
        received?.map_err(RepoError::disk(&pack))?;
        let path = clone.to_owned();
        let taken = locked.run(move |locked| {
            let pack = locked.pack();
            let taken = transfer::index_pack(&path, &pack);
            // It is in the clone now, or of no use. If this fails, the next fetch removes it.
            let _ = std::fs::remove_file(&pack);
            taken
        });
        taken.await.map_err(|error| match error {
            RepoError::Git { source, .. } => session.broken(source.message()).into(),
            RepoError::Disk { source, .. } if source.kind() == std::io::ErrorKind::Other => {
                session.broken(&source.to_string()).into()
            }
            other => other,
        })?;
        Ok(advertised)
    }

    /// The credential for the remote, or why there is none.
    async fn credential(&self, url: &reqwest::Url) -> (Option<Credential>, Option<String>) {
        match (&self.options.credential, &self.options.remote) {
            (Some(source), _) => match source.get(url).await {
                Ok(credential) => (Some(credential), None),
                // The repository may be open to all.
                Err(why) => (None, Some(why)),
            },
            (None, Some(remote)) => (remote.userinfo.clone(), None),
            (None, None) => (None, None),
        }
    }

    /// Keeps all clones together within the byte budget. A failure is only logged: the clone just fetched is good.
    async fn evict(&self, root: &Path, id: &ExperimentId) -> Result<(), RepoError> {
        let own = self.options.provided.as_ref().map(|(own, _)| own.clone());
        let (root, keep, budget) = (root.to_owned(), [Some(id.clone()), own], self.options.byte_budget);
        blocking(move || {
            let keep: Vec<_> = keep.iter().flatten().collect();
            if let Err(error) = clone_path::evict(&root, budget, &keep) {
                warn!(root = %root.display(), %error, "unused repositories cannot be evicted");
            }
        })
        .await
    }
}

/// A clone and the right to change it.
struct LockedClone {
    path: ClonePath,
    lock: Lock,
}

impl LockedClone {
    /// Runs a blocking step. The step holds the lock itself: if the fetch is cancelled, the lock stays until the step
    /// has ended.
    async fn run<T: Send + 'static>(
        &self,
        step: impl FnOnce(&ClonePath) -> Result<T, RepoError> + Send + 'static,
    ) -> Result<T, RepoError> {
        let (path, lock) = (self.path.clone(), self.lock.clone());
        blocking(move || {
            let _held = lock;
            step(&path)
        })
        .await?
    }
}

fn is_bare(path: &Path) -> bool {
    Repository::open(path).is_ok_and(|git| git.is_bare())
}
