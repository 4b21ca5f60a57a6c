//! From nothing, or from what is on disk, to a bearer that the server takes.

use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::directory::{CredentialDir, Identity, Locked};
use super::{CredentialError, Scope};
use crate::client::{Bearer, ClientError, Credential, RegistryClient};
use crate::clock::Clock;
use crate::protocol::{Actor, ErrorType, RegisterWorker, WorkerId};

/// The label that says which console a worker is of.
const LABEL: &str = "console-instance";
/// Its members administer an experiment, or the deployment (`ch08 §9.3`).
const ADMINS: &str = "admins";

/// Who replaced a secret [`TIMES`] times within this time, and finds it refused again, shares the worker with somebody who
/// does the same. An administrator who rotates it by hand does not get that far.
const FOUGHT_OVER: Duration = Duration::from_secs(600);
const TIMES: usize = 4;

/// One scope's way to a credential.
pub(super) struct Bootstrap {
    pub scope: Scope,
    /// The scope's registry; its credential does not matter.
    pub registry: RegistryClient,
    pub directory: CredentialDir,
    /// The secret of the principal `admin`.
    pub admin: Option<SecretString>,
    /// What the console's workers are called.
    pub name: String,
    /// The worker that an earlier console used here.
    pub named: Option<WorkerId>,
    /// Whether this is the experiment that the deployment names.
    pub is_default: bool,
    pub clock: Clock,
    /// Trips when the process is asked to stop.
    pub stopping: CancellationToken,
}

/// What a look at the disk and at the server comes to.
enum Look {
    Settled(Option<Bearer>),
    /// Nothing that is kept is good.
    ToBeMade {
        locked: Box<Locked>,
        admin: RegistryClient,
    },
}

impl Bootstrap {
    /// Goes through what is kept, then replaces or registers. `None` when the server asks for no credential.
    ///
    /// # Errors
    /// [`ClientError::NoCredential`], or why the server could not be asked; 404 and 400 `experiment-id-mismatch` when it
    /// does not host the experiment.
    pub(super) async fn run(self) -> Result<Option<Bearer>, ClientError> {
        let look = tokio::select! {
            look = self.look() => look?,
            () = self.stopping.cancelled() => return Err(CredentialError::Interrupted.into()),
        };
        match look {
            Look::Settled(bearer) => Ok(bearer),
            // From here to the disk nothing breaks it off: a new secret is said only once.
            Look::ToBeMade { locked, admin } => {
                let identity = self.replaced_or_registered(&locked, &admin).await?;
                self.join(&identity.worker).await;
                Ok(Some(identity.bearer()))
            }
        }
    }

