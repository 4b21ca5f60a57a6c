//! One way to a remote and back: who goes, who waits, and what is remembered of it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use git2::Repository;
use tokio::sync::watch;
use tracing::{info, warn};

use super::credential::Credential;
use super::error::{RemoteFailure, RemoteFault, RepoError};
use super::pkt::Advertised;
use super::place::{self, Lock, Look, Place};
use super::remote::Target;
use super::smart::Session;
use super::state::Stale;
use super::{Shared, Site, is_within, transfer};
use crate::protocol::{ExperimentId, Timestamp};

/// A remote that failed is left alone for so long, doubled each time, up to a minute.
const RETRY: Duration = Duration::from_secs(5);
const RETRY_CAP: Duration = Duration::from_secs(60);

/// Those under way, and how the last ones failed.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<ExperimentId, Entry>>);

#[derive(Default)]
struct Entry {
    flight: Option<watch::Receiver<()>>,
    failure: Option<Failure>,
}

struct Failure {
    stale: Stale,
    last: Timestamp,
    pause: Duration,
}

impl Flights {
    fn entries(&self) -> MutexGuard<'_, HashMap<ExperimentId, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_flying(&self, id: &ExperimentId) -> bool {
        self.entries().get(id).is_some_and(|entry| entry.flight.is_some())
    }

    /// How the last flight failed, unless one has succeeded since.
    pub(super) fn failure(&self, id: &ExperimentId) -> Option<Stale> {
        let entries = self.entries();
        let failure = entries.get(id)?.failure.as_ref()?;
        Some(failure.stale.clone())
    }

    fn land(&self, id: &ExperimentId, outcome: Result<(), RepoError>, now: Timestamp) {
        let mut entries = self.entries();
        let last = entries.remove(id).and_then(|entry| entry.failure);
        let error = match outcome {
            Ok(()) => {
                if last.is_some() {
                    info!(experiment.id = %id, "the repository can be fetched again");
                }
                return;
            }
            Err(error) => error,
        };
        if last.is_none() {
            warn!(experiment.id = %id, %error, "the repository cannot be had from its remote");
        }
        let failure = Failure {
            pause: last.as_ref().map_or(RETRY, |last| (last.pause * 2).min(RETRY_CAP)),
            stale: Stale {
                since: last.map_or(now, |last| last.stale.since),
                error,
            },
            last: now,
        };
        let entry = Entry {
            flight: None,
            failure: Some(failure),
        };
        entries.insert(id.clone(), entry);
    }
}

/// Notes how a flight ended, also if it panicked; those who wait for it hear of it afterwards.
struct Landing {
    shared: Arc<Shared>,
    id: ExperimentId,
    outcome: Result<(), RepoError>,
    _landed: watch::Sender<()>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Ok(()));
        self.shared.flights.land(&self.id, outcome, self.shared.clock.now());
    }
}

impl Shared {
    /// The flight for a clone that was not fetched for `fresh_for`: the one under way, or a new one. `None` when there
    /// is no remote, or it failed a moment ago.
    pub(super) fn board(self: &Arc<Self>, id: &ExperimentId, fresh_for: Duration) -> Option<watch::Receiver<()>> {
        self.options.remote.as_ref()?;
        let now = self.clock.now();
        let mut entries = self.flights.entries();
        let entry = entries.entry(id.clone()).or_default();
        if let Some(flight) = &entry.flight {
            return Some(flight.clone());
        }
        if entry
            .failure
            .as_ref()
            .is_some_and(|failure| is_within(Some(failure.last), now, failure.pause))
        {
            return None;
        }
        let (landed, waiting) = watch::channel(());
        entry.flight = Some(waiting.clone());
        let landing = Landing {
            shared: self.clone(),
            id: id.clone(),
            outcome: Err(RepoError::Interrupted),
            _landed: landed,
        };
        self.tasks.spawn("repository", async move {
            let mut landing = landing;
            let shared = landing.shared.clone();
            let stopping = shared.tasks.stopping();
            let limit = shared.options.network.total;
            let id = landing.id.clone();
            landing.outcome = tokio::select! {
                () = stopping.cancelled() => Err(RepoError::Interrupted),
                flown = tokio::time::timeout(limit, shared.fly(&id, fresh_for)) => {
                    flown.unwrap_or_else(|_| Err(shared.late(&id)))
                }
            };
        });
        Some(waiting)
    }

    fn late(&self, id: &ExperimentId) -> RepoError {
        let url = self.options.remote.as_ref().map(|remote| remote.target(id).to_string());
        let failure = RemoteFailure {
            fault: RemoteFault::Unreachable,
            url: url.unwrap_or_default(),
            words: "it took too long in all".to_owned(),
        };
        failure.into()
    }

