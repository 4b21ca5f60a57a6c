use std::path::PathBuf;

use super::repo::RepoError;
use crate::client::ClientError;
use crate::protocol::{ConfigFaults, IdError};

/// Why the demo, or one of its experiments, cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A call to the backend failed.
    #[error("the backend did not do what the demo asked: {0}")]
    Client(#[from] ClientError),
    /// The git side failed.
    #[error("{0}; check that the disk is writable and has room")]
    Repository(#[from] RepoError),
    /// A credential could not be read or written.
    #[error("the credential in {} cannot be kept; check that the disk is writable", path.display())]
    Credential {
        /// The file.
        path: PathBuf,
        /// The fault.
        #[source]
        source: std::io::Error,
    },
    /// The configuration of an experiment cannot be followed.
    #[error("the configuration cannot be followed: {0}")]
    Plan(String),
    /// A configuration of the catalog has faults.
    #[error(transparent)]
    Config(#[from] ConfigFaults),
    /// A computation panicked, or was cancelled because the process is ending.
    #[error("a computation did not finish")]
    Cut(#[from] tokio::task::JoinError),
}

/// Ids are made of an experiment's own; one that cannot be made is a matter of the configuration.
impl From<IdError> for DemoError {
    fn from(fault: IdError) -> Self {
        Self::Plan(fault.to_string())
    }
}

impl DemoError {
    /// Whether the backend was not reached, so that waiting may help.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Client(fault) if fault.is_unreachable())
    }
}
