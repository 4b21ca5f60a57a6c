//! Finds a group that contains itself.

use std::collections::HashMap;

use crate::protocol::GroupId;

/// A group that contains itself, directly or through others. `groups` maps each group to the groups inside it.
///
/// Groups without inner groups are removed until there are none left (Kahn's algorithm). What remains is in a cycle or
/// contains one.
pub(super) fn find_cycle(groups: &HashMap<GroupId, Vec<GroupId>>) -> Option<&GroupId> {
    let is_known = |inner: &&GroupId| groups.contains_key(*inner);
    let mut outer: HashMap<&GroupId, Vec<&GroupId>> = HashMap::new();
    let mut remaining: HashMap<&GroupId, usize> = HashMap::new();
    for (group, inners) in groups {
        remaining.insert(group, inners.iter().filter(is_known).count());
        for inner in inners.iter().filter(is_known) {
            outer.entry(inner).or_default().push(group);
        }
    }
    let mut removable: Vec<&GroupId> = remaining
        .iter()
        .filter(|(_, inners)| **inners == 0)
        .map(|(group, _)| *group)
        .collect();
    while let Some(group) = removable.pop() {
        remaining.remove(group);
        for outer in outer.get(group).into_iter().flatten() {
            if let Some(inners) = remaining.get_mut(outer) {
                *inners -= 1;
                if *inners == 0 {
                    removable.push(outer);
                }
            }
        }
    }
    remaining.keys().next().copied()
}
