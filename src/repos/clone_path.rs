//! A clone on disk: its path, its locks, and the files that mark its state. All functions block.
//!
//! - `<id>.git.lock` is locked exclusively to change the clone, in this process or another.
//! - `<id>.git/switchboard-clone` marks a clone that was made here, so that it may be evicted and cloned again. Readers
//!   hold a shared lock on it, and its modification time is the last use.
//! - `<id>.git/switchboard-fetched` has the time of the last fetch as its modification time.
//! - `<id>.git/switchboard-damaged` marks a clone in which something could not be read.
//! - `<id>.git.new`, `.gone` and `.pack` are unfinished work of the last holder of the lock; the next one removes them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::{ErrorClass, ErrorCode, Repository, RepositoryInitOptions};
use tracing::{info, warn};

use super::error::RepoError;
use crate::private_file::create_private_dir;
use crate::protocol::{ExperimentId, Timestamp};

const OURS: &str = "switchboard-clone";
const FETCHED: &str = "switchboard-fetched";
const DAMAGED: &str = "switchboard-damaged";

/// The path of a clone.
#[derive(Debug, Clone)]
pub(super) struct ClonePath {
    root: PathBuf,
    name: String,
}

/// The state of a clone on disk.
#[derive(Debug)]
pub(super) enum CloneStatus {
    Absent,
    /// Something is there that cannot be read as a repository, and why.
    Broken(String),
    Ready(Found),
}

/// A clone that can be read.
#[derive(Debug)]
pub(super) struct Found {
    /// The shared lock that protects a clone made here from eviction.
    pub in_use: Option<File>,
    pub fetched: Option<Timestamp>,
}

/// The exclusive lock to change a clone. Every thread that changes it holds the file.
pub(super) type Lock = Arc<File>;

impl ClonePath {
    pub(super) fn new(root: &Path, id: &ExperimentId) -> Self {
        Self {
            root: root.into(),
            name: format!("{id}.git"),
        }
    }

    /// The path of a clone that others made. `None` for a path without a parent or a name.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let path = std::path::absolute(path).ok()?;
        Some(Self {
            root: path.parent()?.to_owned(),
            name: path.file_name()?.to_str()?.to_owned(),
        })
    }

    pub(super) fn path(&self) -> PathBuf {
        self.root.join(&self.name)
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        self.root.join(format!("{}.{suffix}", self.name))
    }

    /// The file that a pack is downloaded to.
    pub(super) fn pack(&self) -> PathBuf {
        self.beside("pack")
    }

    /// Opens the clone for reading, which counts as a use at `now`.
    pub(super) fn open(&self, now: Timestamp) -> Result<CloneStatus, RepoError> {
        let path = self.path();
        match fs::metadata(&path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(CloneStatus::Absent),
            Err(error) => return Err(RepoError::disk(&path)(error)),
        }
        let mark = path.join(OURS);
        let in_use = match OpenOptions::new().read(true).write(true).open(&mark) {
            Ok(file) => {
                if file.try_lock_shared().is_err() || !is_same(&file, &mark) {
                    // It is being evicted at this moment.
                    return Ok(CloneStatus::Absent);
                }
                touch(&file, now).map_err(RepoError::disk(&mark))?;
                Some(file)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(RepoError::disk(&mark)(error)),
        };
        match check(&path) {
            Ok(()) => Ok(CloneStatus::Ready(Found {
                in_use,
                fetched: fetched(&path),
            })),
            // It is a repository that cannot be read by this user, or not now. Cloning again would not help.
            Err(error)
                if error.code() == ErrorCode::Owner
                    || matches!(error.class(), ErrorClass::Os | ErrorClass::NoMemory) =>
            {
                Err(RepoError::git(&path)(error))
            }
            Err(error) => Ok(CloneStatus::Broken(error.message().to_owned())),
        }
    }

    /// Waits for the exclusive lock, and removes the unfinished work of its last holder.
    pub(super) fn lock(&self) -> Result<Lock, RepoError> {
        create_private_dir(&self.root).map_err(RepoError::disk(&self.root))?;
        let path = self.beside("lock");
        let wrap = || RepoError::disk(&path);
        let file = open_lock(&path).map_err(wrap())?;
        file.lock().map_err(wrap())?;
        for leftover in [self.beside("new"), self.beside("gone")] {
            if leftover.exists() {
                info!(path = %leftover.display(), "removing a clone that was never finished, or is no longer wanted");
                remove(&leftover).map_err(RepoError::disk(&leftover))?;
            }
        }
        // Usually there is none. One that stays is overwritten.
        let _ = fs::remove_file(self.pack());
        Ok(Arc::new(file))
    }

    /// Removes what cannot be read from the path of a clone. What others made is moved aside instead.
    pub(super) fn clear(&self, why: &str, now: Timestamp) -> Result<(), RepoError> {
        let path = self.path();
        if path.join(OURS).exists() {
            warn!(repository = %path.display(), reason = why, "a clone is damaged; it is made again");
            return self.remove().map_err(RepoError::disk(&path));
        }
        let aside = self.beside(&format!("aside-{}", now.instant().as_millisecond()));
        warn!(
            repository = %path.display(), reason = why, moved_to = %aside.display(),
            "at the path of a clone is something else than a repository; it is moved aside"
        );
        fs::rename(&path, &aside).map_err(RepoError::disk(&path))
    }

    /// Makes an empty repository beside the path of the clone.
    pub(super) fn init(&self) -> Result<PathBuf, RepoError> {
        let path = self.beside("new");
        let mut options = RepositoryInitOptions::new();
        options.bare(true).no_reinit(true).external_template(false);
        Repository::init_opts(&path, &options).map_err(RepoError::git(&path))?;
        Ok(path)
    }

    /// Moves a finished clone to its path.
    pub(super) fn publish(&self, made: &Path, asked: Timestamp) -> Result<(), RepoError> {
        let mark = File::create(made.join(OURS)).and_then(|file| touch(&file, asked));
        mark.map_err(RepoError::disk(made))?;
        mark_fetched(made, asked)?;
        fs::rename(made, self.path()).map_err(RepoError::disk(made))
    }

    /// Whether the clone was made here.
    pub(super) fn is_ours(&self) -> bool {
        self.path().join(OURS).exists()
    }

    /// Renames it first, so that no reader finds half of a clone.
    fn remove(&self) -> io::Result<()> {
        let gone = self.beside("gone");
        if gone.exists() {
            fs::remove_dir_all(&gone)?;
        }
        fs::rename(self.path(), &gone)?;
        fs::remove_dir_all(gone)
    }
}

