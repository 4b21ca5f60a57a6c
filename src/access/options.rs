use std::path::PathBuf;

use secrecy::SecretString;

use super::{AddressError, TaskStores};
use crate::protocol::{ExperimentId, WorkerId};

/// Settings of a [`super::StoreFactory`].
#[derive(Debug, Clone)]
pub struct Options {
    /// The addresses of the task stores.
    pub task_stores: TaskStores,
    /// The address of the control plane; `None` in a deployment of one experiment.
    pub control_plane: Option<String>,
    /// The secret of the principal `admin` of the task stores.
    pub admin_token: Option<SecretString>,
    /// The secret of the principal `admin` of the control plane.
    pub control_admin_token: Option<SecretString>,
    /// The directory of the credentials; replicas share it.
    pub credentials: PathBuf,
    /// The display name of the console's workers.
    pub worker_name: String,
    /// The default experiment of the deployment.
    pub default_experiment: Option<ExperimentId>,
    /// The worker that the reference console used in it.
    pub worker_id: Option<WorkerId>,
    /// The worker that the reference console used in the control plane.
    pub control_worker_id: Option<WorkerId>,
}

impl Options {
    /// One server that is task store and control plane, with one admin token for both.
    ///
    /// # Errors
    /// When `base` is not an address of a server.
    pub fn single_server(base: &str, admin_token: SecretString, credentials: PathBuf) -> Result<Self, AddressError> {
        Ok(Self {
            task_stores: TaskStores::at(base)?,
            control_plane: Some(base.to_owned()),
            control_admin_token: Some(admin_token.clone()),
            admin_token: Some(admin_token),
            credentials,
            worker_name: Self::WORKER_NAME.to_owned(),
            default_experiment: None,
            worker_id: None,
            control_worker_id: None,
        })
    }

    /// The default of [`Self::worker_name`].
    pub const WORKER_NAME: &str = "switchboard";
}
