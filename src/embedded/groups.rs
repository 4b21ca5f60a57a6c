//! Groups: who is in which, and the names that carry authority (`ch07 §13.3`).

use std::collections::BTreeSet;

use super::{ProtocolError, ProtocolResult};
use crate::protocol::*;

/// Members of the group with this name administer the experiment.
pub(super) const ADMINS: &str = "admins";
/// Members of the group with this name orchestrate the experiment.
pub(super) const ORCHESTRATORS: &str = "orchestrators";
/// Names that only one group of a scope may have, since they carry authority (`ch02 §7.5`).
pub(super) const RESERVED_GROUPS: [&str; 2] = [ADMINS, ORCHESTRATORS];

/// The groups of one scope. They are read anew for each request, so that a change of membership takes effect at once.
#[derive(Debug, Default)]
pub(super) struct Groups(Vec<Group>);

impl Groups {
    pub(super) fn new(groups: Vec<Group>) -> Self {
        Self(groups)
    }

    pub(super) fn find_by_name(&self, name: &str) -> Option<&Group> {
        self.0
            .iter()
            .find(|group| group.name.as_ref().is_some_and(|n| n.as_str() == name))
    }

    /// Whether `inner` is `outer` itself or a group inside it at any depth.
    pub(super) fn is_within(&self, inner: &GroupId, outer: &GroupId) -> bool {
        outer == inner || self.contains(outer, inner.as_str())
    }

    /// Whether a worker or group is in `group` at any depth. The id of a deleted group has no members.
    pub(super) fn contains(&self, group: &GroupId, member: &str) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![group.clone()];
        while let Some(id) = open.pop() {
            let Some(group) = self.0.iter().find(|group| group.group_id == id) else {
                continue;
            };
            for inside in &group.members {
                if inside.as_str() == member {
                    return true;
                }
                if let Some(inner) = inside.as_group()
                    && seen.insert(inner.clone())
                {
                    open.push(inner);
                }
            }
        }
        false
    }

    /// Whether a task's target admits a worker (`ch04 §3.5`).
    pub(super) fn admits(&self, target: Option<&Target>, worker: &WorkerId) -> bool {
        match target {
            None => true,
            Some(target) => match target.id.as_group() {
                Some(group) => self.contains(&group, worker.as_str()),
                None => target.id.as_str() == worker.as_str(),
            },
        }
    }

    /// Requires that the worker is in one of the named groups.
    pub(super) fn require_member(&self, worker: &WorkerId, names: &[&str]) -> ProtocolResult {
        let is_member = |name: &&str| {
            self.find_by_name(name)
                .is_some_and(|group| self.contains(&group.group_id, worker.as_str()))
        };
        if names.iter().any(is_member) {
            return Ok(());
        }
        let groups = names.join(" or ");
        Err(ProtocolError::forbidden(format!("{worker} is not in {groups}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(kind: &str, n: u8) -> String {
        format!("{kind}_{:0>26}", n)
    }

    fn group(n: u8, name: Option<&str>, members: &[String]) -> Group {
        Group {
            group_id: id("grp", n).parse().expect("a group id"),
            experiment_id: id("exp", 1).parse().expect("an experiment id"),
            name: name.map(|name| DisplayName::parse(name).expect("a name")),
            members: members.iter().map(|m| m.parse().expect("a member id")).collect(),
            created_at: jiff::Timestamp::UNIX_EPOCH.into(),
            created_by: None,
            extra: Extra::new(),
        }
    }

    #[test]
    fn membership_is_transitive_and_tolerates_cycles_and_unknown_ids() {
        let groups = Groups::new(vec![
            group(1, Some(ADMINS), &[id("grp", 2), id("grp", 9)]),
            group(2, None, &[id("grp", 1), id("wkr", 1)]),
        ]);
        let inside: WorkerId = id("wkr", 1).parse().expect("a worker id");
        let outside: WorkerId = id("wkr", 2).parse().expect("a worker id");
        assert_eq!(groups.require_member(&inside, &[ADMINS]), Ok(()));
        assert!(groups.require_member(&outside, &[ADMINS]).is_err());
        assert!(
            groups.require_member(&inside, &[ORCHESTRATORS]).is_err(),
            "there is no such group"
        );
    }

    #[test]
    fn a_target_admits_itself_or_its_members() {
        let groups = Groups::new(vec![group(1, None, &[id("wkr", 1)])]);
        let worker: WorkerId = id("wkr", 1).parse().expect("a worker id");
        let target = |kind, text: String| Target {
            kind,
            id: text.parse().expect("a member id"),
        };
        assert!(groups.admits(None, &worker));
        assert!(groups.admits(Some(&target(TargetKind::Group, id("grp", 1))), &worker));
        assert!(groups.admits(Some(&target(TargetKind::Worker, id("wkr", 1))), &worker));
        assert!(!groups.admits(Some(&target(TargetKind::Worker, id("wkr", 2))), &worker));
        assert!(!groups.admits(Some(&target(TargetKind::Group, id("grp", 7))), &worker));
    }
}
