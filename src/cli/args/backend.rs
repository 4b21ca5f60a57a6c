//! `switchboard backend`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ClapArgs;
use secrecy::SecretString;

use super::shared::{StorageArgs, host, non_blank, seconds, secret};
use crate::cli::config::{AuthenticationConfig, BackendConfig, Limits, SeedConfig};
use crate::cli::error::UsageError;
use crate::protocol::{CommitSha, ExperimentId};

#[derive(Debug, ClapArgs)]
pub(super) struct BackendArgs {
    #[command(flatten)]
    storage: StorageArgs,
    /// Address to listen on
    #[arg(long, env = "SWITCHBOARD_HOST", value_name = "HOST", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_parser = host)]
    host: IpAddr,
    /// Port of the task store and control plane; 0 takes a free one
    #[arg(long, env = "SWITCHBOARD_BACKEND_PORT", default_value_t = 8080)]
    port: u16,
    /// Host this experiment from the start, if it is not hosted yet; may be given several times, each with an
    /// --experiment-config
    #[arg(long, value_name = "ID", requires = "experiment_config")]
    experiment_id: Vec<ExperimentId>,
    /// Configuration of the --experiment-id at the same place, or of all of them when given once; YAML or JSON
    #[arg(long, value_name = "FILE", requires = "experiment_id")]
    experiment_config: Vec<PathBuf>,
    /// Seed commit of the --experiment-id at the same place, or of all of them when given once
    #[arg(long, env = "EDEN_BASE_COMMIT_SHA", value_name = "SHA", value_delimiter = ',')]
    base_commit_sha: Vec<CommitSha>,
    /// Secret of the principal `admin`; without it, it is kept in <data-dir>/admin-token and made on first use
    #[arg(long, env = "EDEN_ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = secret)]
    admin_token: Option<SecretString>,
    /// Believe every caller and check no secret, for test suites; refused on an address that others can reach
    #[arg(long, conflicts_with = "admin_token")]
    insecure_no_auth: bool,
    /// How long events/subscribe waits for an event, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    subscribe_timeout: Duration,
    /// How long a lease is good for unless it is renewed, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    lease_duration_seconds: Duration,
    /// Largest artifact in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 100 << 20)]
    max_artifact_bytes: u64,
    /// Largest checkpoint archive in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 4 << 30)]
    max_checkpoint_bytes: u64,
    /// Holds <experiment-id>.git for each experiment with a repository, to be carried by checkpoints
    /// [default: <data-dir>/repos]
    #[arg(long, env = "SWITCHBOARD_REPO_ROOT", value_name = "DIR")]
    repo_root: Option<PathBuf>,
    /// Holds <experiment-id>/ with files for commands that are given an artifact URL; without it none are served
    #[arg(long, value_name = "DIR")]
    artifacts_dir: Option<PathBuf>,
}

impl BackendArgs {
    pub(super) fn into_config(self) -> Result<(StorageArgs, BackendConfig), UsageError> {
        let authentication = match non_blank(self.admin_token) {
            _ if self.insecure_no_auth && !self.host.is_loopback() => return Err(UsageError::Exposed(self.host)),
            _ if self.insecure_no_auth => AuthenticationConfig::Off,
            Some(token) => AuthenticationConfig::AdminToken(token),
            None => AuthenticationConfig::StoredToken,
        };
        let seeds = seeds(self.experiment_id, &self.experiment_config, &self.base_commit_sha)?;
        let backend = BackendConfig {
            listen: SocketAddr::new(self.host, self.port),
            seeds,
            authentication,
            limits: Some(Limits {
                subscribe_timeout: self.subscribe_timeout,
                lease_duration: self.lease_duration_seconds,
                max_artifact_bytes: self.max_artifact_bytes,
                max_checkpoint_bytes: self.max_checkpoint_bytes,
            }),
            repo_root: self.repo_root,
            artifacts_dir: self.artifacts_dir,
        };
        Ok((self.storage, backend))
    }
}

/// Gives each experiment the configuration and the commit at its own position, or the only one there is.
fn seeds(ids: Vec<ExperimentId>, configs: &[PathBuf], commits: &[CommitSha]) -> Result<Vec<SeedConfig>, UsageError> {
    let wanted = ids.len();
    for (flag, given) in [
        ("--experiment-config", configs.len()),
        ("--base-commit-sha", commits.len()),
    ] {
        if wanted > 0 && given > 1 && given != wanted {
            return Err(UsageError::Unpaired { flag, given, wanted });
        }
    }
    fn at<T>(all: &[T], position: usize) -> Option<&T> {
        all.get(position).or_else(|| all.first())
    }
    let seed = |(position, id)| {
        Some(SeedConfig {
            experiment_id: id,
            config: at(configs, position)?.clone(),
            base_commit_sha: at(commits, position).cloned(),
        })
    };
    Ok(ids.into_iter().enumerate().filter_map(seed).collect())
}
