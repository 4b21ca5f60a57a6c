//! The pilot's workers: each role of each experiment is a worker of its own, with its secret on disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tracing::info;

use super::DemoError;
use crate::client::{Bearer, ClientError, ExperimentClient};
use crate::private_file::{create_private_dir, replace_private};
use crate::protocol::{Actor, ErrorType, RegisterGroup, RegisterWorker, WorkerId};

/// A worker of the pilot and the calls it makes.
pub(super) struct Member {
    /// What people call it, for instance `executor-2`.
    pub name: String,
    pub id: WorkerId,
    pub client: ExperimentClient,
}

/// Everyone who works on one experiment.
pub(super) struct Crew {
    pub orchestrator: Member,
    pub ideators: Vec<Member>,
    pub executors: Vec<Member>,
    pub evaluators: Vec<Member>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    worker_id: WorkerId,
    token: String,
}

/// The label by which a worker is found again when its credential file is lost.
const LABEL: &str = "pilot-role";

impl Crew {
    /// Registers, finds or mends the credentials of everyone, and puts the orchestrator into its group.
    ///
    /// # Errors
    /// [`DemoError::Client`] when the backend refuses or is away, [`DemoError::Credential`] when a secret
    /// cannot be kept.
    pub(super) async fn enrol(admin: &ExperimentClient, dir: &Path, workers: u32) -> Result<Self, DemoError> {
        let dir = dir.join(admin.id().as_str());
        let orchestrator = enrol(admin, &dir, "orchestrator".into()).await?;
        let group = ensure_group(admin, "orchestrators").await?;
        admin.add_member(&group, (&orchestrator.id).into()).await?;
        // Empty, but there: operators are added to it by whoever admits them.
        ensure_group(admin, "admins").await?;
        let mut crew = Self {
            orchestrator,
            ideators: vec![enrol(admin, &dir, "ideator-1".into()).await?],
            executors: Vec::new(),
            evaluators: Vec::new(),
        };
        for n in 1..=workers {
            crew.executors.push(enrol(admin, &dir, format!("executor-{n}")).await?);
            crew.evaluators
                .push(enrol(admin, &dir, format!("evaluator-{n}")).await?);
        }
        Ok(crew)
    }

    /// Whether a worker is one of the crew.
    pub(super) fn has(&self, id: &WorkerId) -> bool {
        let workers = self.ideators.iter().chain(&self.executors).chain(&self.evaluators);
        workers.chain([&self.orchestrator]).any(|member| member.id == *id)
    }
}

async fn ensure_group(admin: &ExperimentClient, name: &str) -> Result<crate::protocol::GroupId, ClientError> {
    if let Some(group) = admin.groups_named(name).await?.into_iter().next() {
        return Ok(group.group_id);
    }
    let request = RegisterGroup {
        name: Some(name.into()),
        members: Vec::new(),
    };
    match admin.register_group(&request).await {
        Ok(group) => Ok(group.group_id),
        // Somebody else registered it between the two calls.
        Err(fault) if fault.error_type() == Some(ErrorType::ReservedIdentifier) => {
            let group = admin.groups_named(name).await?.into_iter().next();
            group.map(|group| group.group_id).ok_or(fault)
        }
        Err(fault) => Err(fault),
    }
}

async fn enrol(admin: &ExperimentClient, dir: &Path, name: String) -> Result<Member, DemoError> {
    let path = dir.join(format!("{name}.json"));
    let member = |id: WorkerId, secret: SecretString, name: String| Member {
        client: admin.with_bearer(Bearer::new(Actor::Worker(id.clone()), secret)),
        id,
        name,
    };
    let stored = load(path.clone()).await?;
    let known = match stored {
        Some(stored) => {
            let found = member(stored.worker_id, stored.token.into(), name.clone());
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
            || known.is_none() && worker.labels.get(LABEL).is_some_and(|role| *role == name)
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
                labels: BTreeMap::from([(LABEL.into(), name.clone())]),
            };
            let (worker, secret) = admin.register_worker(&request).await?;
            (worker.worker_id, secret)
        }
    };
    let stored = Stored {
        worker_id: id.clone(),
        token: secret.expose_secret().into(),
    };
    store(path, stored).await?;
    Ok(member(id, secret, name))
}

async fn load(path: PathBuf) -> Result<Option<Stored>, DemoError> {
    match tokio::fs::read(&path).await {
        // A file that says nothing usable is replaced like one that is not there.
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(DemoError::Credential { path, source }),
    }
}

async fn store(path: PathBuf, stored: Stored) -> Result<(), DemoError> {
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
