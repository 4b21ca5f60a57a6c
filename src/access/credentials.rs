//! The console's own credential in each scope: in memory, on disk, or made when needed.

use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::Instant;

use super::bearers::BearerCache;
use super::bootstrap::Bootstrap;
use super::directory::CredentialDir;
use super::{Options, Scope};
use crate::client::{Bearer, Client, ClientError, Credential, RegistryClient};
use crate::clock::Clock;
use crate::lifecycle::Tasks;
use crate::protocol::{ExperimentId, WorkerId};

/// For how long it is remembered whether a credential is on disk: a page asks for every row of a table.
const ON_DISK_MAX_AGE: Duration = Duration::from_secs(2);
/// For how many scopes.
const ON_DISK_SCOPES: usize = 1024;

/// Credentials by scope, and the HTTP client that all clients share.
pub(super) struct Credentials {
    pub options: Options,
    pub http: Client,
    clock: Clock,
    tasks: Tasks,
    directory: CredentialDir,
    bearers: BearerCache,
    on_disk: Cache<Scope, (Instant, bool)>,
}

impl Credentials {
    pub(super) fn new(options: Options, clock: Clock, tasks: Tasks) -> Result<Self, ClientError> {
        Ok(Self {
            http: Client::new("", Credential::Anonymous)?,
            directory: CredentialDir::new(options.credentials.clone()),
            bearers: BearerCache::new(tasks.clone()),
            on_disk: Cache::new(ON_DISK_SCOPES),
            clock,
            tasks,
            options,
        })
    }

    /// The bearer of the console's worker in a scope, bootstrapped if there is none yet. `None` for a server that asks
    /// for no credential.
    pub(super) async fn bearer(&self, scope: &Scope) -> Result<Option<Bearer>, ClientError> {
        // Clients are made only where there is an address.
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
                worker_name: self.options.worker_name.clone(),
                legacy_worker: self.legacy_worker(scope).cloned(),
                is_default: self.is_default(scope),
                clock: self.clock.clone(),
                stopping: self.tasks.stopping(),
            };
            bootstrap.run()
        };
        self.bearers.get(scope, bootstrap).await
    }

    /// The bearer in use in a scope, if there is one.
    pub(super) fn held(&self, scope: &Scope) -> Option<Bearer> {
        self.bearers.held(scope)
    }

    /// Whether the server of a scope has accepted the console: with a bearer, or without one where none is asked for.
    pub(super) fn is_verified(&self, scope: &Scope) -> bool {
        self.bearers.has(scope)
    }

    /// Whether a credential is on disk, as of at most [`ON_DISK_MAX_AGE`] ago.
    pub(super) fn is_on_disk(&self, scope: &Scope) -> bool {
        let now = Instant::now();
        if let Some((checked_at, is_on_disk)) = self.on_disk.get(scope)
            && now.duration_since(checked_at) < ON_DISK_MAX_AGE
        {
            return is_on_disk;
        }
        let is_on_disk = self
            .directory
            .has(scope, self.legacy_worker(scope), self.is_default(scope));
        self.on_disk.insert(scope.clone(), (now, is_on_disk));
        is_on_disk
    }

    /// Whether the console has a credential of its own in a scope, in use or on disk.
    pub(super) fn has_own(&self, scope: &Scope) -> bool {
        self.is_verified(scope) || self.is_on_disk(scope)
    }

    /// The server refused this bearer: the next call bootstraps again, unless another bearer has replaced it by now.
    pub(super) fn refused(&self, scope: &Scope, refused: Option<&Bearer>) {
        self.bearers.evict_refused(scope, refused);
        self.on_disk.remove(scope);
    }

    /// The credential of a scope was replaced: the next call bootstraps again.
    pub(super) fn evict(&self, scope: &Scope) {
        self.bearers.evict(scope);
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

    fn is_default(&self, scope: &Scope) -> bool {
        matches!(scope, Scope::Experiment(id) if self.is_default_experiment(id))
    }

    fn is_default_experiment(&self, id: &ExperimentId) -> bool {
        self.options.default_experiment.as_ref() == Some(id)
    }

    /// The worker that an earlier console used in a scope.
    fn legacy_worker(&self, scope: &Scope) -> Option<&WorkerId> {
        match scope {
            Scope::ControlPlane => self.options.control_worker_id.as_ref(),
            Scope::Experiment(id) if self.is_default_experiment(id) => self.options.worker_id.as_ref(),
            Scope::Experiment(_) => None,
        }
    }
}