/// When a clone was last fetched by this program.
pub(super) fn fetched(clone: &Path) -> Option<Timestamp> {
    time(&clone.join(FETCHED))
}

/// Records that a clone is as its remote was at `asked`.
pub(super) fn mark_fetched(clone: &Path, asked: Timestamp) -> Result<(), RepoError> {
    let path = clone.join(FETCHED);
    let marked = File::create(&path).and_then(|file| touch(&file, asked));
    marked.map_err(RepoError::disk(&path))
}

/// Marks a clone to be made again.
pub(super) fn mark_damaged(clone: &Path) {
    if let Err(error) = File::create(clone.join(DAMAGED)) {
        warn!(repository = %clone.display(), %error, "a damaged repository cannot be marked as such");
    }
}

/// Checks that `path` is a repository whose head can be read, or that has no commit yet.
fn check(path: &Path) -> Result<(), git2::Error> {
    if path.join(DAMAGED).exists() {
        return Err(git2::Error::from_str("something in it could not be read"));
    }
    let git = Repository::open_bare(path)?;
    let head = match git.head() {
        Ok(head) => head.target(),
        Err(error) if matches!(error.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => None,
        Err(error) => return Err(error),
    };
    head.map_or(Ok(()), |id| git.find_object(id, None).map(drop))
}

/// Evicts clones made here, least recently used first, until all of them take at most `budget` bytes. One that is in
/// use or being changed stays, and so do those of `keep`.
pub(super) fn evict(root: &Path, budget: u64, keep: &[&ExperimentId]) -> io::Result<()> {
    let mut clones = Vec::new();
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(".git"));
        let Some(id) = id.and_then(|id| id.parse::<ExperimentId>().ok()) else {
            continue;
        };
        let clone = ClonePath::new(root, &id);
        if let Some(used) = time(&clone.path().join(OURS)) {
            clones.push((used, size(&clone.path()), id, clone));
        }
    }
    clones.sort_by(|a, b| (a.0, &a.2).cmp(&(b.0, &b.2)));
    let mut total: u64 = clones.iter().map(|(_, size, ..)| size).sum();
    for (used, size, id, clone) in &clones {
        if total <= budget {
            return Ok(());
        }
        if keep.contains(&id) {
            continue;
        }
        if try_remove(clone)? {
            info!(repository = %clone.path().display(), bytes = size, last_used = %used, "a clone is evicted to stay within the byte budget");
            total -= size;
        }
    }
    if total > budget {
        warn!(
            bytes = total,
            budget, "repositories exceed their byte budget, and all that are left are in use"
        );
    }
    Ok(())
}

/// Removes a clone unless it is in use or being changed.
fn try_remove(clone: &ClonePath) -> io::Result<bool> {
    let lock = open_lock(&clone.beside("lock"))?;
    let mark = match File::open(clone.path().join(OURS)) {
        Ok(mark) => mark,
        // Another process has removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    for held in [&lock, &mark] {
        match held.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    clone.remove().map(|()| true)
}

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).open(path)
}

/// Whether `path` is still the file that was opened.
fn is_same(file: &File, path: &Path) -> bool {
    let same = file
        .metadata()
        .and_then(|open| Ok((open.ino(), fs::metadata(path)?.ino())));
    same.is_ok_and(|(open, there)| open == there)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path)?.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    }
}

fn touch(file: &File, at: Timestamp) -> io::Result<()> {
    file.set_modified(at.instant().into())
}

fn time(path: &Path) -> Option<Timestamp> {
    let modified = fs::metadata(path).and_then(|found| found.modified()).ok()?;
    jiff::Timestamp::try_from(modified).ok().map(Timestamp::from)
}

/// The bytes of all files below a directory. A file that is removed meanwhile does not count.
fn size(path: &Path) -> u64 {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => size(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}