    async fn look(&self) -> Result<Look, ClientError> {
        let named = self.named.clone();
        let mut locked = self.directory.lock(&self.scope, named, self.is_default).await?;
        let stored = match (std::mem::replace(&mut locked.stored, Ok(None)), &self.admin) {
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
                self.join(&identity.worker).await;
                return Ok(Look::Settled(Some(identity.bearer())));
            }
        }
        let path = self.directory.path(&self.scope);
        let Some(admin) = &self.admin else {
            return match stored.as_ref().or(locked.legacy.as_ref()) {
                Some(identity) => Err(refused(&self.scope, &identity.worker, &path)),
                None => self.without_any(&path).await.map(Look::Settled),
            };
        };
        let admin = self.as_bearer(Bearer::new(Actor::Admin, admin.clone()));
        locked.stored = Ok(stored);
        Ok(Look::ToBeMade {
            locked: Box::new(locked),
            admin,
        })
    }

    fn as_bearer(&self, bearer: impl Into<Credential>) -> RegistryClient {
        self.registry.with_credential(bearer)
    }

    /// Whether the server knows the bearer as the worker that it should be. Another worker's is as bad as none, and where
    /// nobody is checked every bearer is good.
    async fn is_good(&self, identity: &Identity) -> Result<bool, ClientError> {
        match self.as_bearer(identity.bearer()).caller().await {
            Ok(caller) => Ok(caller.is_none_or(|worker| worker == identity.worker)),
            Err(error) if error.is_unauthorized() => Ok(false),
            Err(error) if error.error_type() == Some(ErrorType::Forbidden) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Nothing is kept and nothing can be registered: only a server that asks for nothing can be read.
    async fn without_any(&self, path: &Path) -> Result<Option<Bearer>, ClientError> {
        match self.as_bearer(Credential::Anonymous).caller().await {
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

    async fn replaced_or_registered(&self, locked: &Locked, admin: &RegistryClient) -> Result<Identity, ClientError> {
        locked.probe().await?;
        let stored = locked.stored.as_ref().ok().and_then(Option::as_ref);
        let instance = match stored {
            Some(stored) if self.is_fought_over(stored) => {
                warn!(
                    scope = %self.scope, worker.id = %stored.worker,
                    "the credential that this console replaced a moment ago was replaced by somebody else: another \
                     console seems to run on a copy of its credential directory; registering a worker of its own"
                );
                self.directory.fresh_instance().await?
            }
            stored => match self.replaced(locked, admin, stored).await? {
                Some(identity) => return Ok(identity),
                None => self.directory.instance().await?,
            },
        };
        let request = RegisterWorker {
            name: Some(self.name.clone()),
            labels: [(LABEL.to_owned(), instance)].into(),
        };
        let registered = admin.register_worker(&request).await;
        let (worker, secret) = registered.map_err(|error| self.of_admin(error))?;
        let identity = Identity {
            worker: worker.worker_id,
            secret,
            reissued: Vec::new(),
        };
        locked.keep(&identity).await?;
        info!(scope = %self.scope, worker.id = %identity.worker, "registered the console as a worker");
        Ok(identity)
    }

    /// Whether the secret that was refused is one that this directory had to replace again and again just before.
    fn is_fought_over(&self, stored: &Identity) -> bool {
        let oldest = stored.reissued.iter().rev().nth(TIMES - 1);
        oldest.is_some_and(|at| self.clock.is_recent(*at, FOUGHT_OVER))
    }

    /// A new secret for the worker that is known here, or else for one that was registered from here.
    async fn replaced(
        &self,
        locked: &Locked,
        admin: &RegistryClient,
        stored: Option<&Identity>,
    ) -> Result<Option<Identity>, ClientError> {
        if let Some(known) = stored.or(locked.legacy.as_ref())
            && let Some(identity) = self.reissued(admin, known).await?
        {
            info!(scope = %self.scope, worker.id = %known.worker, "the kept credential was refused and has been replaced");
            locked.keep(&identity).await?;
            return Ok(Some(identity));
        }
        let instance = self.directory.instance().await?;
        let named = admin.workers_named(&self.name).await;
        let named = named.map_err(|error| self.of_admin(error))?;
        let is_ours = |label: Option<&String>| label.is_some_and(|label| *label == instance);
        let lost = named.iter().find(|worker| is_ours(worker.labels.get(LABEL)));
        if let Some(lost) = lost
            && let Some(identity) = self.reissued(admin, &Identity::lost(lost.worker_id.clone())).await?
        {
            warn!(
                scope = %self.scope, worker.id = %lost.worker_id,
                "a worker was registered by this console and its credential never kept; taking it over"
            );
            locked.keep(&identity).await?;
            return Ok(Some(identity));
        }
        Ok(None)
    }

    /// A new secret for a worker; none when the server has no such worker.
    async fn reissued(&self, admin: &RegistryClient, known: &Identity) -> Result<Option<Identity>, ClientError> {
        match admin.reissue_credential(&known.worker).await {
            Ok(secret) => {
                let mut reissued = known.reissued.clone();
                reissued.push(self.clock.now());
                reissued.drain(..reissued.len().saturating_sub(TIMES));
                Ok(Some(Identity {
                    worker: known.worker.clone(),
                    secret,
                    reissued,
                }))
            }
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

    async fn join(&self, worker: &WorkerId) {
        if let Some(admin) = &self.admin {
            let admin = self.as_bearer(Bearer::new(Actor::Admin, admin.clone()));
            join_admins(&self.scope, &admin, worker).await;
        }
    }
}

/// Operators administer an experiment through the console's worker, so it belongs to the experiment's `admins` where there
/// is such a group. That it does not work out is no reason not to read.
pub(super) async fn join_admins(scope: &Scope, admin: &RegistryClient, worker: &WorkerId) {
    let Scope::Experiment(_) = scope else { return };
    let joined = async {
        for group in admin.groups_named(ADMINS).await? {
            if !group.members.iter().any(|member| member.as_str() == worker.as_str()) {
                admin.add_member(&group.group_id, worker.into()).await?;
                info!(%scope, worker.id = %worker, "the console joined the admins");
            }
        }
        Ok::<_, ClientError>(())
    };
    if let Err(error) = joined.await {
        warn!(%scope, %error, "the console could not join the admins; it can read, and not administer");
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
