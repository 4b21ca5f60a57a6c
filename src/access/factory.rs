//! Clients by experiment and role.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use secrecy::SecretString;
use tokio::time::Instant;

use super::bearers::BearerCache;
use super::bootstrap::{Bootstrap, join_admins};
use super::directory::CredentialDir;
use super::sources::{AdminBearer, ScopeBearer};
use super::{CredentialState, Options, Posture, Scope};
use crate::client::{Bearer, Client, ClientError, ControlClient, Credential, ExperimentClient, RegistryClient};
use crate::clock::Clock;
use crate::lifecycle::Tasks;
use crate::protocol::{Actor, ExperimentId, WorkerId};

/// What was on disk is taken for what is there for so long: pages ask for every row.
const GLANCE: Duration = Duration::from_secs(2);
/// Of how many scopes that is remembered.
const GLANCES: usize = 1024;

/// Vends clients. Cheap to clone; everything it vends shares one connection pool.
#[derive(Clone)]
pub struct StoreFactory(Arc<Inner>);

pub(super) struct Inner {
    options: Options,
    clock: Clock,
    tasks: Tasks,
    http: Client,
    directory: CredentialDir,
    bearers: BearerCache,
    glances: Cache<Scope, (Instant, bool)>,
}

impl StoreFactory {
    /// A factory; nobody is asked anything yet. Credentials are made in `tasks`, so that nobody who stops waiting for one
    /// breaks that off.
    ///
    /// # Errors
    /// [`ClientError::Setup`] when the platform offers no HTTP client.
    pub fn new(options: Options, clock: Clock, tasks: Tasks) -> Result<Self, ClientError> {
        Ok(Self(Arc::new(Inner {
            http: Client::new("", Credential::Anonymous)?,
            directory: CredentialDir::new(options.credentials.clone()),
            bearers: BearerCache::new(tasks.clone()),
            glances: Cache::new(GLANCES),
            clock,
            tasks,
            options,
        })))
    }

    /// An experiment as the console's own worker there. None when no task store has an address for it.
    pub fn worker(&self, id: &ExperimentId) -> Option<ExperimentClient> {
        self.experiment_as(id, self.renewable(Scope::Experiment(id.clone())))
    }

    /// An experiment as the principal `admin`. None without its token.
    pub fn admin(&self, id: &ExperimentId) -> Option<ExperimentClient> {
        self.experiment_as(id, admin(self.0.options.admin_token.as_ref()?))
    }

