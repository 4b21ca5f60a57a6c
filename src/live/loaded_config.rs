//! Loads an experiment's configuration: from its task store if that serves it (a Switchboard extension), else from the
//! files of the deployment. The configuration of one experiment is never used for another.

use std::sync::Arc;

use crate::client::{ClientError, ExperimentClient};
use crate::experiment_configs::{ConfigError, ConfigSource};
use crate::protocol::{ExperimentConfig, ExperimentId};

/// A configuration, or why there is none.
pub(super) struct LoadedConfig {
    pub config: Result<Arc<ExperimentConfig>, ConfigError>,
    /// The revision of the files that it was read from; none when the server sent it.
    pub file_revision: Option<u64>,
}

impl LoadedConfig {
    /// The configuration from the server, else from the files.
    pub(super) async fn load(client: &ExperimentClient, files: &ConfigSource) -> Result<Self, ClientError> {
        match client.config().await {
            Ok(config) => Ok(Self::from_server(config)),
            Err(error) if error.is_unsupported() => Ok(Self::from_files(files, client.id()).await),
            Err(error) => Err(error),
        }
    }

    pub(super) fn from_server(config: ExperimentConfig) -> Self {
        Self {
            config: Ok(Arc::new(config)),
            file_revision: None,
        }
    }

    pub(super) async fn from_files(files: &ConfigSource, id: &ExperimentId) -> Self {
        // The revision is read first: a change in between is then found at the next comparison.
        let file_revision = Some(files.revision(id).await);
        let config = files.get(id).await;
        Self { config, file_revision }
    }
}
