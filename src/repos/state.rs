//! The state of a repository as far as this process knows.

use std::path::PathBuf;

use super::error::RepoError;
use crate::protocol::Timestamp;

/// The state of an experiment's repository, as far as this process knows without asking the remote.
#[derive(Debug, Clone)]
pub enum RepoState {
    /// There is no directory for repositories.
    Disabled,
    /// It was given by its path and is used there.
    Provided {
        /// Where.
        path: PathBuf,
    },
    /// There is a clone.
    Cloned {
        /// When it was last fetched; `None` without a remote.
        fetched: Option<Timestamp>,
    },
    /// It is being cloned now.
    Cloning,
    /// It is cloned when it is first used.
    NotYetCloned,
    /// There is no clone, and no remote to clone it from.
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// It could not be cloned or fetched.
    Failed {
        /// How the last fetch failed.
        error: RepoError,
        /// When the first fetch since the last success failed.
        since: Timestamp,
        /// When the clone that is served meanwhile was fetched; `None` if there is none.
        fetched: Option<Timestamp>,
    },
}

/// Why a clone may be older than its remote: the last fetches failed.
#[derive(Debug, Clone)]
pub struct FetchFailure {
    /// How the last one failed.
    pub error: RepoError,
    /// When the first of them failed.
    pub since: Timestamp,
}
