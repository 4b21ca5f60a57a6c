//! How a worker of the pilot comes by its credential and keeps it, in an experiment and in the deployment alike.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tracing::info;

use super::DemoError;
use crate::client::{Bearer, ClientError, ControlClient, ExperimentClient};
use crate::private_file::{create_private_dir, replace_private};
use crate::protocol::{Actor, ErrorType, Group, GroupId, MemberId, RegisterGroup, RegisterWorker};
use crate::protocol::{Whoami, Worker, WorkerId};

type Answer<T> = Result<T, ClientError>;

/// Workers and groups, which look the same in an experiment and in the deployment (`ch11 §6`).
pub(super) trait Registry: Sized + Send + Sync {
    fn with_credential(&self, bearer: Bearer) -> Self;
    fn whoami(&self) -> impl Future<Output = Answer<Whoami>> + Send;
    fn workers(&self) -> impl Future<Output = Answer<Vec<Worker>>> + Send;
    fn register_worker(&self, request: &RegisterWorker) -> impl Future<Output = Answer<(Worker, SecretString)>> + Send;
    fn reissue_credential(&self, id: &WorkerId) -> impl Future<Output = Answer<SecretString>> + Send;
    fn groups_named(&self, name: &str) -> impl Future<Output = Answer<Vec<Group>>> + Send;
    fn register_group(&self, request: &RegisterGroup) -> impl Future<Output = Answer<Group>> + Send;
    fn add_member(&self, group: &GroupId, member: MemberId) -> impl Future<Output = Answer<Group>> + Send;
}

macro_rules! registry {
    ($client:ty) => {
        impl Registry for $client {
            fn with_credential(&self, bearer: Bearer) -> Self {
                <$client>::with_credential(self, bearer)
            }

            async fn whoami(&self) -> Answer<Whoami> {
                <$client>::whoami(self).await
            }

            async fn workers(&self) -> Answer<Vec<Worker>> {
                <$client>::workers(self).await
            }

            async fn register_worker(&self, request: &RegisterWorker) -> Answer<(Worker, SecretString)> {
                <$client>::register_worker(self, request).await
            }

            async fn reissue_credential(&self, id: &WorkerId) -> Answer<SecretString> {
                <$client>::reissue_credential(self, id).await
            }

            async fn groups_named(&self, name: &str) -> Answer<Vec<Group>> {
                <$client>::groups_named(self, name).await
            }

            async fn register_group(&self, request: &RegisterGroup) -> Answer<Group> {
                <$client>::register_group(self, request).await
            }

            async fn add_member(&self, group: &GroupId, member: MemberId) -> Answer<Group> {
                <$client>::add_member(self, group, member).await
            }
        }
    };
}

registry!(ControlClient);
registry!(ExperimentClient);

/// A worker of the pilot and the calls it makes.
pub(super) struct Member<C = ExperimentClient> {
    /// What people call it, for instance `executor-2`.
    pub name: String,
    pub id: WorkerId,
    pub client: C,
}

/// What is kept on disk of a worker.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Stored {
    /// None while it is not registered yet.
    #[serde(flatten)]
    credential: Option<Credential>,
    /// What it calls itself as a holder of leases; the crews of experiments hold none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder_instance: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Credential {
    worker_id: WorkerId,
    token: String,
}

/// The label by which a worker is found again when its credential file is lost.
const LABEL: &str = "pilot-role";