    /// An experiment for looking whether it is there, which registers nobody while that can be helped. An admin token
    /// that is refused is no reason not to look where the console has a worker.
    pub fn probe(&self, id: &ExperimentId) -> Option<ExperimentClient> {
        let Some(token) = &self.0.options.admin_token else {
            return self.worker(id);
        };
        let source = AdminBearer {
            inner: self.0.clone(),
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

    /// How the console stands to the deployment.
    pub fn posture(&self) -> Posture {
        let options = &self.0.options;
        if options.control_plane.is_none() {
            return Posture::SingleExperiment;
        }
        if options.control_admin_token.is_some() {
            return Posture::Administered;
        }
        match self.0.is_kept(&Scope::ControlPlane) {
            true => Posture::StoredCredentials,
            false => Posture::WithoutCredentials,
        }
    }

    /// Whether an experiment can be read, as far as that is known without asking anybody.
    pub fn credential_state(&self, id: &ExperimentId) -> CredentialState {
        let scope = Scope::Experiment(id.clone());
        if self.0.options.task_stores.address(id).is_none() {
            CredentialState::NoAddress
        } else if self.0.bearers.has(&scope) {
            CredentialState::Verified
        } else if self.0.is_kept(&scope) {
            CredentialState::Stored
        } else if self.0.options.admin_token.is_some() {
            CredentialState::ToBeRegistered
        } else {
            CredentialState::Missing
        }
    }

    /// The console's worker in a scope, once it is known.
    pub fn worker_id(&self, scope: &Scope) -> Option<WorkerId> {
        self.0.bearers.held(scope)?.principal().worker().cloned()
    }

    /// Somebody says that a credential of this worker was replaced: if it is the console's, it is looked at anew.
    pub fn credential_changed(&self, scope: &Scope, worker: &WorkerId) {
        if self.worker_id(scope).as_ref() == Some(worker) {
            self.0.bearers.evict(scope);
        }
    }

    /// Has the console's worker of an experiment join the groups named `admins` that have come since it registered. To be
    /// called when a group was registered or changed; it does nothing twice, and nothing without the admin token or
    /// before the worker is known. What goes wrong is logged.
    pub async fn join_admins(&self, id: &ExperimentId) {
        let scope = Scope::Experiment(id.clone());
        if let (Some(worker), Some(admin)) = (self.worker_id(&scope), self.admin(id)) {
            join_admins(&scope, &admin.registry(), &worker).await;
        }
    }

    fn renewable(&self, scope: Scope) -> Credential {
        Credential::Renewable(Arc::new(ScopeBearer {
            inner: self.0.clone(),
            scope,
        }))
    }
}

fn admin(token: &SecretString) -> Bearer {
    Bearer::new(Actor::Admin, token.clone())
}

impl Inner {
    fn is_default(&self, scope: &Scope) -> bool {
        matches!(scope, Scope::Experiment(id) if self.options.default_experiment.as_ref() == Some(id))
    }

    /// The worker that an earlier console used in a scope.
    fn named(&self, scope: &Scope) -> Option<&WorkerId> {
        match scope {
            Scope::ControlPlane => self.options.control_worker_id.as_ref(),
            Scope::Experiment(_) if self.is_default(scope) => self.options.worker_id.as_ref(),
            Scope::Experiment(_) => None,
        }
    }

    /// Whether a credential is on disk, as it was a moment ago.
    fn is_kept(&self, scope: &Scope) -> bool {
        let now = Instant::now();
        if let Some((at, is_kept)) = self.glances.get(scope)
            && now.duration_since(at) < GLANCE
        {
            return is_kept;
        }
        let is_kept = self.directory.has(scope, self.named(scope), self.is_default(scope));
        self.glances.insert(scope.clone(), (now, is_kept));
        is_kept
    }

    /// Whether there is a credential of the console's own, in use or on disk.
    pub(super) fn has_own(&self, scope: &Scope) -> bool {
        self.bearers.has(scope) || self.is_kept(scope)
    }

    /// A bearer of the console's own was refused.
    pub(super) fn refused(&self, scope: &Scope, refused: Option<&Bearer>) {
        self.bearers.refused(scope, refused);
        self.glances.remove(scope);
    }

    fn registry(&self, scope: &Scope) -> Option<RegistryClient> {
        let anonymous = Credential::Anonymous;
        match scope {
            Scope::ControlPlane => {
                let address = self.options.control_plane.as_ref()?;
                Some(self.http.at(address, anonymous).control().registry())
            }
            Scope::Experiment(id) => {
                let address = self.options.task_stores.address(id)?;
                Some(self.http.at(&address, anonymous).experiment(id).registry())
            }
        }
    }

    pub(super) async fn bearer(&self, scope: &Scope) -> Result<Option<Bearer>, ClientError> {
        // Clients are vended only where there is an address.
        let Some(registry) = self.registry(scope) else {
            return Ok(None);
        };
        let bootstrap = || {
            let bootstrap = Bootstrap {
                scope: scope.clone(),
                registry,
                directory: self.directory.clone(),
                admin: match scope {
                    Scope::ControlPlane => self.options.control_admin_token.clone(),
                    Scope::Experiment(_) => self.options.admin_token.clone(),
                },
                name: self.options.worker_name.clone(),
                named: self.named(scope).cloned(),
                is_default: self.is_default(scope),
                clock: self.clock.clone(),
                stopping: self.tasks.stopping(),
            };
            bootstrap.run()
        };
        self.bearers.get(scope, bootstrap).await
    }
}
