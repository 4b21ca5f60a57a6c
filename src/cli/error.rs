use std::net::IpAddr;
use std::path::PathBuf;

use crate::access::AddressError;

/// A shorter session secret can be found by trying.
pub(super) const MIN_SESSION_SECRET: usize = 16;

/// Why a command line cannot be used, beyond the syntax of its options.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UsageError {
    /// Options that belong to an --experiment-id cannot be paired with it.
    #[error("{given} {flag} for {wanted} --experiment-id: give it once, or once for each in the same order")]
    Unpaired {
        /// The option that does not fit.
        flag: &'static str,
        /// How often it was given.
        given: usize,
        /// How many experiments there are.
        wanted: usize,
    },
    /// No task store is named.
    #[error(
        "--task-store-url is missing: the address of the task store, in which {{experiment_id}} stands for the \
         experiment's id where each has its own; or give task_store in the file of --config"
    )]
    NoTaskStore,
    /// Neither an experiment nor a registry of experiments.
    #[error("--experiment-id is missing: without --control-plane-url there is nothing else to show")]
    NoExperiment,
    /// It is not an address of a server.
    #[error("{flag}: {source}")]
    Address {
        /// The option.
        flag: &'static str,
        /// Why.
        source: AddressError,
    },
    /// The session secret can be guessed.
    #[error(
        "--session-secret must have at least {MIN_SESSION_SECRET} characters; leave it out to have a key made and kept"
    )]
    SessionSecret,
    /// The configuration file cannot be used.
    #[error("--config {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// Authentication is off where others could reach it.
    #[error("--insecure-no-auth lets everybody in, so it needs --host 127.0.0.1 or ::1, not {0}")]
    Exposed(IpAddr),
}
