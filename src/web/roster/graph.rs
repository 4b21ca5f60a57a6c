//! One listing of workers and groups, with transitive membership. Cycles and dangling ids are allowed.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::protocol::{DisplayName, Group, GroupId, MemberId, Worker, WorkerId};

/// The workers and groups of one listing. Those with a name come first, sorted by name.
#[derive(Debug)]
pub(crate) struct Roster {
    workers: Vec<Worker>,
    groups: Vec<Group>,
    worker_at: HashMap<WorkerId, usize>,
    group_at: HashMap<GroupId, usize>,
    /// The groups that list a member directly, as indices.
    named_by: HashMap<MemberId, Vec<usize>>,
}

/// What a member id refers to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Member<'a> {
    Worker(&'a Worker),
    Group(&'a Group),
    /// Nothing that is registered: it gives nobody membership.
    Dangling,
}

impl<'a> Member<'a> {
    /// Its display name.
    pub fn name(self) -> Option<&'a str> {
        let name = match self {
            Self::Worker(worker) => worker.name.as_ref(),
            Self::Group(group) => group.name.as_ref(),
            Self::Dangling => None,
        };
        name.map(DisplayName::as_str)
    }
}

/// A direct or transitive member, and the nested groups on the way to it: none for a direct member.
#[derive(Debug)]
pub(crate) struct Found<'a, T> {
    pub item: T,
    pub through: Vec<&'a Group>,
}

/// The transitive members of a group.
#[derive(Debug, Default)]
pub(crate) struct Reach<'a> {
    pub workers: Vec<Found<'a, &'a Worker>>,
    /// Ids of nothing that is registered.
    pub dangling: Vec<Found<'a, &'a MemberId>>,
    /// The nested groups.
    pub groups: Vec<&'a Group>,
    /// Whether the group, or a nested one, contains itself.
    pub is_cyclic: bool,
}

impl Roster {
    /// Sorts and indexes a listing. Of two entries with the same id the later one counts.
    pub fn new(workers: Vec<Worker>, groups: Vec<Group>) -> Self {
        let workers: HashMap<_, _> = workers.into_iter().map(|w| (w.worker_id.clone(), w)).collect();
        let groups: HashMap<_, _> = groups.into_iter().map(|g| (g.group_id.clone(), g)).collect();
        let mut workers: Vec<_> = workers.into_values().collect();
        let mut groups: Vec<_> = groups.into_values().collect();
        workers.sort_by_cached_key(|worker| (rank(worker.name.as_ref()), worker.worker_id.clone()));
        groups.sort_by_cached_key(|group| (rank(group.name.as_ref()), group.group_id.clone()));
        let worker_at = (0..).zip(&workers).map(|(at, w)| (w.worker_id.clone(), at)).collect();
        let group_at = (0..).zip(&groups).map(|(at, g)| (g.group_id.clone(), at)).collect();
        let mut named_by: HashMap<MemberId, Vec<usize>> = HashMap::new();
        for (at, group) in groups.iter().enumerate() {
            for member in &group.members {
                let by = named_by.entry(member.clone()).or_default();
                if by.last() != Some(&at) {
                    by.push(at);
                }
            }
        }
        Self {
            workers,
            groups,
            worker_at,
            group_at,
            named_by,
        }
    }

    pub fn workers(&self) -> &[Worker] {
        &self.workers
    }

    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    pub fn worker(&self, id: &WorkerId) -> Option<&Worker> {
        self.worker_at.get(id).map(|at| &self.workers[*at])
    }

    pub fn group(&self, id: &GroupId) -> Option<&Group> {
        self.group_at.get(id).map(|at| &self.groups[*at])
    }

