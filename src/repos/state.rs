//! How it stands with a repository, without asking anybody.

use std::path::PathBuf;

use super::error::RepoError;
use crate::protocol::Timestamp;

/// How it stands with the repository of an experiment, as far as this process knows.
#[derive(Debug, Clone)]
pub enum RepoState {
    /// There is no directory for repositories.
    Disabled,
    /// It was given to this program and is used where it is.
    Provided {
        /// Where.
        path: PathBuf,
    },
    /// It is here.
    Cloned {
        /// When it was last fetched; never, if there is no remote.
        fetched: Option<Timestamp>,
    },
    /// It is being cloned now.
    Cloning,
    /// It is cloned when it is first used.
    NotYetCloned,
    /// It is not here, and there is nothing to clone it from.
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// It could not be cloned or fetched.
    Failed {
        /// Why, the last time it was tried.
        error: RepoError,
        /// When it first failed, since it last worked.
        since: Timestamp,
        /// When the clone that is served meanwhile was fetched; `None` when there is none.
        fetched: Option<Timestamp>,
    },
}

/// Why a clone may be older than its remote.
#[derive(Debug, Clone)]
pub struct Stale {
    /// Why, the last time it was tried.
    pub error: RepoError,
    /// When it first failed, since it last worked.
    pub since: Timestamp,
}
