//! Clients by experiment and role.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::SecretString;

use super::bearers::BearerCache;
use super::bootstrap::Bootstrap;
use super::directory::CredentialDir;
use super::{RouteError, Scope, TaskStores};
use crate::client::RegistryClient;
use crate::client::{Bearer, BearerSource, Client, ClientError, ControlClient, Credential, ExperimentClient};
use crate::protocol::{Actor, ExperimentId, WorkerId};

/// What a [`StoreFactory`] is made from.
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
    pub fn of_one_server(base: &str, admin_token: SecretString, credentials: PathBuf) -> Result<Self, RouteError> {
        Ok(Self {
            task_stores: TaskStores::everywhere(base)?,
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

/// How the console stands to the deployment (design section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posture {
    /// A: one experiment and no control plane.
    SingleExperiment,
    /// B: a control plane and its admin token: credentials are made as they are needed.
    Administered,
    /// C: a control plane and the credentials of an earlier start, nothing to make others with.
    StoredCredentials,
    /// D: a control plane, and neither.
    WithoutCredentials,
}

impl Posture {
    /// The letter of the parity document (`D-CRED-6`).
    pub fn letter(self) -> char {
        match self {
            Self::SingleExperiment => 'A',
            Self::Administered => 'B',
            Self::StoredCredentials => 'C',
            Self::WithoutCredentials => 'D',
        }
    }
}

/// Whether an experiment can be read, as far as that is known without asking anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialState {
    /// In use: the task store took it.
    Verified,
    /// Kept on disk.
    Stored,
    /// None yet; the admin token makes one on the first look.
    ToBeMade,
    /// None, and nothing to make one with.
    Missing,
    /// No task store has an address for the experiment.
    NoAddress,
}

/// Vends clients. Cheap to clone; everything it vends shares one connection pool.
#[derive(Clone)]
pub struct StoreFactory(Arc<Inner>);

struct Inner {
    options: Options,
    http: Client,
    directory: CredentialDir,
    bearers: BearerCache,
}

impl StoreFactory {
    /// A factory; nobody is asked anything yet.
    ///
    /// # Errors
    /// [`ClientError::Setup`] when the platform offers no HTTP client.
    pub fn new(options: Options) -> Result<Self, ClientError> {
        Ok(Self(Arc::new(Inner {
            http: Client::new("", Credential::Anonymous)?,
            directory: CredentialDir::new(options.credentials.clone()),
            bearers: BearerCache::new(),
            options,
        })))
    }

    /// An experiment as the console's own worker there. None when no task store has an address for it.
    pub fn worker(&self, id: &ExperimentId) -> Option<ExperimentClient> {
        self.experiment(id, self.renewable(Scope::Experiment(id.clone())))
    }

    /// An experiment as the principal `admin`. None without its token.
    pub fn admin(&self, id: &ExperimentId) -> Option<ExperimentClient> {
        self.experiment(id, admin(self.0.options.admin_token.as_ref()?))
    }

    /// An experiment for looking whether it is there, which registers nobody while that can be helped.
    pub fn probe(&self, id: &ExperimentId) -> Option<ExperimentClient> {
        self.admin(id).or_else(|| self.worker(id))
    }

    /// An experiment as whoever shows `credential`.
    pub fn experiment(&self, id: &ExperimentId, credential: impl Into<Credential>) -> Option<ExperimentClient> {
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

    /// The control plane as whoever shows `credential`.
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
            CredentialState::ToBeMade
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

    fn is_kept(&self, scope: &Scope) -> bool {
        self.directory.has(scope, self.named(scope), self.is_default(scope))
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

    async fn bearer(&self, scope: &Scope) -> Result<Option<Bearer>, ClientError> {
        // Clients are vended only where there is an address.
        let Some(registry) = self.registry(scope) else {
            return Ok(None);
        };
        let bootstrap = Bootstrap {
            scope,
            registry,
            directory: &self.directory,
            admin: match scope {
                Scope::ControlPlane => self.options.control_admin_token.as_ref(),
                Scope::Experiment(_) => self.options.admin_token.as_ref(),
            },
            name: &self.options.worker_name,
            named: self.named(scope),
            is_default: self.is_default(scope),
        };
        self.bearers.get(scope, bootstrap.run()).await
    }
}

/// The bearer of one scope, whatever it is by then.
struct ScopeBearer {
    inner: Arc<Inner>,
    scope: Scope,
}

impl BearerSource for ScopeBearer {
    fn bearer(&self) -> BoxFuture<'_, Result<Option<Bearer>, ClientError>> {
        self.inner.bearer(&self.scope).boxed()
    }

    fn renewed(&self, refused: Option<Bearer>) -> BoxFuture<'_, Result<Option<Bearer>, ClientError>> {
        async move {
            self.inner.bearers.refused(&self.scope, refused.as_ref());
            self.inner.bearer(&self.scope).await
        }
        .boxed()
    }
}