    pub fn member(&self, id: &MemberId) -> Member<'_> {
        if let Some(group) = id.as_group() {
            return self.group(&group).map_or(Member::Dangling, Member::Group);
        }
        let worker = id.as_str().parse().ok().and_then(|id| self.worker(&id));
        worker.map_or(Member::Dangling, Member::Worker)
    }

    /// The workers of one name.
    pub fn workers_named(&self, name: &str) -> impl Iterator<Item = &Worker> {
        let is_called = move |worker: &&Worker| worker.name.as_ref().is_some_and(|own| own.as_str() == name);
        self.workers.iter().filter(is_called)
    }

    /// The groups of one name.
    pub fn groups_named(&self, name: &str) -> impl Iterator<Item = &Group> {
        let is_called = move |group: &&Group| group.name.as_ref().is_some_and(|own| own.as_str() == name);
        self.groups.iter().filter(is_called)
    }

    /// The groups that list a member directly.
    pub fn direct_groups_of(&self, member: &MemberId) -> impl Iterator<Item = &Group> {
        let by = self.named_by.get(member).map(Vec::as_slice).unwrap_or_default();
        by.iter().map(|at| &self.groups[*at])
    }

    /// The groups that contain a member, directly or transitively, the nearest first.
    pub fn groups_of(&self, member: &MemberId) -> Vec<&Group> {
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        let mut queue = VecDeque::from([member.clone()]);
        while let Some(member) = queue.pop_front() {
            for group in self.direct_groups_of(&member) {
                if seen.insert(&group.group_id) {
                    found.push(group);
                    queue.push_back(MemberId::from(&group.group_id));
                }
            }
        }
        found
    }

    /// The transitive members of a group, each by the shortest way to it.
    pub fn reach<'a>(&'a self, group: &'a Group) -> Reach<'a> {
        let mut reach = Reach::default();
        let mut seen: HashSet<&MemberId> = HashSet::new();
        let mut queue: VecDeque<(&Group, Vec<&Group>)> = VecDeque::from([(group, Vec::new())]);
        while let Some((at, through)) = queue.pop_front() {
            for member in at.members.iter().filter(|member| seen.insert(member)) {
                let through = || through.clone();
                match self.member(member) {
                    Member::Worker(item) => reach.workers.push(Found {
                        item,
                        through: through(),
                    }),
                    Member::Dangling => reach.dangling.push(Found {
                        item: member,
                        through: through(),
                    }),
                    // The group contains itself; its members are being traversed already.
                    Member::Group(nested) if nested.group_id == group.group_id => {}
                    Member::Group(nested) => {
                        reach.groups.push(nested);
                        let mut way = through();
                        way.push(nested);
                        queue.push_back((nested, way));
                    }
                }
            }
        }
        reach.is_cyclic = self.is_cyclic(group, &reach.groups);
        reach
    }

    /// Whether `group` contains `member`, or is it.
    pub fn contains(&self, group: &GroupId, member: &GroupId) -> bool {
        group == member
            || self
                .group(group)
                .is_some_and(|group| self.reach(group).groups.iter().any(|nested| nested.group_id == *member))
    }

    /// Whether some group among these contains itself. Topological sort (Kahn): groups without a remaining nested group
    /// are removed until none is left to remove; what remains is on a cycle or contains one.
    fn is_cyclic(&self, group: &Group, nested: &[&Group]) -> bool {
        let mut remaining: HashMap<GroupId, HashSet<GroupId>> = nested
            .iter()
            .chain([&group])
            .map(|group| {
                let inner = group.members.iter().filter_map(MemberId::as_group);
                let inner = inner.filter(|id| self.group_at.contains_key(id)).collect();
                (group.group_id.clone(), inner)
            })
            .collect();
        let mut removable: Vec<_> = remaining
            .iter()
            .filter(|(_, inner)| inner.is_empty())
            .map(|(id, _)| id.clone())
            .collect();
        while let Some(removed) = removable.pop() {
            remaining.remove(&removed);
            for outer in self.direct_groups_of(&MemberId::from(&removed)) {
                if let Some(inner) = remaining.get_mut(&outer.group_id)
                    && inner.remove(&removed)
                    && inner.is_empty()
                {
                    removable.push(outer.group_id.clone());
                }
            }
        }
        !remaining.is_empty()
    }
}

