//! Bootstrap of the console's credential in one scope: verify the stored one, or replace it, or register a worker.

use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::directory::{CredentialDir, Identity, LockedDir};
use super::{CredentialError, Scope};
use crate::client::{Bearer, ClientError, Credential, RegistryClient};
use crate::clock::Clock;
use crate::protocol::{Actor, ErrorType, RegisterWorker, WorkerId};

/// The label whose value tells which console a worker belongs to.
const LABEL: &str = "console-instance";
/// Its members administer an experiment, or the deployment (`ch08 §9.3`).
const ADMINS: &str = "admins";

/// A console that reissued its secret [`CONTENTION_REISSUES`] times within this time, and finds it refused again,
/// shares its worker with another console that does the same. An administrator who rotates it by hand does not get that
/// far.
const CONTENTION_WINDOW: Duration = Duration::from_secs(600);
const CONTENTION_REISSUES: usize = 4;

/// One bootstrap and what it needs.
pub(super) struct Bootstrap {
    pub scope: Scope,
    /// The scope's registry of workers. Its credential is not used.
    pub registry: RegistryClient,
    pub directory: CredentialDir,
    /// The secret of the principal `admin`.
    pub admin: Option<SecretString>,
    /// The display name of a worker to register.
    pub worker_name: String,
    /// The worker whose `<worker id>.token` the reference console left.
    pub legacy_worker: Option<WorkerId>,
    /// Whether this is the experiment that the deployment names.
    pub is_default: bool,
    pub clock: Clock,
    /// Trips when the process is asked to stop.
    pub stopping: CancellationToken,
}

/// Result of verifying what is stored.
enum Verification {
    /// The server accepts this bearer, or asks for none.
    Verified(Option<Bearer>),
    /// No stored credential is good.
    NeedsNew {
        locked: Box<LockedDir>,
        admin: RegistryClient,
    },
}

impl Bootstrap {
    /// Verifies what is stored, else reissues or registers. `None` when the server asks for no credential.
    ///
    /// # Errors
    /// [`ClientError::NoCredential`], or why the server could not be asked. 404 and 400 `experiment-id-mismatch` mean
    /// that it does not host the experiment.
    pub(super) async fn run(self) -> Result<Option<Bearer>, ClientError> {
        let verification = tokio::select! {
            verification = self.verify_stored() => verification?,
            () = self.stopping.cancelled() => return Err(CredentialError::Interrupted.into()),
        };
        match verification {
            Verification::Verified(bearer) => Ok(bearer),
            // From here to the disk nothing cancels it: the server tells a new secret only once.
            Verification::NeedsNew { locked, admin } => {
                let identity = self.reissue_or_register(&locked, &admin).await?;
                self.join(&identity.worker).await;
                Ok(Some(identity.bearer()))
            }
        }
    }

