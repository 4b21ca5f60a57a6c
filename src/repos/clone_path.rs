//! A clone's place on disk: who may touch it when, and what is written beside it. All of this blocks.
//!
//! - `<id>.git.lock` is held alone by whoever changes the clone, in this process or another.
//! - `<id>.git/switchboard-clone` says that the clone was made here, so that it may be thrown away and had again. It is
//!   held in common by its readers, and its time is that of the last use.
//! - `<id>.git/switchboard-fetched` has the time of the last fetch.
//! - `<id>.git/switchboard-damaged` says that something in it could not be read.
//! - `<id>.git.new`, `.gone` and `.pack` are what somebody was at who held the lock; the next holder removes them.

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

/// Where the clone of an experiment is.
#[derive(Debug, Clone)]
pub(super) struct ClonePath {
    root: PathBuf,
    name: String,
}

/// A clone as it is.
#[derive(Debug)]
pub(super) enum CloneStatus {
    Absent,
    /// Something is there that is no repository, and why.
    Broken(String),
    Ready(Found),
}

/// A clone that can be read.
#[derive(Debug)]
pub(super) struct Found {
    /// Keeps it from being thrown away; only clones made here are.
    pub in_use: Option<File>,
    pub fetched: Option<Timestamp>,
}

/// The right to change a clone; kept by every thread that does.
pub(super) type Lock = Arc<File>;

impl ClonePath {
    pub(super) fn new(root: &Path, id: &ExperimentId) -> Self {
        Self {
            root: root.into(),
            name: format!("{id}.git"),
        }
    }

    /// A clone that others made, where it is. None for what is no directory in another.
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

    /// Where a pack is spooled.
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
                    // It is being thrown away at this moment.
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
            // A repository all the same, only not ours to read, or not now; throwing it away would not help.
            Err(error)
                if error.code() == ErrorCode::Owner
                    || matches!(error.class(), ErrorClass::Os | ErrorClass::NoMemory) =>
            {
                Err(RepoError::git(&path)(error))
            }
            Err(error) => Ok(CloneStatus::Broken(error.message().to_owned())),
        }
    }

    /// Waits for the right to change the clone, and removes what the last holder left unfinished.
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
        // A spool that is not there is as good as removed, and one that stays is written over.
        let _ = fs::remove_file(self.pack());
        Ok(Arc::new(file))
    }

    /// Makes room for a clone where something is that cannot be read. What others made is moved aside, not removed.
    pub(super) fn clear(&self, why: &str, now: Timestamp) -> Result<(), RepoError> {
        let path = self.path();
        if path.join(OURS).exists() {
            warn!(repository = %path.display(), reason = why, "a clone is damaged; it is made again");
            return self.remove().map_err(RepoError::disk(&path));
        }
        let aside = self.beside(&format!("aside-{}", now.instant().as_millisecond()));
        warn!(
            repository = %path.display(), reason = why, moved_to = %aside.display(),
            "what is in the place of a clone is no repository; it is moved aside"
        );
        fs::rename(&path, &aside).map_err(RepoError::disk(&path))
    }

    /// An empty repository beside the clone's place.
    pub(super) fn init(&self) -> Result<PathBuf, RepoError> {
        let path = self.beside("new");
        let mut options = RepositoryInitOptions::new();
        options.bare(true).no_reinit(true).external_template(false);
        Repository::init_opts(&path, &options).map_err(RepoError::git(&path))?;
        Ok(path)
    }

    /// Gives a finished clone its place.
    pub(super) fn settle(&self, made: &Path, asked: Timestamp) -> Result<(), RepoError> {
        let mark = File::create(made.join(OURS)).and_then(|file| touch(&file, asked));
        mark.map_err(RepoError::disk(made))?;
        mark_fetched(made, asked)?;
        fs::rename(made, self.path()).map_err(RepoError::disk(made))
    }

    /// Whether the clone was made here.
    pub(super) fn is_ours(&self) -> bool {
        self.path().join(OURS).exists()
    }

    /// Out of the way in one step, so that nobody takes half of it for a clone, and then removed.
    fn remove(&self) -> io::Result<()> {
        let gone = self.beside("gone");
        if gone.exists() {
            fs::remove_dir_all(&gone)?;
        }
        fs::rename(self.path(), &gone)?;
        fs::remove_dir_all(gone)
    }
}

/// When a clone was last fetched from here.
pub(super) fn fetched(clone: &Path) -> Option<Timestamp> {
    time(&clone.join(FETCHED))
}

/// Notes that a clone is as its remote was at `asked`.
pub(super) fn mark_fetched(clone: &Path, asked: Timestamp) -> Result<(), RepoError> {
    let path = clone.join(FETCHED);
    let marked = File::create(&path).and_then(|file| touch(&file, asked));
    marked.map_err(RepoError::disk(&path))
}

/// Says of a clone that it is to be made again.
pub(super) fn mark_damaged(clone: &Path) {
    if let Err(error) = File::create(clone.join(DAMAGED)) {
        warn!(repository = %clone.display(), %error, "a damaged repository cannot be marked as such");
    }
}

/// Whether `path` is a repository whose head can be read, or that has none yet.
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

/// Throws away clones made here, least recently used first, until all of them take at most `budget` bytes. One in use,
/// or being worked at, stays, and so does that of `keep`.
pub(super) fn prune(root: &Path, budget: u64, keep: &[&ExperimentId]) -> io::Result<()> {
    let mut clones = Vec::new();
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(".git"));
        let Some(id) = id.and_then(|id| id.parse::<ExperimentId>().ok()) else {
            continue;
        };
        let place = ClonePath::new(root, &id);
        if let Some(used) = time(&place.path().join(OURS)) {
            clones.push((used, size(&place.path()), id, place));
        }
    }
    clones.sort_by(|a, b| (a.0, &a.2).cmp(&(b.0, &b.2)));
    let mut total: u64 = clones.iter().map(|(_, size, ..)| size).sum();
    for (used, size, id, place) in &clones {
        if total <= budget {
            return Ok(());
        }
        if keep.contains(&id) {
            continue;
        }
        if throw_away(place)? {
            info!(repository = %place.path().display(), bytes = size, last_used = %used, "a clone is thrown away to save room");
            total -= size;
        }
    }
    if total > budget {
        warn!(
            bytes = total,
            budget, "repositories take more room than they may, and all that are left are in use"
        );
    }
    Ok(())
}

fn throw_away(place: &ClonePath) -> io::Result<bool> {
    let lock = open_lock(&place.beside("lock"))?;
    let mark = match File::open(place.path().join(OURS)) {
        Ok(mark) => mark,
        // Another process was faster.
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
    place.remove().map(|()| true)
}

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).open(path)
}

/// Whether `path` still leads to the file that was opened.
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

/// Bytes of all files below a directory; what vanishes meanwhile counts nothing.
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
