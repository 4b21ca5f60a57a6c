//! The repositories of the experiments, `<root>/<experiment_id>.git`, as far as checkpoints touch them.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use git2::{Repository, RepositoryInitOptions};

use super::archive::{Archive, Member};
use super::bundle::{self, Refs};
use super::ledger::Ledger;
use super::{CheckpointError, history, invalid, pack};
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

    /// The experiments whose repository was put in its place for an import of which nobody noted the outcome.
    pub(in crate::embedded) fn undecided(&self) -> io::Result<Vec<ExperimentId>> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut undecided = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".git"));
            if let Some(id) = id.and_then(|id| id.parse().ok())
                && self.is_undecided(&id)
            {
                undecided.push(id);
            }
        }
        Ok(undecided)
    }

    /// Notes the outcome of an import: the repository that was placed for it is the experiment's, or nobody's.
    pub(in crate::embedded) fn decide(&self, id: &ExperimentId, has_landed: bool) -> io::Result<()> {
        if !self.is_undecided(id) {
            return Ok(());
        }
        match has_landed {
            true => fs::remove_file(self.path(id).join(UNCOMMITTED)),
            false => fs::remove_dir_all(self.path(id)),
        }
    }

    fn is_undecided(&self, id: &ExperimentId) -> bool {
        self.path(id).join(UNCOMMITTED).exists()
    }

    fn path(&self, id: &ExperimentId) -> PathBuf {
        self.root.join(format!("{id}.git"))
    }

    /// Writes the bundle of an experiment's repository: nothing when there is none, or it has no refs. One that was
    /// placed for an import is the experiment's only once it `is_imported`.
    pub(super) fn bundle(
        &self,
        id: &ExperimentId,
        is_imported: bool,
        out: &mut impl Write,
    ) -> Result<(), CheckpointError> {
        let path = self.path(id);
        if !path.exists() || (self.is_undecided(id) && !is_imported) {
            return Ok(());
        }
        let bundled = Repository::open_bare(&path).and_then(|repository| bundle::write(&repository, out));
        // An archive without it would look whole, so there is none.
        bundled.map_err(|error| {
            let words = format!("the repository {} cannot be exported: {error}", path.display());
            CheckpointError::Storage(io::Error::other(words).into())
        })
    }

    /// Makes a repository of an archive's bundle, beside the others; none when the bundle is empty.
    pub(super) fn unpack(&self, archive: &Archive) -> Result<Option<Unpacked>, CheckpointError> {
        if archive.size(Member::Bundle) == 0 {
            return Ok(None);
        }
        let fault = |words: String| invalid(format!("{}: {words}", Member::Bundle.name()));
        let mut first = archive.read(Member::Bundle);
        let refs = Refs::read(&mut first).map_err(fault)?;
        pack::survey(&mut first, archive.size(Member::Bundle)).map_err(fault)?;
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
        self.decide(id, false)?;
        let path = self.path(id);
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
        self.path(id).exists() && !self.is_undecided(id)
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
    pub(super) fn check(&self, archive: &Archive, ledger: &Ledger) -> Result<Vec<String>, Refusal> {
        let fault = |words: String| invalid(format!("{}: {words}", Member::Bundle.name()));
        let repository = Repository::open_bare(&self.path).map_err(|error| fault(error.to_string()))?;
        let refs = self.refs.refs.iter().map(|(_, id)| *id);
        let reached = history::reached(&repository, refs, archive).map_err(fault)?;
        if let Some(words) = ledger.commits.missing(&reached) {
            return Err(fault(words));
        }
        let mut unpushed = 0;
        for (branch, named) in &ledger.branches {
            let name = format!("refs/heads/{branch}");
            let found = self.refs.refs.binary_search_by(|(known, _)| known.as_str().cmp(&name));
            let found = found.ok().and_then(|at| self.refs.refs.get(at));
            match found {
                Some((_, id)) if reached.contains(id) => {}
                None if !named.has_commit => unpushed += 1,
                _ => {
                    return Err(fault(format!(
                        "{} names branch {branch}, which is not in it",
                        named.spot
                    )));
                }
            }
        }
        Ok(match unpushed {
            0 => Vec::new(),
            _ => vec![format!(
                "{unpushed} variants name a branch that is not in repo.bundle; no commit was recorded for any of them"
            )],
        })
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