    async fn verify_stored(&self) -> Result<Verification, ClientError> {
        let legacy_worker = self.legacy_worker.clone();
        let mut locked = self.directory.lock(&self.scope, legacy_worker, self.is_default).await?;
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
                    locked.store(identity).await?;
                }
                self.join(&identity.worker).await;
                return Ok(Verification::Verified(Some(identity.bearer())));
            }
        }
        let path = self.directory.path(&self.scope);
        let Some(admin) = &self.admin else {
            return match stored.as_ref().or(locked.legacy.as_ref()) {
                Some(identity) => Err(refused(&self.scope, &identity.worker, &path)),
                None => self.verify_anonymous(&path).await.map(Verification::Verified),
            };
        };
        let admin = self.as_bearer(Bearer::new(Actor::Admin, admin.clone()));
        locked.stored = Ok(stored);
        Ok(Verification::NeedsNew {
            locked: Box::new(locked),
            admin,
        })
    }

    fn as_bearer(&self, bearer: impl Into<Credential>) -> RegistryClient {
        self.registry.with_credential(bearer)
    }

    /// Whether the server knows the bearer as the worker that it should be. Another worker's bearer is no good. A
    /// server that checks no credentials takes every bearer.
    async fn is_good(&self, identity: &Identity) -> Result<bool, ClientError> {
        match self.as_bearer(identity.bearer()).caller().await {
            Ok(caller) => Ok(caller.is_none_or(|worker| worker == identity.worker)),
            Err(error) if error.is_unauthorized() => Ok(false),
            Err(error) if error.error_type() == Some(ErrorType::Forbidden) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// There is no stored credential and no admin token: only a server that checks no credentials can be read.
    async fn verify_anonymous(&self, path: &Path) -> Result<Option<Bearer>, ClientError> {
        match self.as_bearer(Credential::Anonymous).caller().await {
            Err(error) if error.is_unauthorized() => Err(CredentialError::NotStored {
                scope: self.scope.clone(),
                path: path.to_owned(),
            }
            .into()),
            // With authentication off the anonymous caller is no worker, or any.
            Err(error) if error.error_type() == Some(ErrorType::Forbidden) => self.without_bearer(),
            Err(error) => Err(error),
            Ok(_) => self.without_bearer(),
        }
    }

    fn without_bearer(&self) -> Result<Option<Bearer>, ClientError> {
        warn!(scope = %self.scope, "the server checks no credentials; calling it without one");
        Ok(None)
    }

    async fn reissue_or_register(&self, locked: &LockedDir, admin: &RegistryClient) -> Result<Identity, ClientError> {
        locked.probe().await?;
        let stored = locked.stored.as_ref().ok().and_then(Option::as_ref);
        let instance = match stored {
            Some(stored) if self.is_contended(stored) => {
                warn!(
                    scope = %self.scope, worker.id = %stored.worker,
                    "the credential that this console replaced a moment ago was replaced by somebody else: another \
                     console seems to run on a copy of its credential directory; registering a worker of its own"
                );
                self.directory.fresh_instance().await?
            }
            stored => match self.reissue_known(locked, admin, stored).await? {
                Some(identity) => return Ok(identity),
                None => self.directory.instance().await?,
            },
        };
        let request = RegisterWorker {
            name: Some(self.worker_name.clone()),
            labels: [(LABEL.to_owned(), instance)].into(),
        };
        let registered = admin.register_worker(&request).await;
        let (worker, secret) = registered.map_err(|error| self.admin_error(error))?;
        let identity = Identity {
            worker: worker.worker_id,
            secret,
            reissued: Vec::new(),
        };
        locked.store(&identity).await?;
        info!(scope = %self.scope, worker.id = %identity.worker, "registered the console as a worker");
        Ok(identity)
    }

    /// Whether the secret that was refused had to be reissued from this directory again and again just before.
    fn is_contended(&self, stored: &Identity) -> bool {
        let oldest = stored.reissued.iter().rev().nth(CONTENTION_REISSUES - 1);
        oldest.is_some_and(|at| self.clock.is_recent(*at, CONTENTION_WINDOW))
    }

    /// A new secret for the worker that is stored here, or else for one that was registered from this directory before
    /// its credential was stored. `None` when there is no such worker.
    async fn reissue_known(
        &self,
        locked: &LockedDir,
        admin: &RegistryClient,
        stored: Option<&Identity>,
    ) -> Result<Option<Identity>, ClientError> {
        if let Some(known) = stored.or(locked.legacy.as_ref())
            && let Some(identity) = self.reissue(admin, known).await?
        {
            info!(scope = %self.scope, worker.id = %known.worker, "the kept credential was refused and has been replaced");
            locked.store(&identity).await?;
            return Ok(Some(identity));
        }
        let instance = self.directory.instance().await?;
        let named = admin.workers_named(&self.worker_name).await;
        let named = named.map_err(|error| self.admin_error(error))?;
        let is_ours = |label: Option<&String>| label.is_some_and(|label| *label == instance);
        let lost = named.iter().find(|worker| is_ours(worker.labels.get(LABEL)));
        if let Some(lost) = lost
            && let Some(identity) = self.reissue(admin, &Identity::lost(lost.worker_id.clone())).await?
        {
            warn!(
                scope = %self.scope, worker.id = %lost.worker_id,
                "a worker was registered by this console and its credential never kept; taking it over"
            );
            locked.store(&identity).await?;
            return Ok(Some(identity));
        }
        Ok(None)
    }

    /// A new secret for a worker; `None` when the server has no such worker.
    async fn reissue(&self, admin: &RegistryClient, known: &Identity) -> Result<Option<Identity>, ClientError> {
        match admin.reissue_credential(&known.worker).await {
            Ok(secret) => {
                let mut reissued = known.reissued.clone();
                reissued.push(self.clock.now());
                reissued.drain(..reissued.len().saturating_sub(CONTENTION_REISSUES));
                Ok(Some(Identity {
                    worker: known.worker.clone(),
                    secret,
                    reissued,
                }))
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(self.admin_error(error)),
        }
    }

    fn admin_error(&self, error: ClientError) -> ClientError {
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

/// Operators administer an experiment through the console's worker, so it joins the experiment's `admins` where there
/// is such a group. A failure is only logged, since reading needs no membership.
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
