use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Semaphore;

use super::error::{ConfigError, LookedIn};
use super::file::{self, Content, Stamp};
use crate::clock::Clock;
use crate::protocol::{ConfigFaults, ExperimentConfig, ExperimentId};

/// A file that was written this shortly before it was read may be written again without looking different.
const UNSETTLED: Duration = Duration::from_secs(2);
/// A disk that does not answer must not hold up a page for longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many files are looked at at once, so that such a disk does not take all the threads there are.
const AT_ONCE: usize = 8;
/// In the order in which they are taken.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Where configurations are.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A directory of files `<experiment_id>.yaml` (or `.yml`, or `.json`).
    pub dir: Option<PathBuf>,
    /// One experiment whose configuration is this file, whatever the directory has.
    pub default: Option<(ExperimentId, PathBuf)>,
}

/// The configurations of experiments, each from its own file.
///
/// Cheap to clone and to ask: a file is read again only when it looks changed, and then at once, without a restart.
#[derive(Clone)]
pub struct ConfigSource {
    shared: Arc<Shared>,
    turns: Arc<Semaphore>,
}

struct Shared {
    options: Options,
    clock: Clock,
    kept: Mutex<HashMap<ExperimentId, Kept>>,
    revisions: AtomicU64,
}

type Answer = Result<Arc<ExperimentConfig>, ConfigError>;

/// What was made of a file.
#[derive(Clone)]
struct Kept {
    path: PathBuf,
    /// Nothing while the file could change without looking different, or when it could not be read.
    stamp: Option<Stamp>,
    seen: Seen,
    answer: Answer,
    revision: u64,
}

/// What an answer is made of: as long as this is the same, so is the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Content(Content),
    Fault(io::ErrorKind),
}

/// Of what it has read it shows nothing: the commands of worker hosts are in there.
impl fmt::Debug for ConfigSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.options.fmt(f)
    }
}

