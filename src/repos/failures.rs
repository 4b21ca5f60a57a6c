//! Which remotes could not be fetched from, and when to try them again.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tracing::{info, warn};

use super::error::RepoError;
use super::state::FetchFailure;
use crate::clock::Clock;
use crate::protocol::{ExperimentId, Timestamp};

/// After a failure the remote is left alone for this long. Each further failure doubles it, up to [`BACKOFF_CAP`].
const BACKOFF: Duration = Duration::from_secs(5);
const BACKOFF_CAP: Duration = Duration::from_secs(60);

/// The experiments whose last fetch failed.
#[derive(Default)]
pub(super) struct Failures(Mutex<HashMap<ExperimentId, Entry>>);

struct Entry {
    failure: FetchFailure,
    last: Timestamp,
    backoff: Duration,
}

impl Failures {
    /// How the last fetch failed, unless it succeeded.
    pub(super) fn get(&self, id: &ExperimentId) -> Option<FetchFailure> {
        self.0.lock().get(id).map(|entry| entry.failure.clone())
    }

    /// The failure whose backoff is not over yet.
    pub(super) fn in_backoff(&self, id: &ExperimentId, clock: &Clock) -> Option<RepoError> {
        let entries = self.0.lock();
        let entry = entries.get(id)?;
        clock
            .is_recent(entry.last, entry.backoff)
            .then(|| entry.failure.error.clone())
    }

    /// Remembers how a fetch ended.
    pub(super) fn record(&self, id: &ExperimentId, outcome: Result<(), RepoError>, now: Timestamp) {
        let mut entries = self.0.lock();
        let previous = entries.remove(id);
        let error = match outcome {
            Ok(()) => {
                if previous.is_some() {
                    info!(experiment.id = %id, "the repository can be fetched again");
                }
                return;
            }
            Err(error) => error,
        };
        if previous.is_none() {
            warn!(experiment.id = %id, %error, "the repository cannot be had from its remote");
        }
        let entry = Entry {
            backoff: previous
                .as_ref()
                .map_or(BACKOFF, |previous| (previous.backoff * 2).min(BACKOFF_CAP)),
            failure: FetchFailure {
                since: previous.map_or(now, |previous| previous.failure.since),
                error,
            },
            last: now,
        };
        entries.insert(id.clone(), entry);
    }
}
