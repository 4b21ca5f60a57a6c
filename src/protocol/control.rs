//! The control plane's registry and leases (`ch11`), and Switchboard's seeding extension.

use serde::{Deserialize, Serialize};

use super::{CommitSha, DisplayName, ExperimentId, ExperimentState, Extra, Timestamp, WorkerId};

/// A lease on an experiment: at most one is active (`ch11 §4.2`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Its id.
    pub lease_id: String,
    /// The experiment it covers.
    pub experiment_id: ExperimentId,
    /// The worker that holds it.
    pub holder: WorkerId,
    /// The process of that worker.
    pub holder_instance: String,
    /// When it was acquired.
    pub acquired_at: Timestamp,
    /// When it runs out unless renewed, on the control plane's clock.
    pub expires_at: Timestamp,
    /// When it was last renewed.
    pub renewed_at: Timestamp,
}

impl Lease {
    /// Whether it is active at `now`, by the control plane's clock (`ch11 §4.4`).
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.expires_at >= now
    }
}

/// Body of `POST /v0/control/experiments/{E}/leases`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcquireLease {
    /// The worker that asks for it; it must be the caller.
    pub holder: WorkerId,
    /// The process of that worker; any text that no other process uses, and not empty.
    pub holder_instance: String,
}

/// Body of `POST /v0/control/leases/{L}/renew` and `.../release`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseInstance {
    /// The process that acquired it.
    pub holder_instance: String,
}

/// `GET /v0/control/leases`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseList {
    /// The active leases.
    pub leases: Vec<Lease>,
}

/// An experiment as the control plane knows it (`ch11 §2.1`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegistryEntry {
    /// Its id.
    pub experiment_id: ExperimentId,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<DisplayName>,
    /// Where its configuration is; an opaque URI.
    pub config_uri: String,
    /// When it was registered.
    pub created_at: Timestamp,
    /// The state last read from the task store; it lags, so never decide by it.
    pub last_known_state: ExperimentState,
    /// The active lease. The member is required and null when there is none.
    pub lease: Option<Lease>,
    /// Faults the control plane noticed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Members this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `GET /v0/control/experiments`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExperimentList {
    /// The entries.
    pub experiments: Vec<RegistryEntry>,
}

/// Body of `POST /v0/control/experiments`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterExperiment {
    /// Where the configuration is; a URI with a scheme.
    pub config_uri: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An extension: the id to register under, for an experiment that has one already because it was imported
    /// or begun elsewhere (`ch11 §7`). Without it one is minted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment_id: Option<ExperimentId>,
}

/// Body of `POST /_switchboard/experiments/{E}/seed`: makes the task store host a registered experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedRequest {
    /// The configuration as written, YAML or JSON; kept verbatim.
    pub config: String,
    /// The seed commit, when there is a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_commit_sha: Option<CommitSha>,
}
