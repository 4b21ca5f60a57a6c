//! What the refs of an unpacked bundle lead to. Whether a pack is whole is asked here and not of the library: its
//! own check counts the commits of submodules as missing, which no repository holds.

use std::collections::HashSet;

use git2::{ErrorCode, FileMode, ObjectType, Odb, Oid, Repository};

use super::archive::Archive;

/// Follows every ref to its end.
///
/// # Errors
/// Which object is missing or cannot be read, in words.
pub(super) fn reached(
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
        others: HashSet::new(),
        open: Vec::new(),
    };
    for id in refs {
        walk.named(id)?;
        walk.exhaust()?;
    }
    Ok(walk.commits)
}

/// Nothing is followed twice, and nothing recursively: a sender decides how deep its trees are.
struct Walk<'a> {
    repository: &'a Repository,
    odb: &'a Odb<'a>,
    archive: &'a Archive,
    commits: HashSet<Oid>,
    /// Trees and blobs.
    others: HashSet<Oid>,
    open: Vec<(Oid, ObjectType)>,
}

impl Walk<'_> {
    /// Begins at what a ref names, through as many tags as there are.
    fn named(&mut self, mut id: Oid) -> Result<(), String> {
        loop {
            let (_, kind) = self.odb.read_header(id).map_err(|error| missing(id, &error))?;
            if kind != ObjectType::Tag {
                self.meet(id, kind);
                return Ok(());
            }
            let tag = self.repository.find_tag(id).map_err(|error| missing(id, &error))?;
            id = tag.target_id();
        }
    }

    fn meet(&mut self, id: Oid, kind: ObjectType) {
        let is_new = match kind {
            ObjectType::Commit => self.commits.insert(id),
            _ => self.others.insert(id),
        };
        if is_new {
            self.open.push((id, kind));
        }
    }

    fn exhaust(&mut self) -> Result<(), String> {
        while let Some((id, kind)) = self.open.pop() {
            self.archive.is_wanted().map_err(|error| error.to_string())?;
            match kind {
                ObjectType::Commit => {
                    let commit = self.repository.find_commit(id).map_err(|error| missing(id, &error))?;
                    self.meet(commit.tree_id(), ObjectType::Tree);
                    for parent in commit.parent_ids() {
                        self.meet(parent, ObjectType::Commit);
                    }
                }
                ObjectType::Tree => {
                    let tree = self.repository.find_tree(id).map_err(|error| missing(id, &error))?;
                    for entry in &tree {
                        let mode = entry.filemode();
                        if mode == i32::from(FileMode::Tree) {
                            self.meet(entry.id(), ObjectType::Tree);
                        } else if mode != i32::from(FileMode::Commit) {
                            self.meet(entry.id(), ObjectType::Blob);
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

fn missing(id: Oid, error: &git2::Error) -> String {
    match error.code() {
        ErrorCode::NotFound => format!("object {id} is missing"),
        _ => format!("object {id} cannot be read: {error}"),
    }
}