    async fn fly(&self, id: &ExperimentId, fresh_for: Duration) -> Result<(), RepoError> {
        let Some(remote) = &self.options.remote else {
            return Err(RepoError::Disabled);
        };
        let (place, is_provided) = match self.site(id)? {
            Site::At(place) => (place, false),
            Site::Provided(path) => {
                let given = path.clone();
                let is_bare = move || Repository::open(&given).is_ok_and(|git| git.is_bare());
                match Place::of(&path) {
                    // What is checked out is somebody's work, and what cannot be opened is theirs to mend.
                    Some(place) if blocking(is_bare).await? => (place, true),
                    _ => return Ok(()),
                }
            }
        };
        let site = place.clone();
        let lock = blocking(move || site.lock()).await??;
        // From here on, since waiting for the lock may have taken long.
        let asked = self.clock.now();
        let work = Work { place, lock };
        let look = work.run(move |place| place.look(asked)).await?;
        let is_present = match look {
            // Another process has just been there.
            Look::Ready(found) if is_within(found.fetched, asked, fresh_for) => return Ok(()),
            Look::Ready(_) => true,
            Look::Absent => false,
            Look::Broken(why) if is_provided => {
                return Err(RepoError::git(&work.place.path())(git2::Error::from_str(&why)));
            }
            Look::Broken(why) => {
                work.run(move |place| place.clear(&why, asked)).await?;
                false
            }
        };
        let clone = match is_present {
            true => work.place.path(),
            false => work.run(Place::init).await?,
        };
        let is_ours = !is_present || (!is_provided && work.place.is_ours());
        let advertised = match remote.target(id) {
            Target::Directory(source) => {
                let clone = clone.clone();
                work.run(move |_| transfer::from_directory(&clone, &source)).await?
            }
            Target::Http(url) => self.download(&work, &clone, &url).await?,
        };
        let made = clone.clone();
        let finish = move |place: &Place| {
            transfer::apply(&made, &advertised, is_ours)?;
            match is_present {
                false => place.settle(&made, asked),
                true => {
                    place::mark_fetched(&made, asked)?;
                    if is_ours {
                        transfer::consolidate(&made)?;
                    }
                    Ok(())
                }
            }
        };
        work.run(finish).await?;
        if !is_present {
            info!(experiment.id = %id, repository = %work.place.path().display(), "the repository is cloned");
        }
        drop(work);
        match &self.options.root {
            Some(root) => self.make_room(root, id).await,
            None => Ok(()),
        }
    }

    /// Brings what the remote has and the clone lacks.
    async fn download(&self, work: &Work, clone: &Path, url: &reqwest::Url) -> Result<Advertised, RepoError> {
        let (credential, without) = self.credential(url).await;
        let session = Session {
            http: &self.http,
            url,
            credential: credential.as_ref(),
            without: without.as_deref(),
        };
        let advertised = session.advertised().await?;
        let (path, wanted) = (clone.to_owned(), advertised.clone());
        let plan = work.run(move |_| transfer::plan(&path, &wanted)).await?;
        if plan.wants.is_empty() {
            return Ok(advertised);
        }
        let pack = work.place.pack();
        let received = session
            .pack(&plan.wants, &plan.haves, &pack, self.options.byte_budget)
            .await;
        if !matches!(received, Ok(Ok(()))) {
            // It may be what fills the disk; otherwise the next flight removes it.
            let _ = tokio::fs::remove_file(&pack).await;
        }
        received?.map_err(RepoError::disk(&pack))?;
        let path = clone.to_owned();
        let taken = work.run(move |place| {
            let pack = place.pack();
            let taken = transfer::index(&path, &pack);
            // It is in the clone now, or of no use; the next flight would remove it too.
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

    /// What the remote is shown, or why nothing.
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

    /// Keeps all clones together within the budget. That this fails is no reason not to serve the one just fetched.
    async fn make_room(&self, root: &Path, id: &ExperimentId) -> Result<(), RepoError> {
        let own = self.options.provided.as_ref().map(|(own, _)| own.clone());
        let (root, keep, budget) = (root.to_owned(), [Some(id.clone()), own], self.options.byte_budget);
        blocking(move || {
            let keep: Vec<_> = keep.iter().flatten().collect();
            if let Err(error) = place::prune(&root, budget, &keep) {
                warn!(root = %root.display(), %error, "repositories that are not used cannot be thrown away");
            }
        })
        .await
    }
}

/// Work on a clone by whoever may change it.
struct Work {
    place: Place,
    lock: Lock,
}

impl Work {
    /// Runs a step beside the async threads. The step holds the lock itself: if the flight is given up, the lock stays
    /// until the step has ended.
    async fn run<T: Send + 'static>(
        &self,
        step: impl FnOnce(&Place) -> Result<T, RepoError> + Send + 'static,
    ) -> Result<T, RepoError> {
        let (place, lock) = (self.place.clone(), self.lock.clone());
        blocking(move || {
            let _held = lock;
            step(&place)
        })
        .await?
    }
}

/// Runs what blocks beside the async threads.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, RepoError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| RepoError::Interrupted)
}
