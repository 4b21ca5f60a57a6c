//! The embedded backend's settings from the command line, and the experiments it hosts from the start.

use secrecy::SecretString;
use tracing::warn;

use super::data_dir::DataDir;
use super::error::AppError;
use crate::cli::{AuthenticationConfig, BackendConfig, SeedConfig};
use crate::client::{Client, ClientError};
use crate::clock::Clock;
use crate::embedded;
use crate::lifecycle::Tasks;
use crate::protocol::{ErrorType, RegisterExperiment, SeedRequest, percent_encode};

/// The settings of the backend, and its admin token.
pub(super) fn options(
    data_dir: &DataDir,
    config: &BackendConfig,
    clock: &Clock,
    tasks: &Tasks,
) -> Result<(embedded::Options, SecretString), AppError> {
    let location = match data_dir.is_ephemeral {
        false => embedded::Location::Directory(data_dir.path.clone()),
        true => embedded::Location::Scratch(data_dir.path.clone()),
    };
    let token = match &config.authentication {
        AuthenticationConfig::AdminToken(token) => token.clone(),
        AuthenticationConfig::StoredToken | AuthenticationConfig::Off => {
            embedded::load_or_create_admin_token(&data_dir.path)?
        }
    };
    let mut options = embedded::Options::new(location, token.clone(), clock.clone(), tasks.clone());
    if let AuthenticationConfig::Off = config.authentication {
        warn!("authentication is off: anyone who reaches this port may do everything");
        options.authentication = embedded::Authentication::Off;
    }
    if let Some(limits) = config.limits {
        options.subscribe_timeout = limits.subscribe_timeout;
        options.lease_duration = limits.lease_duration;
        options.max_artifact_bytes = limits.max_artifact_bytes;
        options.max_checkpoint_bytes = limits.max_checkpoint_bytes;
    }
    let repos = config.repo_root.clone();
    options.repo_root = Some(repos.unwrap_or_else(|| data_dir.path.join("repos")));
    options.artifacts_dir = config.artifacts_dir.clone();
    Ok((options, token))
}

/// Registers and seeds an experiment unless that was done before, over HTTP like any other client.
pub(super) async fn host(client: &Client, seed: &SeedConfig) -> Result<(), AppError> {
    let id = &seed.experiment_id;
    let path = std::path::absolute(&seed.config).map_err(|source| AppError::SeedFile {
        path: seed.config.clone(),
        source,
    })?;
    let config = std::fs::read_to_string(&path).map_err(|source| AppError::SeedFile {
        path: path.clone(),
        source,
    })?;
    let registration = RegisterExperiment {
        config_uri: format!("file://{}", percent_encode(&path.to_string_lossy()).replace("%2F", "/")),
        name: None,
        experiment_id: Some(id.clone()),
    };
    let request = SeedRequest {
        config,
        base_commit_sha: seed.base_commit_sha.clone(),
    };
    let control = client.control();
    let hosted = async {
        accept_already_exists(control.register(&registration).await.map(drop))?;
        accept_already_exists(control.seed(id, &request).await.map(drop))
    };
    hosted.await.map_err(|source| AppError::Seed {
        id: id.clone(),
        path,
        source,
    })
}

fn accept_already_exists(outcome: Result<(), ClientError>) -> Result<(), ClientError> {
    match outcome {
        Err(error) if error.error_type() == Some(ErrorType::AlreadyExists) => Ok(()),
        outcome => outcome,
    }
}
