use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::Scope;
use crate::client::ClientError;
use crate::protocol::WorkerId;

/// Why there is no credential to call with. Each message says what helps.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// No credential is stored, and no worker can be registered.
    #[error(
        "the console has no credential for {scope}, and no admin token to register one with; start it with \
         --admin-token, or put a credential at {}",
        path.display()
    )]
    NotStored {
        /// Whose registry.
        scope: Scope,
        /// Where one would be stored.
        path: PathBuf,
    },
    /// The stored credential is refused, and it cannot be reissued.
    #[error(
        "{} refuses the kept credential of worker {worker}, and there is no admin token to replace it; start the \
         console with --admin-token, or put a good one at {}",
        scope.server(), path.display()
    )]
    Refused {
        /// Whose registry.
        scope: Scope,
        /// The worker.
        worker: WorkerId,
        /// Where it is stored.
        path: PathBuf,
    },
    /// The admin token is wrong.
    #[error("{} refuses the admin token; start the console with the one that it was started with", scope.server())]
    AdminTokenRefused {
        /// Whose registry.
        scope: Scope,
    },
    /// The directory cannot be read or written. Nothing was registered or reissued.
    #[error("cannot use {}: {source}", path.display())]
    Directory {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process holds the lock for too long.
    #[error(
        "{} is held by another console on the same directory, which is stopped or slow; let it go on or end it, and \
         look again",
        path.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The bootstrap ended without a result: the process stops, or its task panicked.
    #[error("the work on the credential was broken off; it is taken up again when it is next asked for")]
    Interrupted,
    /// A file that should hold a credential holds something else.
    #[error("{} holds no credential: {reason}; put a good one there, or start the console with --admin-token", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl From<CredentialError> for ClientError {
    fn from(error: CredentialError) -> Self {
        Self::NoCredential(Arc::new(error))
    }
}
