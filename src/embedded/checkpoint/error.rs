//! Why a checkpoint is not exported or imported.

use std::io;

use crate::embedded::ProtocolError;
use crate::embedded::storage::StorageError;
use crate::protocol::ErrorType;

/// Why a checkpoint is not exported or imported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    /// The request or the archive is refused.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The database or a file failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<io::Error> for CheckpointError {
    fn from(error: io::Error) -> Self {
        Self::Storage(error.into())
    }
}

/// A fault of one of our repositories. Faults of an archive's bundle are reported with [`invalid`].
impl From<git2::Error> for CheckpointError {
    fn from(error: git2::Error) -> Self {
        Self::Storage(io::Error::other(error).into())
    }
}

/// The archive breaks a rule.
pub(super) fn invalid(detail: impl Into<String>) -> ProtocolError {
    ProtocolError::new(ErrorType::CheckpointInvalid, detail)
}

/// A result of exporting or importing.
pub(crate) type CheckpointResult<T = ()> = Result<T, CheckpointError>;
