use std::path::PathBuf;
use std::time::Duration;

use super::clone_path::ClonePath;
use super::credential::CredentialSource;
use super::error::{RepoError, SetupError};
use super::remote::Remote;
use super::smart_http::NetworkLimits;
use crate::protocol::ExperimentId;

/// Where repositories are, where they come from, and their limits.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where clones are: `<root>/<experiment_id>.git`. Without a remote they are read and never changed.
    pub root: Option<PathBuf>,
    /// Where they are cloned from.
    pub remote: Option<Remote>,
    /// Why a remote that was given cannot be used. It is reported instead of "there is no remote".
    pub unusable: Option<SetupError>,
    /// The credential for the remote. Without it, the user and password in the remote's address are used.
    pub credential: Option<CredentialSource>,
    /// The clone of one experiment, given by its path. If it is bare and there is a remote, branches are added and
    /// fast-forwarded. No branch of it is ever lost, and it is never evicted.
    pub provided: Option<(ExperimentId, PathBuf)>,
    /// Clones made here are evicted, least recently used first, when all of them together take more bytes than this. It
    /// is also the limit of one fetch.
    pub byte_budget: u64,
    /// A clone that was fetched less than this ago is not fetched again.
    pub max_age: Duration,
    /// The same for a clone that lacks the commit asked for.
    pub max_age_on_miss: Duration,
    /// How long a caller waits for a fetch, which goes on after that.
    pub wait_timeout: Duration,
    /// Timeouts of the network.
    pub network: NetworkLimits,
}

impl Options {
    /// Clones below `root`, no remote, and the usual limits.
    pub fn at(root: Option<PathBuf>) -> Self {
        Self {
            root,
            remote: None,
            unusable: None,
            credential: None,
            provided: None,
            byte_budget: 4 * 1024 * 1024 * 1024,
            max_age: Duration::from_secs(30),
            max_age_on_miss: Duration::from_secs(5),
            wait_timeout: Duration::from_secs(1),
            network: NetworkLimits::default(),
        }
    }

    /// Where the repository of an experiment is.
    ///
    /// # Errors
    /// [`RepoError::Disabled`] when there is no directory for repositories.
    pub(super) fn location(&self, id: &ExperimentId) -> Result<Location, RepoError> {
        match (&self.provided, &self.root) {
            (Some((own, path)), _) if own == id => Ok(Location::Provided(path.clone())),
            (_, Some(root)) => Ok(Location::Clone(ClonePath::new(root, id))),
            (_, None) => Err(RepoError::Disabled),
        }
    }
}

/// Where the repository of an experiment is.
pub(super) enum Location {
    /// At a path that was given for it.
    Provided(PathBuf),
    /// At its own path below the root.
    Clone(ClonePath),
}
