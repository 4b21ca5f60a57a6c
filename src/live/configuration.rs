//! Where an experiment's configuration comes from: from its task store, if that tells it (a Switchboard extension), else
//! from the files of the deployment. It is never another experiment's (`D-CFG-1`).

use std::sync::Arc;

use crate::client::{ClientError, ExperimentClient};
use crate::experiment_configs::{ConfigError, ConfigSource};
use crate::protocol::{ExperimentConfig, ExperimentId};

/// A configuration, or why there is none.
pub(super) struct Configuration {
    pub known: Result<Arc<ExperimentConfig>, ConfigError>,
    /// Which version of the files it is of; none when it is the server's.
    pub revision: Option<u64>,
}

impl Configuration {
    pub(super) async fn read(client: &ExperimentClient, files: &ConfigSource) -> Result<Self, ClientError> {
        match client.config().await {
            Ok(told) => {
                return Ok(Self {
                    known: Ok(Arc::new(told)),
                    revision: None,
                });
            }
            Err(error) if error.is_unsupported() => {}
            Err(error) => return Err(error),
        }
        Ok(Self::of_files(files, client.id()).await)
    }

    /// The configuration as the files tell it.
    pub(super) async fn of_files(files: &ConfigSource, id: &ExperimentId) -> Self {
        // Asked first: what changes in between is then noticed again.
        let revision = Some(files.revision(id).await);
        let known = files.get(id).await;
        Self { known, revision }
    }
}