impl ConfigSource {
    /// A source of the configurations that the options lead to.
    pub fn new(options: Options, clock: Clock) -> Self {
        Self {
            shared: Arc::new(Shared {
                options,
                clock,
                kept: Mutex::default(),
                revisions: AtomicU64::new(0),
            }),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// The configuration of an experiment as its file has it now, held to every rule; never that of another.
    ///
    /// # Errors
    /// [`ConfigError`], which is as much up to date.
    pub async fn get(&self, id: &ExperimentId) -> Result<Arc<ExperimentConfig>, ConfigError> {
        self.look(id).await.1
    }

    /// A number that is another whenever [`ConfigSource::get`] may answer something else than before, and the same as
    /// long as it answers the same; 0 while there is no file.
    pub async fn revision(&self, id: &ExperimentId) -> u64 {
        self.look(id).await.0
    }

    async fn look(&self, id: &ExperimentId) -> (u64, Answer) {
        let shared = self.shared.clone();
        let turns = self.turns.clone();
        let of = id.clone();
        let looked = async move {
            let turn = turns.acquire_owned().await.ok();
            let looked = tokio::task::spawn_blocking(move || {
                let looked = shared.look(&of);
                // Whoever waits for it may be gone long before.
                drop(turn);
                looked
            });
            looked.await.map_err(io::Error::other)
        };
        let fault = match tokio::time::timeout(PATIENCE, looked).await {
            Ok(Ok(looked)) => return looked,
            Ok(Err(fault)) => fault,
            Err(_) => io::Error::new(io::ErrorKind::TimedOut, "the disk does not answer"),
        };
        let mut candidates = self.shared.candidates(id);
        let file = candidates.drain(..).next().unwrap_or_default();
        (u64::MAX, Err(unreadable(file, fault)))
    }
}

impl Shared {
    /// The files that may hold the configuration of an experiment; the first that is there does.
    fn candidates(&self, id: &ExperimentId) -> Vec<PathBuf> {
        match (self.own_file(id), &self.options.dir) {
            (Some(file), _) => vec![file.to_owned()],
            (None, Some(dir)) => {
                let named = |ending: &&str| dir.join(format!("{id}.{ending}"));
                ENDINGS.iter().map(named).collect()
            }
            (None, None) => Vec::new(),
        }
    }

    fn own_file(&self, id: &ExperimentId) -> Option<&Path> {
        let (default, file) = self.options.default.as_ref()?;
        (default == id).then_some(file)
    }

    fn missing(&self, id: &ExperimentId) -> ConfigError {
        let first = self.candidates(id).into_iter().next();
        ConfigError::Missing {
            id: id.clone(),
            looked_in: match (first, self.own_file(id)) {
                (_, Some(file)) => LookedIn::File(file.to_owned()),
                (Some(file), None) => LookedIn::Directory(file),
                (None, None) => LookedIn::Nowhere,
            },
        }
    }

    /// What the files say now, and under which revision. Blocks.
    fn look(&self, id: &ExperimentId) -> (u64, Answer) {
        for path in self.candidates(id) {
            let found = fs::metadata(&path).and_then(|metadata| Stamp::of(&metadata));
            if let Some(kept) = self.kept(id).filter(|kept| kept.path == path)
                && let (Some(stamp), Ok(found)) = (kept.stamp, &found)
                && stamp == *found
            {
                return (kept.revision, kept.answer);
            }
            let started = self.clock.now().instant();
            match found.and_then(|_| file::read(&path)) {
                Err(fault) if is_missing(&fault) => {}
                Err(fault) => return self.keep(id, path, None, Seen::Fault(fault.kind()), || fault),
                Ok((stamp, content)) => {
                    let settled = SystemTime::from(started)
                        .duration_since(stamp.modified)
                        .is_ok_and(|age| age > UNSETTLED);
                    let stamp = settled.then_some(stamp);
                    return self.keep(id, path, stamp, Seen::Content(content), || io::ErrorKind::Other.into());
                }
            }
        }
        self.all_kept().remove(id);
        (0, Err(self.missing(id)))
    }

    /// Takes in what was seen; the same as before leads to the same answer, however the file was written.
    fn keep(
        &self,
        id: &ExperimentId,
        path: PathBuf,
        stamp: Option<Stamp>,
        seen: Seen,
        fault: impl FnOnce() -> io::Error,
    ) -> (u64, Answer) {
        let same = self.kept(id).filter(|kept| kept.path == path && kept.seen == seen);
        let (revision, answer) = match same {
            Some(kept) => (kept.revision, kept.answer),
            None => {
                let answer = match &seen {
                    Seen::Content(content) => parse(&path, content),
                    Seen::Fault(_) => Err(unreadable(path.clone(), fault())),
                };
                (self.revisions.fetch_add(1, Ordering::Relaxed) + 1, answer)
            }
        };
        let kept = Kept {
            path,
            stamp,
            seen,
            answer: answer.clone(),
            revision,
        };
        self.all_kept().insert(id.clone(), kept);
        (revision, answer)
    }

    fn kept(&self, id: &ExperimentId) -> Option<Kept> {
        self.all_kept().get(id).cloned()
    }

    fn all_kept(&self) -> std::sync::MutexGuard<'_, HashMap<ExperimentId, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_missing(fault: &io::Error) -> bool {
    matches!(fault.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn unreadable(file: PathBuf, fault: io::Error) -> ConfigError {
    ConfigError::Unreadable {
        file,
        source: Arc::new(fault),
    }
}

fn parse(path: &Path, content: &Content) -> Answer {
    let config = match content {
        Content::Bytes(bytes) => match str::from_utf8(bytes) {
            Ok(text) => ExperimentConfig::checked(text),
            Err(fault) => Err(ConfigFaults::not_utf8(bytes, fault)),
        },
        Content::TooLong => Err(ConfigFaults::too_long()),
    };
    config.map(Arc::new).map_err(|faults| ConfigError::Invalid {
        file: path.to_owned(),
        faults: Arc::new(faults),
    })
}
