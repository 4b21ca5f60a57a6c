//! Clients by experiment and role.

use std::sync::Arc;

use secrecy::SecretString;

use super::bearer_sources::{AdminBearer, ScopeBearer};
use super::bootstrap::join_admins;
use super::credentials::Credentials;
use super::{CredentialState, Options, Posture, Scope};
use crate::client::{Bearer, ClientError, ControlClient, Credential, ExperimentClient};
use crate::clock::Clock;
use crate::lifecycle::Tasks;
use crate::protocol::{Actor, ExperimentId, WorkerId};

/// Makes clients. Cheap to clone; all its clients share one connection pool.
#[derive(Clone)]
pub struct StoreFactory(Arc<Credentials>);

impl StoreFactory {
    /// A factory; no server is called yet. Credentials are made in `tasks`, so that a caller that stops waiting for one
    /// does not cancel that.
    ///
    /// # Errors
    /// [`ClientError::Setup`] when the platform offers no HTTP client.
    pub fn new(options: Options, clock: Clock, tasks: Tasks) -> Result<Self, ClientError> {
        Ok(Self(Arc::new(Credentials::new(options, clock, tasks)?)))
    }

    /// An experiment as the console's own worker there. None when no task store has an address for it.
    pub fn worker(&self, id: &ExperimentId) -> Option<ExperimentClient> {
        self.experiment_as(id, self.renewable(Scope::Experiment(id.clone())))
    }

    /// An experiment as the principal `admin`. None without its token.
    pub fn admin(&self, id: &ExperimentId) -> Option<ExperimentClient> {
        self.experiment_as(id, admin(self.0.options.admin_token.as_ref()?))
    }

    /// An experiment for checking whether it is hosted, without registering a worker if that can be avoided. If the
    /// admin token is refused, the console's worker is used where there is one.
    pub fn probe(&self, id: &ExperimentId) -> Option<ExperimentClient> {
        let Some(token) = &self.0.options.admin_token else {
            return self.worker(id);
        };
        let source = AdminBearer {
            credentials: self.0.clone(),
            scope: Scope::Experiment(id.clone()),
            admin: admin(token),
        };
        self.experiment_as(id, Credential::Renewable(Arc::new(source)))
    }

    /// An experiment through this credential.
    pub fn experiment_as(&self, id: &ExperimentId, credential: impl Into<Credential>) -> Option<ExperimentClient> {
        let address = self.0.options.task_stores.address(id)?;
        Some(self.0.http.at(&address, credential).experiment(id))
    }

    /// The control plane as the console's own worker there, which may read. None in a deployment without one.
    pub fn control(&self) -> Option<ControlClient> {
        self.control_as(self.renewable(Scope::ControlPlane))
    }

    /// The control plane as the principal `admin`, which alone may change it and read its workers and groups. None
    /// without its token.
    pub fn control_admin(&self) -> Option<ControlClient> {
        self.control_as(admin(self.0.options.control_admin_token.as_ref()?))
    }

    /// The control plane through this credential.
    pub fn control_as(&self, credential: impl Into<Credential>) -> Option<ControlClient> {
        let address = self.0.options.control_plane.as_ref()?;
        Some(self.0.http.at(address, credential).control())
    }

    /// The experiment that the deployment names.
    pub fn default_experiment(&self) -> Option<&ExperimentId> {
        self.0.options.default_experiment.as_ref()
    }

    /// Whether there is a registry of experiments; without one there is the default experiment only.
    pub fn has_control_plane(&self) -> bool {
        self.0.options.control_plane.is_some()
    }

    /// Where the registry of experiments is, if there is one.
    pub fn control_plane(&self) -> Option<&str> {
        self.0.options.control_plane.as_deref()
    }

    /// What the console may do in the deployment, by the tokens and credentials it has.
    pub fn posture(&self) -> Posture {
        let options = &self.0.options;
        if options.control_plane.is_none() {
            return Posture::SingleExperiment;
        }
        if options.control_admin_token.is_some() {
            return Posture::Administered;
        }
        match self.0.is_on_disk(&Scope::ControlPlane) {
            true => Posture::StoredCredentials,
            false => Posture::WithoutCredentials,
        }
    }

    /// Whether an experiment can be read, as far as that is known without calling its server.
    pub fn credential_state(&self, id: &ExperimentId) -> CredentialState {
        let scope = Scope::Experiment(id.clone());
        if self.0.options.task_stores.address(id).is_none() {
            CredentialState::NoAddress
        } else if self.0.is_verified(&scope) {
            CredentialState::Verified
        } else if self.0.is_on_disk(&scope) {
            CredentialState::Stored
        } else if self.0.options.admin_token.is_some() {
            CredentialState::ToBeRegistered
        } else {
            CredentialState::Missing
        }
    }

    /// The console's worker in a scope, once it is known.
    pub fn worker_id(&self, scope: &Scope) -> Option<WorkerId> {
        self.0.held(scope)?.principal().worker().cloned()
    }

    /// The credential of this worker was replaced: if it is the console's, the next call bootstraps again.
    pub fn credential_changed(&self, scope: &Scope, worker: &WorkerId) {
        if self.worker_id(scope).as_ref() == Some(worker) {
            self.0.evict(scope);
        }
    }

    /// Makes the console's worker of an experiment a member of the groups named `admins`. Call it when a group was
    /// registered or changed. It is idempotent, and does nothing without the admin token or before the worker is known.
    /// Failures are logged.
    pub async fn join_admins(&self, id: &ExperimentId) {
        let scope = Scope::Experiment(id.clone());
        if let (Some(worker), Some(admin)) = (self.worker_id(&scope), self.admin(id)) {
            join_admins(&scope, &admin.registry(), &worker).await;
        }
    }

    fn renewable(&self, scope: Scope) -> Credential {
        Credential::Renewable(Arc::new(ScopeBearer {
            credentials: self.0.clone(),
            scope,
        }))
    }
}

fn admin(token: &SecretString) -> Bearer {
    Bearer::new(Actor::Admin, token.clone())
}
