//! What the refs of an unpacked bundle reach, and whether all of it is there. libgit2's own check is of no use: it
//! counts the commits of submodules as missing, which no repository contains.

use super::Archive;
use std::collections::HashSet;

use git2::{ErrorCode, FileMode, ObjectType, Odb, Oid, Repository};

/// The commits that the refs reach. Every object on the way must be there.
///
/// # Errors
/// A sentence about the object that is missing or cannot be read.
pub(super) fn reachable_commits(
    repository: &Repository,
    refs: impl Iterator<Item = Oid>,
    archive: &Archive,
) -> Result<HashSet<Oid>, String> {
    let odb = repository.odb().map_err(|error| error.to_string())?;
    let mut walk = Walk {
        repository,
        odb: &odb,
        archive,
        commits: HashSet::new(),
        trees_and_blobs: HashSet::new(),
        unvisited: Vec::new(),
    };
    for id in refs {
        walk.add_ref(id)?;
        walk.visit_all()?;
    }
    Ok(walk.commits)
}

/// Visits each object once, and without recursion: the sender decides how deep the trees are.
struct Walk<'a> {
    repository: &'a Repository,
    odb: &'a Odb<'a>,
    archive: &'a Archive,
    commits: HashSet<Oid>,
    trees_and_blobs: HashSet<Oid>,
    unvisited: Vec<(Oid, ObjectType)>,
}

impl Walk<'_> {
    /// Adds the object that a ref names, behind any number of tags.
    fn add_ref(&mut self, mut id: Oid) -> Result<(), String> {
        loop {
            let (_, kind) = self.odb.read_header(id).map_err(|error| unreadable(id, &error))?;
            if kind != ObjectType::Tag {
                self.add(id, kind);
                return Ok(());
            }
            let tag = self.repository.find_tag(id).map_err(|error| unreadable(id, &error))?;
            id = tag.target_id();
        }
    }

    fn add(&mut self, id: Oid, kind: ObjectType) {
        let is_new = match kind {
            ObjectType::Commit => self.commits.insert(id),
            _ => self.trees_and_blobs.insert(id),
        };
        if is_new {
            self.unvisited.push((id, kind));
        }
    }

    fn visit_all(&mut self) -> Result<(), String> {
        while let Some((id, kind)) = self.unvisited.pop() {
            self.archive.check_cancelled().map_err(|error| error.to_string())?;
            match kind {
                ObjectType::Commit => {
                    let commit = self
                        .repository
                        .find_commit(id)
                        .map_err(|error| unreadable(id, &error))?;
                    self.add(commit.tree_id(), ObjectType::Tree);
                    for parent in commit.parent_ids() {
                        self.add(parent, ObjectType::Commit);
                    }
                }
                ObjectType::Tree => {
                    let tree = self.repository.find_tree(id).map_err(|error| unreadable(id, &error))?;
                    for entry in &tree {
                        let mode = entry.filemode();
                        if mode == i32::from(FileMode::Tree) {
                            self.add(entry.id(), ObjectType::Tree);
                        } else if mode != i32::from(FileMode::Commit) {
                            self.add(entry.id(), ObjectType::Blob);
                        }
                    }
                }
                _ if self.odb.exists(id) => {}
                _ => return Err(format!("object {id} is missing")),
            }
        }
        Ok(())
    }
}

fn unreadable(id: Oid, error: &git2::Error) -> String {
    match error.code() {
        ErrorCode::NotFound => format!("object {id} is missing"),
        _ => format!("object {id} cannot be read: {error}"),
    }
}
