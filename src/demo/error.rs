use std::path::PathBuf;

use super::repo::RepoError;
use crate::client::ClientError;
use crate::protocol::ConfigFaults;

/// Why the demo, or one of its experiments, cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A call to the backend failed.
    #[error("the backend did not do what the demo asked: {0}")]
    Client(#[from] ClientError),
    /// The git side failed.
    #[error("{0}; check that the disk is writable and has room")]
    Repository(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// A credential could not be kept.
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
    /// A configuration of the catalog is not good.
    #[error(transparent)]
    Config(#[from] ConfigFaults),
    /// A computation was cut off because the process is ending, or it panicked.
    #[error("a computation did not finish")]
    Cut(#[from] tokio::task::JoinError),
}

impl From<RepoError> for DemoError {
    fn from(fault: RepoError) -> Self {
        Self::Repository(fault.to_string(), Box::new(fault))
    }
}

impl DemoError {
    /// Whether the backend was not reached, so that waiting may help.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Client(fault) if fault.is_unreachable())
    }
}
