//! From what was typed ([`Args`]) to what is used ([`Config`]).

mod args;
mod file;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::access::{self, AddressError};
use crate::protocol::{CommitSha, ExperimentId};

pub use args::Args;

/// Shorter ones can be tried through.
const MIN_SESSION_SECRET: usize = 16;

/// What to run, and how to log.
#[derive(Debug, Clone)]
pub struct Config {
    /// What to run.
    pub run: Run,
    /// How to log.
    pub log: LogConfig,
}

/// What to run.
#[derive(Debug, Clone)]
pub enum Run {
    /// A deployment of our own: `up`, and `backend`.
    Deployment(Box<DeploymentConfig>),
    /// A console for servers that run elsewhere: `serve`.
    Console(Box<ServeConfig>),
}

/// A deployment of our own.
#[derive(Debug, Clone)]
pub struct DeploymentConfig {
    /// Where everything is kept.
    pub storage: Storage,
    /// The task store and the control plane.
    pub backend: BackendConfig,
    /// The console; `None` runs the backend alone.
    pub console: Option<ConsoleConfig>,
}

/// A console for servers that run elsewhere.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Which servers there are, and what to show them.
    pub access: access::Options,
    /// What the session cookie's key is made of; `None` keeps a key beside the credentials.
    pub session_secret: Option<SecretString>,
    /// Whether browsers send the session cookie over HTTPS only.
    pub secure_cookies: bool,
    /// The configuration of the default experiment.
    pub experiment_config: Option<PathBuf>,
    /// Configurations of the others, `<experiment id>.yaml` each.
    pub experiment_config_dir: Option<PathBuf>,
    /// Repositories.
    pub repos: ReposConfig,
    /// How many bytes of experiments are kept in memory.
    pub mirror_budget_bytes: u64,
    /// What a monitoring system shows for the metrics.
    pub metrics_token: Option<SecretString>,
    /// Options that were given and change nothing, each with the reason, for the log.
    pub ignored: Vec<(&'static str, &'static str)>,
}

/// Where experiments' repositories come from and go to.
#[derive(Debug, Clone, Default)]
pub struct ReposConfig {
    /// The default experiment's bare clone.
    pub path: Option<PathBuf>,
    /// Holds the clones of the others; `None` clones nothing.
    pub root: Option<PathBuf>,
    /// The remote; what stands after the last `/` is replaced by `<experiment id>.git`. A password may be in it.
    pub remote: Option<SecretString>,
    /// A program that speaks git's protocol of credential helpers.
    pub credential_helper: Option<SecretString>,
    /// A file with what the remote is shown.
    pub credential_file: Option<PathBuf>,
    /// How many bytes the clones may take.
    pub budget_bytes: u64,
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
pub enum UsageError {
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
    /// No task store is named.
    #[error(
        "--task-store-url is missing: the address of the task store, in which {{experiment_id}} stands for the \
         experiment's id where each has its own; or give task_store in the file of --config"
    )]
    NoTaskStore,
    /// Neither an experiment nor a registry of experiments.
    #[error("--experiment-id is missing: without --control-plane-url there is nothing else to show")]
    NoExperiment,
    /// An address is none.
    #[error("{flag}: {source}")]
    Address {
        /// Where it was given.
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

/// The console on top of the backend.
#[derive(Debug, Clone)]
pub struct ConsoleConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whether the demo experiments run.
    pub demo: bool,
    /// How many bytes of experiments are kept in memory.
    pub mirror_budget_bytes: u64,
    /// What a monitoring system shows for the metrics.
    pub metrics_token: Option<SecretString>,
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
