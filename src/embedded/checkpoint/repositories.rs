//! The repositories of the experiments, `<root>/<experiment_id>.git`, as far as checkpoints use them.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use git2::{Repository, RepositoryInitOptions};

use super::bundle::{self, Refs};
use super::reachability::reachable_commits;
use super::{Archive, ArchiveIndex, Member, invalid, pack};
use super::{CheckpointError, CheckpointResult};
use crate::embedded::blobs::sync_dir;
use crate::embedded::{Durability, ProtocolError, ProtocolResult};
use crate::protocol::*;

/// The names of repositories that are being unpacked begin with this.
const UNFINISHED: &str = ".import-";
/// A file in a repository that an import installed. It is removed once the import is committed.
const UNCOMMITTED: &str = "uncommitted-import";

/// The directory of the repositories.
#[derive(Debug, Clone)]
pub(crate) struct RepositoryStore {
    root: PathBuf,
    durability: Durability,
}

impl RepositoryStore {
    /// Removes what an earlier process did not finish unpacking.
    pub(crate) fn open(root: PathBuf, durability: Durability) -> io::Result<Self> {
        let repositories = Self { root, durability };
        for entry in repositories.entries()? {
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(repositories)
    }

    fn entries(&self) -> io::Result<Vec<fs::DirEntry>> {
        match fs::read_dir(&self.root) {
            Ok(entries) => entries.collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// The experiments whose repository was installed by an import that may not be committed.
    pub(crate) fn unsettled_imports(&self) -> io::Result<Vec<ExperimentId>> {
        let mut unsettled = Vec::new();
        for entry in self.entries()? {
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".git"));
            if let Some(id) = id.and_then(|id| id.parse().ok())
                && self.is_unsettled(&id)
            {
                unsettled.push(id);
            }
        }
        Ok(unsettled)
    }

    /// Keeps the repository that an import installed if the import is committed, and removes it otherwise.
    pub(crate) fn settle_import(&self, id: &ExperimentId, is_committed: bool) -> io::Result<()> {
        if !self.is_unsettled(id) {
            return Ok(());
        }
        match is_committed {
            true => fs::remove_file(self.path(id).join(UNCOMMITTED)),
            false => fs::remove_dir_all(self.path(id)),
        }
    }

    fn is_unsettled(&self, id: &ExperimentId) -> bool {
        self.path(id).join(UNCOMMITTED).exists()
    }

    fn path(&self, id: &ExperimentId) -> PathBuf {
        self.root.join(format!("{id}.git"))
    }

    /// Writes the bundle of an experiment's repository. Nothing is written when there is no repository, or it has no
    /// refs. A repository that an import installed counts only once the experiment `is_imported`.
    pub(super) fn write_bundle(&self, id: &ExperimentId, is_imported: bool, out: &mut impl Write) -> CheckpointResult {
        let path = self.path(id);
        if !path.exists() || (self.is_unsettled(id) && !is_imported) {
            return Ok(());
        }
        let bundled = Repository::open_bare(&path).and_then(|repository| bundle::write(&repository, out));
        // The export fails: an archive without the history would look complete.
        bundled.map_err(|error| {
            let detail = format!("the repository {} cannot be exported: {error}", path.display());
            CheckpointError::Storage(io::Error::other(detail).into())
        })
    }

    /// Unpacks an archive's bundle into a new repository beside the others. `None` when the bundle is empty.
    pub(super) fn unpack(&self, archive: &Archive) -> CheckpointResult<Option<UnpackedBundle>> {
        if archive.size(Member::Bundle) == 0 {
            return Ok(None);
        }
        let mut first = archive.read(Member::Bundle);
        let refs = Refs::read(&mut first).map_err(bundle_fault)?;
        pack::check_sizes(&mut first, archive.size(Member::Bundle)).map_err(bundle_fault)?;
        fs::create_dir_all(&self.root)?;
        let path = self.root.join(format!("{UNFINISHED}{:032x}", rand::random::<u128>()));
        let unpacked = UnpackedBundle {
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
        Refs::read(&mut second).map_err(bundle_fault)?;
        bundle::unpack(&mut second, &path).map_err(bundle_fault)?;
        fs::write(path.join("packed-refs"), unpacked.refs.packed())?;
        fs::write(path.join(UNCOMMITTED), "")?;
        if self.durability == Durability::Synced {
            sync_tree(&path)?;
        }
        Ok(Some(unpacked))
    }

    /// Moves an unpacked repository to its place, while the import is the only writer. A repository that is there
    /// already is an error, unless an import installed it that was never committed.
    pub(super) fn install(&self, unpacked: UnpackedBundle, id: &ExperimentId) -> CheckpointResult {
        self.settle_import(id, false)?;
        let path = self.path(id);
        if path.exists() {
            return Err(ProtocolError::new(
                ErrorType::ExperimentIdConflict,
                format!("experiment {id} has a repository already: move it away, or import under another id"),
            )
            .into());
        }
        fs::rename(&unpacked.path, &path)?;
        if self.durability == Durability::Synced {
            sync_dir(&self.root)?;
        }
        Ok(())
    }

    /// Whether the experiment has a repository.
    pub(super) fn exists(&self, id: &ExperimentId) -> bool {
        self.path(id).exists() && !self.is_unsettled(id)
    }
}

/// A repository that is not in its place yet. It is removed when it is dropped before.
#[derive(Debug)]
pub(super) struct UnpackedBundle {
    path: PathBuf,
    refs: Refs,
}

impl Drop for UnpackedBundle {
    fn drop(&mut self) {
        // An error means that it was renamed or never created. What cannot be removed is removed at the next start.
        let _ = fs::remove_dir_all(&self.path);
    }
}

impl UnpackedBundle {
    /// Requires every commit and branch that is named, and all that the refs reach (`ch10 §12`). Returns warnings for
    /// the operator.
    pub(super) fn check(&self, archive: &Archive, index: &ArchiveIndex) -> ProtocolResult<Vec<String>> {
        let repository = Repository::open_bare(&self.path).map_err(|error| bundle_fault(error.to_string()))?;
        let refs = self.refs.refs.iter().map(|(_, id)| *id);
        let reached = reachable_commits(&repository, refs, archive).map_err(bundle_fault)?;
        if let Some(detail) = index.commits.missing_from(&reached) {
            return Err(bundle_fault(detail));
        }
        let mut unpushed = 0;
        for (branch, named) in &index.branches {
            let name = format!("refs/heads/{branch}");
            let found = self.refs.refs.binary_search_by(|(known, _)| known.as_str().cmp(&name));
            let found = found.ok().and_then(|at| self.refs.refs.get(at));
            match found {
                Some((_, id)) if reached.contains(id) => {}
                None if !named.has_commit => unpushed += 1,
                _ => {
                    let location = named.location;
                    return Err(bundle_fault(format!(
                        "{location} names branch {branch}, which is not in it"
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

fn bundle_fault(detail: String) -> ProtocolError {
    invalid(format!("{}: {detail}", Member::Bundle.name()))
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
