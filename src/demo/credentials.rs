//! Who the pilot is: one worker of the deployment, which holds leases, and in each experiment one worker a role.

use std::path::Path;

use super::DemoError;
use super::enrolment::{enrol, ensure_group, join, load, store};
use crate::client::{ControlClient, ExperimentClient};
use crate::protocol::WorkerId;

pub(super) use super::enrolment::Member;

/// Members may drive the deployment's experiments, or the one experiment that the group belongs to (`ch11 §6`).
const ORCHESTRATORS: &str = "orchestrators";

/// The pilot to the control plane.
pub(super) struct Pilot {
    pub worker: Member<ControlClient>,
    /// Which process of the worker holds its leases.
    ///
    /// It is made once for a data directory and outlives the process, other than EDEN's orchestrators have it
    /// (`ch11 §4.7`): the directory is locked by one process at a time, so whoever opens it after a crash has no living
    /// twin. It is the rightful heir of the leases, and goes on with them at once instead of waiting for their expiry.
    pub instance: String,
}

impl Pilot {
    /// Registers the pilot, or finds or mends its credential, and puts it into the deployment's group.
    ///
    /// # Errors
    /// [`DemoError::Client`] when the backend refuses or is away, [`DemoError::Credential`] when what has to be
    /// remembered cannot be kept.
    pub(super) async fn enrol(admin: &ControlClient, dir: &Path) -> Result<Self, DemoError> {
        let path = dir.join("control-plane").join("pilot.json");
        let mut stored = load(&path).await?;
        let instance = match stored.holder_instance.take() {
            Some(instance) => instance,
            None => {
                let instance = format!("{:032x}", rand::random::<u128>());
                stored.holder_instance = Some(instance.clone());
                // Before it is used: each data directory has a worker of its own, which is told by this mark.
                store(path.clone(), stored).await?;
                instance
            }
        };
        let worker = enrol(admin, path, "pilot".into(), &instance).await?;
        join(admin, ORCHESTRATORS, &worker.id).await?;
        Ok(Self { worker, instance })
    }
}

/// Everyone who works on one experiment. They are the experiment's and not the pilot's: whoever comes to hold the
/// lease has their credentials reissued, and goes on with what they have in hand. One who lost the lease without
/// noticing is thereby locked out.
pub(super) struct Crew {
    pub orchestrator: Member,
    pub ideators: Vec<Member>,
    pub executors: Vec<Member>,
    pub evaluators: Vec<Member>,
}

impl Crew {
    /// Registers, finds or mends the credentials of everyone, and puts the orchestrator into its group. For the holder
    /// of the experiment's lease alone.
    ///
    /// # Errors
    /// [`DemoError::Client`] when the backend refuses or is away, [`DemoError::Credential`] when a secret
    /// cannot be kept.
    pub(super) async fn enrol(admin: &ExperimentClient, dir: &Path, workers: u32) -> Result<Self, DemoError> {
        let dir = dir.join(admin.id().as_str());
        let enrol = async |name: String| enrol(admin, dir.join(format!("{name}.json")), name.clone(), &name).await;
        let orchestrator = enrol("orchestrator".into()).await?;
        join(admin, ORCHESTRATORS, &orchestrator.id).await?;
        // Empty, but there: operators are added to it by whoever admits them.
        ensure_group(admin, "admins").await?;
        let mut crew = Self {
            orchestrator,
            ideators: vec![enrol("ideator-1".into()).await?],
            executors: Vec::new(),
            evaluators: Vec::new(),
        };
        for n in 1..=workers {
            crew.executors.push(enrol(format!("executor-{n}")).await?);
            crew.evaluators.push(enrol(format!("evaluator-{n}")).await?);
        }
        Ok(crew)
    }

    /// Whether a worker is one of the crew.
    pub(super) fn has(&self, id: &WorkerId) -> bool {
        let workers = self.ideators.iter().chain(&self.executors).chain(&self.evaluators);
        workers.chain([&self.orchestrator]).any(|member| member.id == *id)
    }
}