/// Registers a worker, or finds or mends its credential. `mark` is what its label says, and no other worker's does.
///
/// # Errors
/// [`DemoError::Client`] when the backend refuses or is away, [`DemoError::Credential`] when the secret cannot be
/// kept.
pub(super) async fn enrol<R: Registry>(
    admin: &R,
    path: PathBuf,
    name: String,
    mark: &str,
) -> Result<Member<R>, DemoError> {
    let member = |id: WorkerId, secret: SecretString, name: String| Member {
        client: admin.with_credential(Bearer::new(Actor::Worker(id.clone()), secret)),
        id,
        name,
    };
    let mut stored = load(&path).await?;
    let known = match stored.credential.take() {
        Some(credential) => {
            let found = member(credential.worker_id, credential.token.into(), name.clone());
            match found.client.whoami().await {
                Ok(_) => return Ok(found),
                Err(fault) if fault.error_type() == Some(ErrorType::Unauthorized) => {}
                Err(fault) => return Err(fault.into()),
            }
            Some(found.id)
        }
        None => None,
    };
    // A registration whose secret was lost on the way to the disk is mended, not repeated.
    let workers = admin.workers().await?;
    let known = workers.into_iter().find(|worker| {
        Some(&worker.worker_id) == known.as_ref()
            || known.is_none() && worker.labels.get(LABEL).is_some_and(|label| label == mark)
    });
    let (id, secret) = match known {
        Some(worker) => {
            info!(
                worker.name = name,
                "the pilot's credential is not good any more; reissued"
            );
            let secret = admin.reissue_credential(&worker.worker_id).await?;
            (worker.worker_id, secret)
        }
        None => {
            let request = RegisterWorker {
                name: Some(name.clone()),
                labels: BTreeMap::from([(LABEL.into(), mark.into())]),
            };
            let (worker, secret) = admin.register_worker(&request).await?;
            (worker.worker_id, secret)
        }
    };
    stored.credential = Some(Credential {
        worker_id: id.clone(),
        token: secret.expose_secret().into(),
    });
    store(path, stored).await?;
    Ok(member(id, secret, name))
}

/// Puts a worker into a group, which is made when it is not there.
pub(super) async fn join<R: Registry>(admin: &R, group: &str, worker: &WorkerId) -> Answer<()> {
    let group = ensure_group(admin, group).await?;
    let member = MemberId::from(worker);
    if !group.members.contains(&member) {
        admin.add_member(&group.group_id, member).await?;
    }
    Ok(())
}

/// The group of that name, made when it is not there.
pub(super) async fn ensure_group<R: Registry>(admin: &R, name: &str) -> Answer<Group> {
    if let Some(group) = admin.groups_named(name).await?.into_iter().next() {
        return Ok(group);
    }
    let request = RegisterGroup {
        name: Some(name.into()),
        members: Vec::new(),
    };
    match admin.register_group(&request).await {
        // Somebody else registered it between the two calls.
        Err(fault) if fault.error_type() == Some(ErrorType::ReservedIdentifier) => {
            admin.groups_named(name).await?.into_iter().next().ok_or(fault)
        }
        made => made,
    }
}

/// What is kept of a worker; nothing when there is no file.
pub(super) async fn load(path: &Path) -> Result<Stored, DemoError> {
    match tokio::fs::read(path).await {
        // A file that says nothing usable is replaced like one that is not there.
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => Ok(Stored::default()),
        Err(source) => Err(DemoError::Credential {
            path: path.to_owned(),
            source,
        }),
    }
}

pub(super) async fn store(path: PathBuf, stored: Stored) -> Result<(), DemoError> {
    let target = path.clone();
    let written = tokio::task::spawn_blocking(move || write(&target, &stored)).await?;
    written.map_err(|source| DemoError::Credential { path, source })
}

fn write(path: &Path, stored: &Stored) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        create_private_dir(dir)?;
    }
    replace_private(path, &serde_json::to_vec(stored)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_what_is_known_so_far() {
        let read = |text: &str| serde_json::from_str::<Stored>(text).unwrap_or_default();
        let begun = read(r#"{"holder_instance":"one"}"#);
        assert!(begun.credential.is_none() && begun.holder_instance.as_deref() == Some("one"));
        let whole = r#"{"worker_id":"wkr_00000000000000000000000001","token":"secret"}"#;
        let kept = read(whole);
        assert_eq!(serde_json::to_string(&kept).expect("JSON"), whole);
        assert!(read("not JSON").credential.is_none());
    }
}
