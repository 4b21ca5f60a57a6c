//! The workers in a group, computed from one list of groups: no request per member, and no limit of depth.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::protocol::{Group, GroupId, WorkerId};

/// Every worker in a group of this name, directly or through nested groups (`ch02 §7.2`). Names are not unique, so
/// there may be several such groups. A member that is neither a worker nor a group of the list is ignored, and of
/// groups that contain each other each is visited once.
pub(super) fn workers_of(groups: &[Group], name: &str) -> BTreeSet<WorkerId> {
    let by_id: HashMap<&GroupId, &Group> = groups.iter().map(|group| (&group.group_id, group)).collect();
    let is_named = |group: &&Group| group.name.as_ref().is_some_and(|given| given.as_str() == name);
    let mut to_visit: Vec<&Group> = groups.iter().filter(is_named).collect();
    let mut seen: HashSet<&GroupId> = to_visit.iter().map(|group| &group.group_id).collect();
    let mut workers = BTreeSet::new();
    while let Some(group) = to_visit.pop() {
        for member in &group.members {
            if let Ok(worker) = member.as_str().parse() {
                workers.insert(worker);
            } else if let Some(inner) = member.as_group().and_then(|id| by_id.get(&id).copied())
                && seen.insert(&inner.group_id)
            {
                to_visit.push(inner);
            }
        }
    }
    workers
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::{DisplayName, Extra, MemberId};

    fn id(prefix: &str, number: usize) -> String {
        format!("{prefix}_{number:026}")
    }

    fn worker(number: usize) -> WorkerId {
        id("wkr", number).parse().expect("a worker's id")
    }

    /// A group; its members are worker ids and group ids by number.
    fn group(number: usize, name: Option<&str>, workers: &[usize], groups: &[usize]) -> Group {
        let member = |prefix: &'static str| move |number: &usize| id(prefix, *number).parse().expect("a member");
        let members: Vec<MemberId> = workers
            .iter()
            .map(member("wkr"))
            .chain(groups.iter().map(member("grp")))
            .collect();
        Group {
            group_id: id("grp", number).parse().expect("a group's id"),
            experiment_id: id("exp", 0).parse().expect("an experiment's id"),
            name: name.map(|name| DisplayName::parse(name).expect("a name")),
            members,
            created_at: "2026-01-02T03:04:05Z".parse().expect("an instant"),
            created_by: None,
            extra: Extra::new(),
        }
    }

    fn admins(groups: &[Group]) -> Vec<WorkerId> {
        workers_of(groups, "admins").into_iter().collect()
    }

    #[test]
    fn members_of_members_belong_to_it_however_deep() {
        let mut groups = vec![group(0, Some("admins"), &[1], &[1])];
        groups.extend((1..5000).map(|n| group(n, None, &[], &[n + 1])));
        groups.push(group(5000, None, &[2], &[]));
        assert_eq!(admins(&groups), [worker(1), worker(2)]);
    }

    #[test]
    fn groups_that_contain_each_other_are_visited_once() {
        let groups = [
            group(0, Some("admins"), &[1], &[0, 1]),
            group(1, Some("leads"), &[2], &[2]),
            group(2, None, &[3], &[0, 1]),
        ];
        assert_eq!(admins(&groups), [worker(1), worker(2), worker(3)]);
    }

    #[test]
    fn only_whole_names_match_and_unknown_groups_are_ignored() {
        let groups = [
            group(0, Some("admins"), &[1], &[77]),
            group(1, Some("admins"), &[2], &[]),
            group(2, Some("Admins"), &[3], &[0]),
            group(3, Some("admins2"), &[4], &[]),
            group(4, None, &[5], &[]),
        ];
        assert_eq!(admins(&groups), [worker(1), worker(2)]);
        assert_eq!(admins(&[]), []);
    }

    proptest! {
        /// Against the definition: add the members of members until nothing is added.
        #[test]
        fn it_is_the_smallest_set_closed_under_membership(
            shape in prop::collection::vec((any::<bool>(), prop::collection::vec(0..12_usize, 0..4), prop::collection::vec(0..10_usize, 0..4)), 0..8)
        ) {
            let groups: Vec<_> = shape
                .iter()
                .enumerate()
                .map(|(n, (named, workers, inner))| group(n, named.then_some("admins"), workers, inner))
                .collect();
            let mut inside: BTreeSet<usize> = (0..shape.len()).filter(|n| shape[*n].0).collect();
            loop {
                let more: BTreeSet<usize> = inside
                    .iter()
                    .flat_map(|n| shape[*n].2.iter().copied())
                    .filter(|n| *n < shape.len())
                    .chain(inside.iter().copied())
                    .collect();
                if more == inside {
                    break;
                }
                inside = more;
            }
            let expected: BTreeSet<_> = inside.iter().flat_map(|n| shape[*n].1.iter().map(|w| worker(*w))).collect();
            prop_assert_eq!(workers_of(&groups, "admins"), expected);
        }
    }
}
