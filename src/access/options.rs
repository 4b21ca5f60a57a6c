use std::path::PathBuf;

use secrecy::SecretString;

use super::{AddressError, TaskStores};
use crate::protocol::{ExperimentId, WorkerId};

/// What a [`super::StoreFactory`] is made from.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where task stores are.
    pub task_stores: TaskStores,
    /// Where the control plane is; none in a deployment of one experiment.
    pub control_plane: Option<String>,
    /// The secret of the task stores' principal `admin`.
    pub admin_token: Option<SecretString>,
    /// The same of the control plane.
    pub control_admin_token: Option<SecretString>,
    /// Where credentials are kept; replicas share it.
    pub credentials: PathBuf,
    /// What the console's workers are called.
    pub worker_name: String,
    /// The experiment that the deployment names.
    pub default_experiment: Option<ExperimentId>,
    /// The worker that an earlier console used in it.
    pub worker_id: Option<WorkerId>,
    /// The same of the control plane.
    pub control_worker_id: Option<WorkerId>,
}

impl Options {
    /// A task store and control plane at one address, with one admin token for both.
    ///
    /// # Errors
    /// When the address is none.
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

    /// What the console's workers are called unless somebody says otherwise.
    pub const WORKER_NAME: &str = "switchboard";
}
