//! Who the pilot is: one worker of the deployment, which holds leases, and in each experiment the workers of each role.

use std::path::Path;

use super::credentials::{StoredWorker, ensure_group, ensure_worker, join_group};
use super::error::DemoError;
use crate::client::{ControlClient, ExperimentClient};
use crate::protocol::{TaskKind, WorkerId};

/// Members may drive the deployment's experiments, or the one experiment that the group belongs to (`ch11 §6`).
const ORCHESTRATORS: &str = "orchestrators";

/// The worker that holds the leases.
pub(super) struct LeaseWorker {
    pub id: WorkerId,
    pub control: ControlClient,
    /// Which process of the worker holds its leases.
    ///
    /// Unlike that of EDEN's orchestrators (`ch11 §4.7`), it is made once for a data directory and survives the
    /// process. One process at a time has the directory open, so after a crash the next one owns the leases of the
    /// last and continues with them at once, instead of waiting until they expire.
    pub instance: String,
}

impl LeaseWorker {
    /// Registers the worker, or finds it or reissues its credential, and adds it to the deployment's group.
    ///
    /// # Errors
    /// [`DemoError::Client`] when the backend refuses or is away, [`DemoError::Credential`] when the file cannot be
    /// read or written.
    pub(super) async fn ensure(admin: &ControlClient, credentials: &Path) -> Result<Self, DemoError> {
        let path = credentials.join("control-plane").join("pilot.json");
        let mut stored = StoredWorker::load(&path).await?;
        let instance = match stored.holder_instance.take() {
            Some(instance) => instance,
            None => {
                let instance = format!("{:032x}", rand::random::<u128>());
                stored.holder_instance = Some(instance.clone());
                // Before the worker is registered: its label is this instance.
                stored.store(path.clone()).await?;
                instance
            }
        };
        let registry = admin.registry();
        let (id, bearer) = ensure_worker(&registry, path, "pilot", &instance).await?;
        join_group(&registry, ORCHESTRATORS, &id).await?;
        Ok(Self {
            control: admin.with_credential(bearer),
            id,
            instance,
        })
    }
}

/// A worker of an experiment, and the client with its credential.
pub(super) struct WorkerClient {
    /// What people call it, for instance `executor-2`.
    pub name: String,
    pub id: WorkerId,
    pub client: ExperimentClient,
}

/// The workers of one experiment by role. They belong to the experiment and not to one pilot: the next holder of the
/// lease reissues their credentials and continues with the tasks they hold. This locks out a pilot that lost the lease
/// and has not noticed.
pub(super) struct RoleWorkers {
    pub orchestrator: WorkerClient,
    ideators: Vec<WorkerClient>,
    executors: Vec<WorkerClient>,
    evaluators: Vec<WorkerClient>,
}

impl RoleWorkers {
    /// Registers the workers, or finds them or reissues their credentials, and adds the orchestrator to its group.
    /// Only the holder of the experiment's lease may call this.
    ///
    /// # Errors
    /// As for [`LeaseWorker::ensure`].
    pub(super) async fn ensure(admin: &ExperimentClient, credentials: &Path, count: u32) -> Result<Self, DemoError> {
        let dir = credentials.join(admin.id().as_str());
        let registry = admin.registry();
        let ensure = async |name: String| -> Result<WorkerClient, DemoError> {
            let (id, bearer) = ensure_worker(&registry, dir.join(format!("{name}.json")), &name, &name).await?;
            let client = admin.with_credential(bearer);
            Ok(WorkerClient { name, id, client })
        };
        let orchestrator = ensure("orchestrator".into()).await?;
        join_group(&registry, ORCHESTRATORS, &orchestrator.id).await?;
        // It has no members yet: the console adds the operators that it admits.
        ensure_group(&registry, "admins").await?;
        let mut workers = Self {
            orchestrator,
            ideators: vec![ensure("ideator-1".into()).await?],
            executors: Vec::new(),
            evaluators: Vec::new(),
        };
        for n in 1..=count {
            workers.executors.push(ensure(format!("executor-{n}")).await?);
            workers.evaluators.push(ensure(format!("evaluator-{n}")).await?);
        }
        Ok(workers)
    }

    /// The workers for a kind of task.
    pub(super) fn for_kind(&self, kind: TaskKind) -> &[WorkerClient] {
        match kind {
            TaskKind::Ideation => &self.ideators,
            TaskKind::Execution => &self.executors,
            TaskKind::Evaluation => &self.evaluators,
        }
    }

    /// Whether a worker is one of the ideators.
    pub(super) fn has_ideator(&self, id: &WorkerId) -> bool {
        self.ideators.iter().any(|ideator| ideator.id == *id)
    }
}
