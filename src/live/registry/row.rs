use crate::access::CredentialState;
use crate::live::unavailability::{Server, Unavailability, UnavailabilityKind};
use crate::protocol::{Experiment, ExperimentId, ExperimentState, RegistryEntry};

/// Whether the task store has a registered experiment.
#[derive(Debug, Clone, PartialEq)]
pub enum Hosting {
    /// It has; this is the experiment object as of the last probe.
    Hosted(Box<Experiment>),
    /// It has not: the experiment is registered and waits to be seeded.
    NotHosted,
    /// It hosts other experiments, or this one has no address.
    Elsewhere,
    /// The task store could not be asked.
    Unknown(Unavailability),
}

/// An experiment of the deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct RegistryRow {
    /// Its id.
    pub id: ExperimentId,
    /// Its entry at the control plane; none for the default experiment when that is not registered.
    pub entry: Option<RegistryEntry>,
    /// What the task store answered.
    pub hosting: Hosting,
    /// Whether the console has a credential for it.
    pub credential: CredentialState,
    /// Whether its configuration is known, or why not, as text.
    pub config: Result<(), String>,
    /// Whether the task store serves the configuration, once that is known.
    pub(in crate::live) serves_config: Option<bool>,
    /// Whether the task store was probed.
    pub(in crate::live) was_probed: bool,
}

impl RegistryRow {
    /// An experiment without an entry at the control plane.
    pub fn unregistered(id: ExperimentId, hosting: Hosting, credential: CredentialState) -> Self {
        Self {
            id,
            entry: None,
            hosting,
            credential,
            config: Ok(()),
            serves_config: None,
            was_probed: true,
        }
    }

    /// An experiment whose task store is still to be probed.
    pub(in crate::live) fn unprobed(
        id: ExperimentId,
        entry: Option<RegistryEntry>,
        credential: CredentialState,
    ) -> Self {
        let cause = Unavailability {
            kind: UnavailabilityKind::NotYetContacted,
            message: format!("{} has not been asked yet", Server::TaskStore),
        };
        Self {
            entry,
            was_probed: false,
            ..Self::unregistered(id, Hosting::Unknown(cause), credential)
        }
    }

    /// An experiment that was restored from disk. Its task store is probed again, but no page waits for the answer.
    pub(in crate::live) fn restored(
        id: ExperimentId,
        entry: Option<RegistryEntry>,
        hosted: Option<Experiment>,
        credential: CredentialState,
    ) -> Self {
        let unprobed = Self::unprobed(id, entry, credential);
        Self {
            hosting: hosted.map_or(unprobed.hosting, |experiment| Hosting::Hosted(Box::new(experiment))),
            was_probed: true,
            ..unprobed
        }
    }

    /// The display name.
    pub fn name(&self) -> Option<&str> {
        self.entry.as_ref()?.name.as_ref().map(|name| name.as_str())
    }

    /// The state, from the experiment itself if possible: the control plane's copy lags.
    pub fn state(&self) -> Option<ExperimentState> {
        match &self.hosting {
            Hosting::Hosted(experiment) => Some(experiment.state),
            Hosting::NotHosted | Hosting::Elsewhere => None,
            Hosting::Unknown(_) => Some(self.entry.as_ref()?.last_known_state),
        }
    }
}
