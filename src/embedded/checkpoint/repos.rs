//! The repositories of the experiments, `<root>/<experiment_id>.git`, as far as checkpoints touch them.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use git2::{Oid, Repository, RepositoryInitOptions};

use super::archive::{Archive, Member};
use super::bundle::{self, Refs};
use super::ledger::Ledger;
use super::{CheckpointError, invalid, pack};
use crate::embedded::blobs::sync_dir;
use crate::embedded::transition::Refusal;
use crate::protocol::*;

/// Begins the names of repositories that are being made.
const UNFINISHED: &str = ".import-";
/// In a repository that was put in its place for an import, until that is committed.
const UNCOMMITTED: &str = "uncommitted-import";

/// Where the repositories are.
#[derive(Debug, Clone)]
pub(in crate::embedded) struct Repos {
    root: PathBuf,
    is_synced: bool,
}

impl Repos {
    /// Throws away what an earlier process left unfinished.
    pub(in crate::embedded) fn open(root: PathBuf, is_synced: bool) -> io::Result<Self> {
        let entries = match fs::read_dir(&root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self { root, is_synced }),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(Self { root, is_synced })
    }

    fn path(&self, id: &ExperimentId) -> PathBuf {
        self.root.join(format!("{id}.git"))
    }

    /// Writes the bundle of an experiment's repository: nothing when there is none, or it has no refs.
    pub(super) fn bundle(&self, id: &ExperimentId, out: &mut impl Write) -> Result<(), CheckpointError> {
        let path = self.path(id);
        if !path.exists() {
            return Ok(());
        }
        Ok(bundle::write(&Repository::open_bare(path)?, out)?)
    }

    /// Makes a repository of an archive's bundle, beside the others; none when the bundle is empty.
    pub(super) fn unpack(&self, archive: &Archive) -> Result<Option<Unpacked>, CheckpointError> {
        if archive.size(Member::Bundle) == 0 {
            return Ok(None);
        }
        let fault = |words: String| invalid(format!("{}: {words}", Member::Bundle.name()));
        let mut first = archive.read(Member::Bundle);
        let refs = Refs::read(&mut first).map_err(fault)?;
        pack::survey(&mut first).map_err(fault)?;
        fs::create_dir_all(&self.root)?;
        let path = self.root.join(format!("{UNFINISHED}{:032x}", rand::random::<u128>()));
        let unpacked = Unpacked {
            path: path.clone(),
            refs,
        };
        let mut options = RepositoryInitOptions::new();
        options.bare(true).no_reinit(true).external_template(false);
        if let Some(branch) = unpacked.refs.branch() {
            options.initial_head(branch);
        }
        Repository::init_opts(&path, &options)?;
        let mut second = archive.read(Member::Bundle);
        Refs::read(&mut second).map_err(fault)?;
        bundle::unpack(&mut second, &path).map_err(fault)?;
        fs::write(path.join("packed-refs"), unpacked.refs.packed())?;
        fs::write(path.join(UNCOMMITTED), "")?;
        if self.is_synced {
            sync_tree(&path)?;
        }
        Ok(Some(unpacked))
    }

    /// Gives a repository its place, in the turn of the import it belongs to. One that is there already stays,
    /// unless an import left it that was never committed: then nobody has seen it.
    pub(super) fn place(&self, unpacked: Unpacked, id: &ExperimentId) -> Result<(), CheckpointError> {
        let path = self.path(id);
        if path.join(UNCOMMITTED).exists() {
            fs::remove_dir_all(&path)?;
        }
        if path.exists() {
            return Err(Refusal::new(
                ErrorType::ExperimentIdConflict,
                format!("experiment {id} has a repository already: move it away, or import under another id"),
            )
            .into());
        }
        fs::rename(&unpacked.path, &path)?;
        if self.is_synced {
            sync_dir(&self.root)?;
        }
        Ok(())
    }

    /// Whether there is a repository, whoever made it.
    pub(super) fn has(&self, id: &ExperimentId) -> bool {
        let path = self.path(id);
        path.exists() && !path.join(UNCOMMITTED).exists()
    }

    /// The import of a repository that was placed is committed.
    pub(super) fn committed(&self, id: &ExperimentId) -> io::Result<()> {
        fs::remove_file(self.path(id).join(UNCOMMITTED))
    }
}

/// A repository in the making, removed when it is dropped before it has its place.
#[derive(Debug)]
pub(super) struct Unpacked {
    path: PathBuf,
    refs: Refs,
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        // Renamed away or never made, it is not there. What cannot be removed goes at the next start.
        let _ = fs::remove_dir_all(&self.path);
    }
}

impl Unpacked {
    /// Whether every ref, commit and branch that is named is in the bundle (`ch10 §12`). Returns what the operator
    /// should know.
    pub(super) fn check(&self, ledger: &Ledger) -> Result<Vec<String>, Refusal> {
        let fault = |words: String| invalid(format!("{}: {words}", Member::Bundle.name()));
        let reached = self.reached().map_err(|error| fault(error.to_string()))?;
        for (commit, who) in &ledger.commits {
            let id = Oid::from_str(commit.as_str())
                .ok()
                .filter(|_| commit.as_str().len() == 40);
            if id.is_none_or(|id| !reached.contains(&id)) {
                return Err(fault(format!("{who} names commit {commit}, which is not in it")));
            }
        }
        let mut unpushed = 0;
        for (branch, who, has_commit) in &ledger.branches {
            let name = format!("refs/heads/{branch}");
            let found = self.refs.refs.binary_search_by(|(known, _)| known.as_str().cmp(&name));
            let found = found.ok().and_then(|at| self.refs.refs.get(at));
            match found {
                Some((_, id)) if reached.contains(id) => {}
                None if !has_commit => unpushed += 1,
                _ => return Err(fault(format!("{who} names branch {branch}, which is not in it"))),
            }
        }
        Ok(match unpushed {
            0 => Vec::new(),
            _ => vec![format!(
                "{unpushed} variants name a branch that is not in repo.bundle; no commit was recorded for any of them"
            )],
        })
    }

    /// Every commit that a ref leads to; each ref must lead to an object.
    fn reached(&self) -> Result<HashSet<Oid>, git2::Error> {
        let repository = Repository::open_bare(&self.path)?;
        let mut walk = repository.revwalk()?;
        for (_, id) in &self.refs.refs {
            if let Ok(commit) = repository.find_object(*id, None)?.peel_to_commit() {
                walk.push(commit.id())?;
            }
        }
        walk.collect()
    }
}

/// Puts a directory and all in it on disk.
fn sync_tree(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            fs::File::open(&path)?.sync_all()?;
        }
    }
    sync_dir(dir)
}