/// The sort key: named before unnamed, then by name without regard to case.
fn rank(name: Option<&DisplayName>) -> (bool, String) {
    (
        name.is_none(),
        name.map(|name| name.as_str().to_lowercase()).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(kind: &str, tail: char) -> String {
        format!("{kind}_{}{tail}", "0".repeat(25))
    }

    fn worker(tail: char, name: Option<&str>) -> Worker {
        let name = name.map_or_else(String::new, |name| format!(r#""name":"{name}","#));
        let json = format!(
            r#"{{"worker_id":"{}","experiment_id":"{}",{name}"registered_at":"2026-01-01T00:00:00.000Z"}}"#,
            id("wkr", tail),
            id("exp", '0')
        );
        serde_json::from_str(&json).expect("a worker")
    }

    fn group(tail: char, members: &[(&str, char)]) -> Group {
        let members: Vec<_> = members
            .iter()
            .map(|(kind, tail)| format!("\"{}\"", id(kind, *tail)))
            .collect();
        let json = format!(
            r#"{{"group_id":"{}","experiment_id":"{}","members":[{}],"created_at":"2026-01-01T00:00:00.000Z"}}"#,
            id("grp", tail),
            id("exp", '0'),
            members.join(",")
        );
        serde_json::from_str(&json).expect("a group")
    }

    /// The last characters of ids.
    fn tails<'a>(ids: impl Iterator<Item = &'a str>) -> String {
        ids.filter_map(|id| id.chars().last()).collect()
    }

    #[test]
    fn named_entries_come_first_without_regard_to_case() {
        let roster = Roster::new(
            vec![
                worker('1', None),
                worker('2', Some("zoe")),
                worker('3', Some("Bob")),
                worker('4', Some("adam")),
            ],
            vec![],
        );
        assert_eq!(tails(roster.workers().iter().map(|w| w.worker_id.as_str())), "4321");
    }

    #[test]
    fn membership_is_transitive_by_the_shortest_way() {
        let roster = Roster::new(
            vec![worker('1', None), worker('2', None)],
            vec![
                group('a', &[("grp", 'b'), ("grp", 'c'), ("wkr", '9')]),
                group('b', &[("grp", 'c')]),
                group('c', &[("wkr", '1'), ("wkr", '1'), ("grp", 'd')]),
            ],
        );
        let a = roster.group(&id("grp", 'a').parse().expect("an id")).expect("there");
        let reach = roster.reach(a);
        assert_eq!(
            tails(reach.workers.iter().map(|found| found.item.worker_id.as_str())),
            "1"
        );
        assert_eq!(tails(reach.workers[0].through.iter().map(|g| g.group_id.as_str())), "c");
        assert_eq!(tails(reach.dangling.iter().map(|found| found.item.as_str())), "9d");
        assert!(!reach.is_cyclic);
        let of = |tail| {
            let member = id("wkr", tail).parse().expect("an id");
            tails(roster.groups_of(&member).into_iter().map(|g| g.group_id.as_str()))
        };
        assert_eq!([of('1'), of('2'), of('9')], ["cab", "", "a"]);
    }

    #[test]
    fn cycles_are_detected_and_traversed_once() {
        let roster = Roster::new(
            vec![worker('1', None)],
            vec![
                group('a', &[("grp", 'b')]),
                group('b', &[("grp", 'c'), ("wkr", '1')]),
                group('c', &[("grp", 'b')]),
                group('e', &[("grp", 'e'), ("wkr", '1')]),
                group('f', &[("wkr", '1')]),
            ],
        );
        let reach = |tail| roster.reach(roster.group(&id("grp", tail).parse().expect("an id")).expect("there"));
        assert!(['a', 'b', 'c', 'e'].into_iter().all(|tail| reach(tail).is_cyclic));
        assert!(!reach('f').is_cyclic);
        assert!(
            ['a', 'b', 'c', 'e', 'f']
                .into_iter()
                .all(|tail| reach(tail).workers.len() == 1)
        );
        let all = roster.groups_of(&id("wkr", '1').parse().expect("an id"));
        assert_eq!(all.len(), 5);
        let contains = |outer, inner| {
            let [outer, inner] = [outer, inner].map(|tail| id("grp", tail).parse().expect("an id"));
            roster.contains(&outer, &inner)
        };
        assert!(contains('a', 'c') && contains('f', 'f') && !contains('c', 'a'));
    }
}
