//! The credentials of the pilot's workers: registered or reissued on the server, and kept on disk. It works the same in
//! an experiment and in the deployment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use tracing::info;

use super::error::DemoError;
use crate::client::{Bearer, ClientError, RegistryClient};
use crate::private_file::{create_private_dir, replace_private};
use crate::protocol::{Actor, ErrorType, Group, MemberId, RegisterGroup, RegisterWorker, WorkerId};

/// What is kept on disk of a worker.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct StoredWorker {
    /// None while it is not registered yet.
    #[serde(flatten)]
    credential: Option<Credential>,
    /// Its `holder_instance`, of the one worker that holds leases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder_instance: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Credential {
    worker_id: WorkerId,
    token: String,
}

impl Credential {
    fn bearer(&self) -> Bearer {
        Bearer::new(Actor::Worker(self.worker_id.clone()), self.token.clone().into())
    }
}

impl StoredWorker {
    /// What the file says; nothing when there is no file, or none that can be read.
    pub(super) async fn load(path: &Path) -> Result<Self, DemoError> {
        match tokio::fs::read(path).await {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(DemoError::Credential {
                path: path.to_owned(),
                source,
            }),
        }
    }

    pub(super) async fn store(self, path: PathBuf) -> Result<(), DemoError> {
        let target = path.clone();
        let written = tokio::task::spawn_blocking(move || {
            if let Some(dir) = target.parent() {
                create_private_dir(dir)?;
            }
            replace_private(&target, &serde_json::to_vec(&self)?)
        });
        written.await?.map_err(|source| DemoError::Credential { path, source })
    }
}

/// The label by which a worker is found again when its credential file is lost.
const LABEL: &str = "pilot-role";

/// Registers a worker, or finds it or reissues its credential. The value of its label is `mark`, and no other worker
/// has it.
///
/// # Errors
/// [`DemoError::Client`] when the backend refuses or is away, [`DemoError::Credential`] when the file cannot be read
/// or written.
pub(super) async fn ensure_worker(
    admin: &RegistryClient,
    path: PathBuf,
    name: &str,
    mark: &str,
) -> Result<(WorkerId, Bearer), DemoError> {
    let mut stored = StoredWorker::load(&path).await?;
    if let Some(credential) = &stored.credential {
        let bearer = credential.bearer();
        match admin.with_credential(bearer.clone()).whoami().await {
            Ok(_) => return Ok((credential.worker_id.clone(), bearer)),
            Err(fault) if fault.error_type() == Some(ErrorType::Unauthorized) => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    let known = stored.credential.map(|credential| credential.worker_id);
    let credential = reissue_or_register(admin, known, name, mark).await?;
    let identity = (credential.worker_id.clone(), credential.bearer());
    stored.credential = Some(credential);
    stored.store(path).await?;
    Ok(identity)
}

/// A worker whose secret was lost before it was written is registered already: it gets a new secret.
async fn reissue_or_register(
    admin: &RegistryClient,
    known: Option<WorkerId>,
    name: &str,
    mark: &str,
) -> Result<Credential, ClientError> {
    let registered = admin.workers().await?.into_iter().find(|worker| match &known {
        Some(known) => worker.worker_id == *known,
        None => worker.labels.get(LABEL).is_some_and(|label| label == mark),
    });
    let (worker, secret) = match registered {
        Some(worker) => {
            info!(
                worker.name = name,
                "the pilot's credential is not good any more; reissued"
            );
            let secret = admin.reissue_credential(&worker.worker_id).await?;
            (worker, secret)
        }
        None => {
            let request = RegisterWorker {
                name: Some(name.into()),
                labels: BTreeMap::from([(LABEL.into(), mark.into())]),
            };
            admin.register_worker(&request).await?
        }
    };
    Ok(Credential {
        worker_id: worker.worker_id,
        token: secret.expose_secret().into(),
    })
}

/// Adds a worker to a group, which is made when it is not there.
pub(super) async fn join_group(admin: &RegistryClient, group: &str, worker: &WorkerId) -> Result<(), ClientError> {
    let group = ensure_group(admin, group).await?;
    let member = MemberId::from(worker);
    if !group.members.contains(&member) {
        admin.add_member(&group.group_id, member).await?;
    }
    Ok(())
}

/// The group of that name, made when it is not there.
pub(super) async fn ensure_group(admin: &RegistryClient, name: &str) -> Result<Group, ClientError> {
    if let Some(group) = admin.groups_named(name).await?.into_iter().next() {
        return Ok(group);
    }
    let request = RegisterGroup {
        name: Some(name.into()),
        members: Vec::new(),
    };
    match admin.register_group(&request).await {
        // Another client registered it between the two calls.
        Err(fault) if fault.error_type() == Some(ErrorType::ReservedIdentifier) => {
            admin.groups_named(name).await?.into_iter().next().ok_or(fault)
        }
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_worker_may_have_no_credential_yet() {
        let read = |text: &str| serde_json::from_str::<StoredWorker>(text).unwrap_or_default();
        let begun = read(r#"{"holder_instance":"one"}"#);
        assert!(begun.credential.is_none() && begun.holder_instance.as_deref() == Some("one"));
        let whole = r#"{"worker_id":"wkr_00000000000000000000000001","token":"secret"}"#;
        let kept = read(whole);
        assert_eq!(serde_json::to_string(&kept).expect("JSON"), whole);
        assert!(read("not JSON").credential.is_none());
    }
}
