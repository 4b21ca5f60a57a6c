use std::fmt;

use crate::protocol::ExperimentId;

/// A registry of workers. A credential is valid in one of them only (`ch08 §8`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// That of the deployment (`ch11 §6`).
    ControlPlane,
    /// That of an experiment.
    Experiment(ExperimentId),
}

impl Scope {
    /// The name of its credential directory.
    pub(super) fn directory(&self) -> &str {
        match self {
            Self::ControlPlane => "control-plane",
            Self::Experiment(id) => id.as_str(),
        }
    }

    /// Its server, in words.
    pub(super) fn server(&self) -> &'static str {
        match self {
            Self::ControlPlane => "the control plane",
            Self::Experiment(_) => "the task store",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ControlPlane => f.write_str("the control plane"),
            Self::Experiment(id) => write!(f, "experiment {id}"),
        }
    }
}
