use std::path::PathBuf;
use std::time::Duration;

use super::{CredentialSource, NetworkLimits, Remote, SetupError};
use crate::protocol::ExperimentId;

/// What repositories are had from and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where clones are: `<root>/<experiment_id>.git`. Without a remote what is there is read and never changed.
    pub root: Option<PathBuf>,
    /// Where they are cloned from.
    pub remote: Option<Remote>,
    /// Why a remote that was given cannot be used; it is said wherever it is missed.
    pub unusable: Option<SetupError>,
    /// What the remote is shown; what stands in its address is used when this is `None`.
    pub credential: Option<CredentialSource>,
    /// One experiment's own clone, which is read where it is. If it is bare and there is a remote, branches are added and
    /// forwarded; none is lost, and it is never thrown away.
    pub provided: Option<(ExperimentId, PathBuf)>,
    /// Clones made here are thrown away, least recently used first, when they take more bytes than this together. It
    /// is also the most that one fetch may bring.
    pub byte_budget: u64,
    /// A clone that was fetched since is not fetched again.
    pub fetch_after: Duration,
    /// The same for a clone that lacks the commit somebody asks for.
    pub miss_after: Duration,
    /// How long a page waits.
    pub patience: Duration,
    /// How long the network may take.
    pub network: NetworkLimits,
}

impl Options {
    /// Clones below `root`, and what usually fits for everything else.
    pub fn at(root: Option<PathBuf>) -> Self {
        Self {
            root,
            remote: None,
            unusable: None,
            credential: None,
            provided: None,
            byte_budget: 4 * 1024 * 1024 * 1024,
            fetch_after: Duration::from_secs(30),
            miss_after: Duration::from_secs(5),
            patience: Duration::from_secs(1),
            network: NetworkLimits::default(),
        }
    }
}
