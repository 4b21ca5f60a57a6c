//! From what was typed ([`Args`]) to what is used ([`Config`]).

mod args;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::protocol::{CommitSha, ExperimentId};

pub use args::Args;

/// What to run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything is kept.
    pub storage: Storage,
    /// The task store and the control plane.
    pub backend: BackendConfig,
    /// The console; `None` runs the backend alone.
    pub console: Option<ConsoleConfig>,
    /// How to log.
    pub log: LogConfig,
}

/// The task store and the control plane.
#[derive(Debug, Clone)]
pub struct BackendConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Experiments to host from the start.
    pub seeds: Vec<SeedConfig>,
    /// How callers are known.
    pub authentication: AuthenticationConfig,
    /// Settings that only `switchboard backend` lets one change.
    pub limits: Option<Limits>,
    /// Where repositories are; `None` is `repos` in the data directory.
    pub repo_root: Option<PathBuf>,
    /// Where files for commands with an artifact URL are; `None` serves none.
    pub artifacts_dir: Option<PathBuf>,
}

/// An experiment to host from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedConfig {
    /// Its id.
    pub experiment_id: ExperimentId,
    /// The file with its configuration.
    pub config: PathBuf,
    /// Its seed commit.
    pub base_commit_sha: Option<CommitSha>,
}

/// How the backend knows its callers.
#[derive(Debug, Clone)]
pub enum AuthenticationConfig {
    /// With the admin token of the data directory.
    StoredToken,
    /// With this admin token.
    AdminToken(SecretString),
    /// Not at all.
    Off,
}

/// Times and sizes of the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long `events/subscribe` waits.
    pub subscribe_timeout: Duration,
    /// How long a lease is good for.
    pub lease_duration: Duration,
    /// The largest artifact in bytes.
    pub max_artifact_bytes: u64,
    /// The largest checkpoint archive in bytes.
    pub max_checkpoint_bytes: u64,
}

/// What a command line can get wrong beyond the grammar of its options.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// The experiments and what belongs to them cannot be paired.
    #[error("{given} {flag} for {wanted} --experiment-id: give it once, or once for each in the same order")]
    Unpaired {
        /// The option that does not fit.
        flag: &'static str,
        /// How often it was given.
        given: usize,
        /// How many experiments there are.
        wanted: usize,
    },
    /// Authentication is off where others could reach it.
    #[error("--insecure-no-auth lets everybody in, so it needs --host 127.0.0.1 or ::1, not {0}")]
    Exposed(IpAddr),
}

/// The console on top of the backend.
#[derive(Debug, Clone)]
pub struct ConsoleConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whether the demo experiments run.
    pub demo: bool,
}

/// Where everything is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In a directory that outlives the process.
    Directory(PathBuf),
    /// Nowhere that outlives the process.
    Ephemeral,
}

/// How to log.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// A tracing filter.
    pub filter: String,
    /// One JSON object a line.
    pub json: bool,
}
