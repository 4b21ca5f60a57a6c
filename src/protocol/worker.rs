//! Workers and groups, of an experiment or of the deployment (`ch02 §6`, `§7`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Actor, DisplayName, ExperimentId, Extra, GroupId, MemberId, Timestamp, WorkerId};

/// A registered worker; never its credential.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    /// Its id.
    pub worker_id: WorkerId,
    /// The experiment it is registered in; `exp_` and 26 zeros for the deployment's own.
    pub experiment_id: ExperimentId,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<DisplayName>,
    /// Free labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// Who registered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_by: Option<Actor>,
    /// Members this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A worker with its secret, which the server says once (`ch07 §6`).
#[derive(Clone, Serialize, Deserialize)]
pub struct RegisteredWorker {
    /// The worker.
    #[serde(flatten)]
    pub worker: Worker,
    /// The secret half of the bearer.
    pub registration_token: String,
}

/// Body of `POST /workers`. The name is checked apart, since an ill-formed one is 422 and not 400.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterWorker {
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Free labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// `GET /workers`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerList {
    /// The workers.
    pub workers: Vec<Worker>,
}

/// A named set of workers and groups (`ch02 §7`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Its id.
    pub group_id: GroupId,
    /// The experiment it is registered in; see [`Worker::experiment_id`].
    pub experiment_id: ExperimentId,
    /// What people call it. `admins` and `orchestrators` carry authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<DisplayName>,
    /// Workers and groups; they need not exist.
    pub members: Vec<MemberId>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Who registered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Actor>,
    /// Members this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Body of `POST /groups`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterGroup {
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its first members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberId>,
}

/// `GET /groups`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupList {
    /// The groups.
    pub groups: Vec<Group>,
}

/// Body of `POST /groups/{G}/members`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddMember {
    /// Who joins.
    pub member_id: MemberId,
}

/// `GET /whoami` as any server may say it: one whose authentication is off answers with a word that is no worker's id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct UncheckedWhoami {
    /// What it calls the caller.
    pub worker_id: String,
}

/// `GET /whoami`; the name is omitted when unset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whoami {
    /// The caller.
    pub worker_id: WorkerId,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<DisplayName>,
}
