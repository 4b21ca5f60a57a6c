//! The commits and branches that the lines of an archive name. Of the lines that name them only one location each is
//! kept, since there may be millions.

use std::collections::{HashMap, HashSet};

use git2::Oid;

use super::{MAX_LINES, SourceLocation};
use crate::protocol::*;

/// Every commit that is named, and one line that names it.
#[derive(Debug, Default)]
pub(super) struct NamedCommits {
    by_id: HashMap<Oid, SourceLocation>,
    /// The first one that is no SHA-1, which no bundle that we read can hold.
    unsupported: Option<(CommitSha, SourceLocation)>,
}

impl NamedCommits {
    /// # Errors
    /// A sentence, when there are too many of them.
    pub(super) fn add(&mut self, commit: &CommitSha, location: SourceLocation) -> Result<(), String> {
        let id = Oid::from_str(commit.as_str()).ok();
        match id.filter(|_| commit.as_str().len() == 40) {
            Some(id) => {
                self.by_id.entry(id).or_insert(location);
            }
            None => {
                self.unsupported.get_or_insert_with(|| (commit.clone(), location));
            }
        }
        match u64::try_from(self.by_id.len()) {
            Ok(count) if count <= MAX_LINES => Ok(()),
            _ => Err(format!("the archive names more than {MAX_LINES} commits")),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty() && self.unsupported.is_none()
    }

    /// A sentence about a commit that the bundle does not contain.
    pub(super) fn missing_from(&self, bundle: &HashSet<Oid>) -> Option<String> {
        let sentence = |location: &SourceLocation, commit: &dyn std::fmt::Display| {
            format!("{location} names commit {commit}, which is not in it")
        };
        if let Some((commit, location)) = &self.unsupported {
            return Some(sentence(location, commit));
        }
        let missing = self.by_id.iter().find(|(id, _)| !bundle.contains(*id));
        missing.map(|(id, location)| sentence(location, id))
    }
}

/// A branch that a variant names.
#[derive(Debug, Clone, Copy)]
pub(super) struct NamedBranch {
    pub(super) location: SourceLocation,
    /// Whether the variant names a commit too.
    pub(super) has_commit: bool,
}
