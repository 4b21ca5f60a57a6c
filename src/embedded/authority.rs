//! Who may do what (`ch07 §13.3`): classes of principal, and groups that carry authority by name.

use std::collections::BTreeSet;

use super::auth::Proof;
use super::transition::Refusal;
use crate::protocol::*;

/// Members administer the experiment.
pub(super) const ADMINS: &str = "admins";
/// Members orchestrate the experiment.
pub(super) const ORCHESTRATORS: &str = "orchestrators";
/// Names that can be taken once, since they carry authority (`ch02 §7.5`).
pub(super) const RESERVED_GROUPS: [&str; 2] = [ADMINS, ORCHESTRATORS];

/// The groups of one registry, resolved per request so that a change of membership counts at once.
#[derive(Debug, Default)]
pub(super) struct Groups(Vec<Group>);

impl Groups {
    pub(super) fn new(groups: Vec<Group>) -> Self {
        Self(groups)
    }

    pub(super) fn named(&self, name: &str) -> Option<&Group> {
        self.0
            .iter()
            .find(|group| group.name.as_ref().is_some_and(|n| n.as_str() == name))
    }

    /// Whether `goal` is `from` or a group inside it at any depth.
    pub(super) fn reaches(&self, from: &GroupId, goal: &GroupId) -> bool {
        from == goal || self.contains(from, goal.as_str())
    }

    /// Whether a worker or group is in `group` at any depth. Ids of groups that are gone admit nobody.
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

    /// Lets a worker pass that is in one of the named groups. The admin token is in none of them.
    fn require(&self, worker: &WorkerId, names: &[&str]) -> Result<(), Refusal> {
        let member = |name: &&str| {
            self.named(name)
                .is_some_and(|group| self.contains(&group.group_id, worker.as_str()))
        };
        if names.iter().any(member) {
            return Ok(());
        }
        Err(Refusal::new(
            ErrorType::Forbidden,
            format!("{worker} is not in {}", names.join(" or ")),
        ))
    }
}

/// Who calls, and whether that is known or only said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    principal: Principal,
    /// The worker that acts; with authentication off there always is one.
    worker: Option<WorkerId>,
    proof: Proof,
    is_unchecked: bool,
}

impl Caller {
    /// A caller whose secret was good.
    pub(super) fn proven(principal: Principal, proof: Proof) -> Self {
        Self {
            worker: principal.worker().cloned(),
            principal,
            proof,
            is_unchecked: false,
        }
    }

    /// A caller that is believed. Every gate is open to it; where a worker must act and none is named, nobody in
    /// particular does.
    pub(super) fn unchecked(principal: Principal) -> Self {
        let nobody = || WorkerId::mint(ulid::Ulid::nil());
        Self {
            worker: Some(principal.worker().cloned().unwrap_or_else(nobody)),
            principal,
            proof: Proof::default(),
            is_unchecked: true,
        }
    }

    pub(super) fn principal(&self) -> &Principal {
        &self.principal
    }

    pub(super) fn proof(&self) -> Proof {
        self.proof
    }

    /// Whether authentication is off.
    pub(super) fn is_unchecked(&self) -> bool {
        self.is_unchecked
    }

    /// Lets workers pass, and not the admin token.
    pub(super) fn worker(&self) -> Result<&WorkerId, Refusal> {
        self.worker.as_ref().ok_or_else(|| {
            Refusal::new(
                ErrorType::Forbidden,
                "this needs a worker's credential, not the admin token",
            )
        })
    }

    /// Lets the admin token pass, and no worker.
    pub(super) fn admin(&self) -> Result<(), Refusal> {
        if self.is_unchecked || self.principal == Actor::Admin {
            return Ok(());
        }
        Err(Refusal::new(ErrorType::Forbidden, "this needs the admin token"))
    }

    /// Lets a worker pass that is in one of the named groups. The admin token is in none of them.
    pub(super) fn member(&self, known: &Groups, names: &[&str]) -> Result<(), Refusal> {
        if self.is_unchecked {
            return Ok(());
        }
        known.require(self.worker()?, names)
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
    fn membership_is_transitive_and_survives_loops_and_dangling_ids() {
        let groups = Groups::new(vec![
            group(1, Some(ADMINS), &[id("grp", 2), id("grp", 9)]),
            group(2, None, &[id("grp", 1), id("wkr", 1)]),
        ]);
        let inside: WorkerId = id("wkr", 1).parse().expect("a worker id");
        let outside: WorkerId = id("wkr", 2).parse().expect("a worker id");
        assert_eq!(groups.require(&inside, &[ADMINS]), Ok(()));
        assert!(groups.require(&outside, &[ADMINS]).is_err());
        assert!(
            groups.require(&inside, &[ORCHESTRATORS]).is_err(),
            "no such group, no pass"
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
