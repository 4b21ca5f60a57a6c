//! From nothing, or from what is on disk, to a bearer that the server takes.

use std::path::Path;

use secrecy::SecretString;
use tracing::{info, warn};

use super::directory::{CredentialDir, Identity, Locked};
use super::{CredentialError, Scope};
use crate::client::{Bearer, ClientError, Credential, RegistryClient};
use crate::protocol::{Actor, ErrorType, RegisterWorker, WorkerId};

/// The label that says which console a worker is of.
const LABEL: &str = "console-instance";
/// Its members administer an experiment, or the deployment (`ch08 §9.3`).
const ADMINS: &str = "admins";

/// One scope's way to a credential.
pub(super) struct Bootstrap<'a> {
    pub scope: &'a Scope,
    /// The scope's registry; its credential does not matter.
    pub registry: RegistryClient,
    pub directory: &'a CredentialDir,
    /// The secret of the principal `admin`.
    pub admin: Option<&'a SecretString>,
    /// What the console's workers are called.
    pub name: &'a str,
    /// The worker that an earlier console used here.
    pub named: Option<&'a WorkerId>,
    /// Whether this is the experiment that the deployment names.
    pub is_default: bool,
}

impl Bootstrap<'_> {
    /// Goes through what is kept, then replaces or registers. `None` when the server asks for no credential.
    ///
    /// # Errors
    /// [`ClientError::NoCredential`], or why the server could not be asked; 404 and 400 `experiment-id-mismatch` when it
    /// does not host the experiment.
    pub(super) async fn run(&self) -> Result<Option<Bearer>, ClientError> {
        let named = self.named.cloned();
        let mut locked = self.directory.lock(self.scope, named, self.is_default).await?;
        let stored = match (std::mem::replace(&mut locked.stored, Ok(None)), self.admin) {
            (Err(error @ CredentialError::Malformed { .. }), Some(_)) => {
                warn!(%error, "starting over");
                None
            }
            (stored, _) => stored?,
        };
        for (identity, is_legacy) in [(&stored, false), (&locked.legacy, true)] {
            let Some(identity) = identity else { continue };
            if self.is_good(identity).await? {
                if is_legacy {
                    info!(scope = %self.scope, worker.id = %identity.worker, "taking over the credential that the reference console kept");
                    locked.keep(identity).await?;
                }
                self.join_admins(&identity.worker).await;
                return Ok(Some(identity.bearer()));
            }
        }
        let known = stored
            .as_ref()
            .or(locked.legacy.as_ref())
            .map(|identity| &identity.worker);
        let path = self.directory.path(self.scope);
        let Some(admin) = self.admin else {
            return match known {
                Some(worker) => Err(refused(self.scope, worker, &path)),
                None => self.without_any(&path).await,
            };
        };
        let admin = self.as_bearer(Bearer::new(Actor::Admin, admin.clone()));
        let identity = self.replaced_or_registered(&locked, &admin, known).await?;
        self.join_admins(&identity.worker).await;
        Ok(Some(identity.bearer()))
    }

    fn as_bearer(&self, bearer: impl Into<Credential>) -> RegistryClient {
        self.registry.with_credential(bearer)
    }

    /// Whether the server knows the bearer as the worker that it should be. Another worker's is as bad as none.
    async fn is_good(&self, identity: &Identity) -> Result<bool, ClientError> {
        match self.as_bearer(identity.bearer()).whoami().await {
            Ok(me) => Ok(me.worker_id == identity.worker),
            Err(error) if error.is_unauthorized() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Nothing is kept and nothing can be registered: only a server that asks for nothing can be read.
    async fn without_any(&self, path: &Path) -> Result<Option<Bearer>, ClientError> {
        match self.as_bearer(Credential::Anonymous).whoami().await {
            Err(error) if error.is_unauthorized() => Err(CredentialError::NotStored {
                scope: self.scope.clone(),
                path: path.to_owned(),
            }
            .into()),
            // With authentication off nobody is a worker, or everybody is.
            Err(error) if error.error_type() == Some(ErrorType::Forbidden) => self.anonymously(),
            Err(error) => Err(error),
            Ok(_) => self.anonymously(),
        }
    }

    fn anonymously(&self) -> Result<Option<Bearer>, ClientError> {
        warn!(scope = %self.scope, "the server checks no credentials; calling it without one");
        Ok(None)
    }

    async fn replaced_or_registered(
        &self,
        locked: &Locked,
        admin: &RegistryClient,
        known: Option<&WorkerId>,
    ) -> Result<Identity, ClientError> {
        locked.probe().await?;
        if let Some(worker) = known
            && let Some(identity) = self.reissued(admin, worker).await?
        {
            info!(scope = %self.scope, worker.id = %worker, "the kept credential was refused and has been replaced");
            locked.keep(&identity).await?;
            return Ok(identity);
        }
        let instance = self.directory.instance().await?;
        let named = admin
            .workers_named(self.name)
            .await
            .map_err(|error| self.of_admin(error))?;
        let is_ours = |label: Option<&String>| label.is_some_and(|label| *label == instance);
        let lost = named.iter().find(|worker| is_ours(worker.labels.get(LABEL)));
        if let Some(lost) = lost
            && let Some(identity) = self.reissued(admin, &lost.worker_id).await?
        {
            warn!(
                scope = %self.scope, worker.id = %lost.worker_id,
                "a worker was registered by this console and its credential never kept; taking it over"
            );
            locked.keep(&identity).await?;
            return Ok(identity);
        }
        let request = RegisterWorker {
            name: Some(self.name.to_owned()),
            labels: [(LABEL.to_owned(), instance)].into(),
        };
        let registered = admin.register_worker(&request).await;
        let (worker, secret) = registered.map_err(|error| self.of_admin(error))?;
        let identity = Identity {
            worker: worker.worker_id,
            secret,
        };
        locked.keep(&identity).await?;
        info!(scope = %self.scope, worker.id = %identity.worker, "registered the console as a worker");
        Ok(identity)
    }

    /// A new secret for a worker; none when the server has no such worker.
    async fn reissued(&self, admin: &RegistryClient, worker: &WorkerId) -> Result<Option<Identity>, ClientError> {
        match admin.reissue_credential(worker).await {
            Ok(secret) => Ok(Some(Identity {
                worker: worker.clone(),
                secret,
            })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(self.of_admin(error)),
        }
    }

    fn of_admin(&self, error: ClientError) -> ClientError {
        if error.is_unauthorized() {
            let scope = self.scope.clone();
            return CredentialError::AdminTokenRefused { scope }.into();
        }
        error
    }

    /// Operators administer an experiment through the console's worker, so it belongs to the experiment's `admins` where
    /// there is such a group. That it does not work out is no reason not to read.
    async fn join_admins(&self, worker: &WorkerId) {
        let (Some(admin), Scope::Experiment(_)) = (self.admin, self.scope) else {
            return;
        };
        let admin = self.as_bearer(Bearer::new(Actor::Admin, admin.clone()));
        let joined = async {
            for group in admin.groups_named(ADMINS).await? {
                if !group.members.iter().any(|member| member.as_str() == worker.as_str()) {
                    admin.add_member(&group.group_id, worker.into()).await?;
                    info!(scope = %self.scope, worker.id = %worker, "the console joined the admins");
                }
            }
            Ok::<_, ClientError>(())
        };
        if let Err(error) = joined.await {
            warn!(scope = %self.scope, %error, "the console could not join the admins; it can read, and not administer");
        }
    }
}

fn refused(scope: &Scope, worker: &WorkerId, path: &Path) -> ClientError {
    CredentialError::Refused {
        scope: scope.clone(),
        worker: worker.clone(),
        path: path.to_owned(),
    }
    .into()
}
