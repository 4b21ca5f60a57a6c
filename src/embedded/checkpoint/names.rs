//! What the lines of an archive name that is not in its lines: commits and branches. Of who names them only the
//! place is kept, since there may be millions.

use std::collections::{HashMap, HashSet};
use std::fmt;

use git2::Oid;

use super::archive::Member;
use super::lines::MOST_LINES;
use crate::protocol::*;

/// A line of a file, from 1; 0 is the whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    member: Member,
    line: u32,
}

impl Spot {
    pub(super) fn new(member: Member, line: u64) -> Self {
        // No archive has as many lines as would not fit.
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        Self { member, line }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(self.member.name()),
            line => write!(f, "{} line {line}", self.member.name()),
        }
    }
}

/// Every commit that is named, and one place where it is.
#[derive(Debug, Default)]
pub(super) struct Commits {
    named: HashMap<Oid, Spot>,
    /// The first that is no object name of the kind that bundles have here.
    foreign: Option<(CommitSha, Spot)>,
}

impl Commits {
    /// Keeps a commit.
    ///
    /// # Errors
    /// When there are too many of them, in words.
    pub(super) fn name(&mut self, commit: &CommitSha, spot: Spot) -> Result<(), String> {
        match Oid::from_str(commit.as_str())
            .ok()
            .filter(|_| commit.as_str().len() == 40)
        {
            Some(id) => {
                self.named.entry(id).or_insert(spot);
            }
            None => {
                self.foreign.get_or_insert_with(|| (commit.clone(), spot));
            }
        }
        match u64::try_from(self.named.len()) {
            Ok(count) if count <= MOST_LINES => Ok(()),
            _ => Err(format!("the archive names more than {MOST_LINES} commits")),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.named.is_empty() && self.foreign.is_none()
    }

    /// One that is not among those reached, in words.
    pub(super) fn missing(&self, reached: &HashSet<Oid>) -> Option<String> {
        let words =
            |spot: &Spot, commit: &dyn fmt::Display| format!("{spot} names commit {commit}, which is not in it");
        if let Some((commit, spot)) = &self.foreign {
            return Some(words(spot, commit));
        }
        let missing = self.named.iter().find(|(id, _)| !reached.contains(*id));
        missing.map(|(id, spot)| words(spot, id))
    }
}

/// A branch that a variant names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Branch {
    pub(super) spot: Spot,
    /// Whether a commit was recorded beside it.
    pub(super) has_commit: bool,
}

/// A group that contains itself: what is left when groups without inner groups are taken away again and again.
pub(super) fn cyclic(groups: &HashMap<GroupId, Vec<GroupId>>) -> Option<&GroupId> {
    let known = |inner: &&GroupId| groups.contains_key(*inner);
    let mut outer: HashMap<&GroupId, Vec<&GroupId>> = HashMap::new();
    let mut open: HashMap<&GroupId, usize> = HashMap::new();
    for (group, inners) in groups {
        open.insert(group, inners.iter().filter(known).count());
        for inner in inners.iter().filter(known) {
            outer.entry(inner).or_default().push(group);
        }
    }
    let mut free: Vec<&GroupId> = open
        .iter()
        .filter(|(_, inners)| **inners == 0)
        .map(|(group, _)| *group)
        .collect();
    while let Some(group) = free.pop() {
        open.remove(group);
        for around in outer.get(group).into_iter().flatten() {
            if let Some(inners) = open.get_mut(around) {
                *inners -= 1;
                if *inners == 0 {
                    free.push(around);
                }
            }
        }
    }
    open.keys().next().copied()
}
