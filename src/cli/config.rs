//! What the command line comes to.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::access;
use crate::protocol::{CommitSha, ExperimentId};

/// What to run and how to log.
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
    /// An embedded deployment: `up` and `backend`.
    Deployment(Box<DeploymentConfig>),
    /// A console for servers that run elsewhere: `serve`.
    Console(Box<ServeConfig>),
}

/// An embedded deployment.
#[derive(Debug, Clone)]
pub struct DeploymentConfig {
    /// Where its data is.
    pub storage: Storage,
    /// The task store and the control plane.
    pub backend: BackendConfig,
    /// The console; `None` runs the backend alone.
    pub console: Option<ConsoleConfig>,
}

/// A console for servers that run elsewhere.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The servers and the tokens for them.
    pub access: access::Options,
    /// The secret that the key of the session cookie is derived from. With `None` a key is stored beside the
    /// credentials.
    pub session_secret: Option<SecretString>,
    /// Whether browsers send the session cookie over HTTPS only.
    pub secure_cookies: bool,
    /// The configuration file of the default experiment.
    pub experiment_config: Option<PathBuf>,
    /// The directory with `<experiment id>.yaml` for each of the others.
    pub experiment_config_dir: Option<PathBuf>,
    /// The repositories.
    pub repos: ReposConfig,
    /// The byte budget of all mirrors in memory.
    pub mirror_budget_bytes: u64,
    /// The bearer token for the metrics.
    pub metrics_token: Option<SecretString>,
    /// Options that were given and have no effect, each with the reason, for the log.
    pub ignored: Vec<(&'static str, &'static str)>,
}

/// The repositories of experiments.
#[derive(Debug, Clone, Default)]
pub struct ReposConfig {
    /// The bare clone of the default experiment.
    pub path: Option<PathBuf>,
    /// The directory for clones of the others; `None` clones nothing.
    pub root: Option<PathBuf>,
    /// The remote. What follows its last `/` is replaced by `<experiment id>.git`. It may hold a password.
    pub remote: Option<SecretString>,
    /// A git credential helper.
    pub credential_helper: Option<SecretString>,
    /// A file with the credential for the remote.
    pub credential_file: Option<PathBuf>,
    /// The byte budget of the clones.
    pub budget_bytes: u64,
}

/// The task store and the control plane.
#[derive(Debug, Clone)]
pub struct BackendConfig {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Experiments to host from the start.
    pub seeds: Vec<SeedConfig>,
    /// How callers are authenticated.
    pub authentication: AuthenticationConfig,
    /// Settings that only `switchboard backend` has options for.
    pub limits: Option<Limits>,
    /// The directory of repositories; `None` is `repos` in the data directory.
    pub repo_root: Option<PathBuf>,
    /// The directory of files for commands that are given an artifact URL; `None` serves none.
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

/// How the backend authenticates its callers.
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
    /// How long `events/subscribe` waits for an event.
    pub subscribe_timeout: Duration,
    /// How long a lease lasts unless it is renewed.
    pub lease_duration: Duration,
    /// The largest artifact in bytes.
    pub max_artifact_bytes: u64,
    /// The largest checkpoint archive in bytes.
    pub max_checkpoint_bytes: u64,
}

/// The console on top of the backend.
#[derive(Debug, Clone)]
pub struct ConsoleConfig {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Whether the demo experiments run.
    pub demo: bool,
    /// The byte budget of all mirrors in memory.
    pub mirror_budget_bytes: u64,
    /// The bearer token for the metrics.
    pub metrics_token: Option<SecretString>,
}

/// Where the data of a deployment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In a directory that outlives the process.
    Directory(PathBuf),
    /// In a temporary directory that is removed at the end.
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
