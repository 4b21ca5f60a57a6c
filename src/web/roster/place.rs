//! Whose registry it is: what its pages are called, and where they are.

use crate::protocol::{ExperimentId, GroupId, MemberId, WorkerId};
use crate::web::urls;

/// The deployment's registry, or an experiment's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place(Option<ExperimentId>);

impl Place {
    /// The registry of an experiment; of the deployment without one.
    pub fn new(experiment: Option<ExperimentId>) -> Self {
        Self(experiment)
    }

    fn of(&self) -> Option<&ExperimentId> {
        self.0.as_ref()
    }

    /// Whether it is the deployment's.
    pub fn is_deployment(&self) -> bool {
        self.0.is_none()
    }

    /// Who keeps it, at the beginning of a sentence.
    pub fn server(&self) -> &'static str {
        match self.0 {
            None => "The control plane",
            Some(_) => "The task store",
        }
    }

    /// What it is of.
    pub fn whole(&self) -> &'static str {
        match self.0 {
            None => "the deployment",
            Some(_) => "the experiment",
        }
    }

    /// The list of workers.
    pub fn workers(&self) -> String {
        urls::workers(self.of())
    }

    /// One worker.
    pub fn worker(&self, id: &WorkerId) -> String {
        urls::worker(self.of(), id)
    }

    /// Where a worker's new secret is asked for (POST).
    pub fn reissue(&self, id: &WorkerId) -> String {
        urls::reissue_credential(self.of(), id)
    }

    /// The list of groups.
    pub fn groups(&self) -> String {
        urls::groups(self.of())
    }

    /// One group.
    pub fn group(&self, id: &GroupId) -> String {
        urls::group(self.of(), id)
    }

    /// Where a member is added (POST).
    pub fn members(&self, id: &GroupId) -> String {
        urls::group_members(self.of(), id)
    }

    /// Where a member is taken out (POST).
    pub fn remove_member(&self, id: &GroupId, member: &MemberId) -> String {
        urls::remove_group_member(self.of(), id, member)
    }

    /// Where a group is deleted (POST).
    pub fn delete_group(&self, id: &GroupId) -> String {
        urls::delete_group(self.of(), id)
    }

    /// What a group of this name may do, when the protocol gives it a meaning (`ch02 §7.5`, `ch11 §6`).
    pub fn authority(&self, group: &str) -> Option<&'static str> {
        match (group, &self.0) {
            ("admins", None) => Some("Its workers administer the deployment: these pages are theirs."),
            ("orchestrators", None) => Some("Its workers may take the lease of an experiment, and so drive it."),
            ("admins", Some(_)) => Some("Its workers administer the experiment: dispatch, reassignment, termination."),
            ("orchestrators", Some(_)) => {
                Some("Its workers drive the experiment: they create tasks and accept what is handed in.")
            }
            _ => None,
        }
    }

    /// What becomes of work that a group was asked to do when it is deleted; the deployment's groups are asked for none.
    pub fn loses_work(&self) -> Option<&'static str> {
        let words = "Tasks that are targeted at it wait until somebody assigns them anew.";
        self.0.as_ref().map(|_| words)
    }

    /// What happens without the group of this name.
    pub fn loss(&self, group: &str) -> Option<&'static str> {
        match (group, &self.0) {
            ("admins", None) => Some(
                "From then on nobody administers the deployment but with the admin token, until a group named admins is created again.",
            ),
            ("orchestrators", None) => Some(
                "From then on no orchestrator can take a lease: each experiment stops being driven when its present lease ends, until a group named orchestrators is created again.",
            ),
            ("admins", Some(_)) => Some("From then on nobody administers the experiment."),
            ("orchestrators", Some(_)) => Some("From then on nobody drives the experiment."),
            _ => None,
        }
    }
}

/// The names of groups that carry authority.
pub(super) const RESERVED_GROUPS: [&str; 2] = ["admins", "orchestrators"];
