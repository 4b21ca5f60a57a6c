use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::error::{ConfigError, LookedIn};
use super::file::{self, Content, Stamp};
use crate::clock::Clock;
use crate::protocol::{ConfigFaults, ExperimentConfig, ExperimentId};

/// A file that was written less than this before it was read may be written again without a change of its stamp.
const UNSETTLED: Duration = Duration::from_secs(2);
/// How long a page waits for the disk.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// How many files are read at once, so that a disk that hangs does not occupy all threads.
const MAX_READERS: usize = 8;
/// File name extensions, in the order in which they are tried.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// The paths of configurations.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A directory of files `<experiment_id>.yaml` (or `.yml`, or `.json`).
    pub dir: Option<PathBuf>,
    /// One experiment whose configuration is this file, whatever is in the directory.
    pub default: Option<(ExperimentId, PathBuf)>,
}

/// The configurations of experiments, each from its own file.
///
/// Cheap to clone and to call: a file is read again only when its stamp has changed, and then without a restart.
#[derive(Clone)]
pub struct ConfigSource {
    shared: Arc<Shared>,
    readers: Arc<Semaphore>,
}

struct Shared {
    options: Options,
    clock: Clock,
    cache: Mutex<HashMap<ExperimentId, Entry>>,
    revisions: AtomicU64,
}

type Outcome = Result<Arc<ExperimentConfig>, ConfigError>;

/// A file as it was last read, and what came of it.
#[derive(Clone)]
struct Entry {
    path: PathBuf,
    /// `None` while the file could change without a change of its stamp, or when it could not be read.
    stamp: Option<Stamp>,
    input: Input,
    outcome: Outcome,
    revision: u64,
}

/// What an outcome is made of. The same input gives the same outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Input {
    Content(Content),
    Fault(io::ErrorKind),
}

/// It does not print what it has read, which holds the commands of worker hosts.
impl fmt::Debug for ConfigSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.options.fmt(f)
    }
}

impl ConfigSource {
    /// A source of the configurations at these paths.
    pub fn new(options: Options, clock: Clock) -> Self {
        Self {
            shared: Arc::new(Shared {
                options,
                clock,
                cache: Mutex::default(),
                revisions: AtomicU64::new(0),
            }),
            readers: Arc::new(Semaphore::new(MAX_READERS)),
        }
    }

    /// The configuration of an experiment as its file is now, fully validated.
    ///
    /// # Errors
    /// [`ConfigError`], as the file is now.
    pub async fn get(&self, id: &ExperimentId) -> Result<Arc<ExperimentConfig>, ConfigError> {
        self.load(id).await.1
    }

    /// A number that changes whenever the result of [`ConfigSource::get`] may have changed, and stays while it is the
    /// same. 0 while there is no file.
    pub async fn revision(&self, id: &ExperimentId) -> u64 {
        self.load(id).await.0
    }

    async fn load(&self, id: &ExperimentId) -> (u64, Outcome) {
        let shared = self.shared.clone();
        let readers = self.readers.clone();
        let key = id.clone();
        let loading = async move {
            let permit = readers.acquire_owned().await.ok();
            let loading = tokio::task::spawn_blocking(move || {
                let loaded = shared.load(&key);
                // Held by the thread, since the caller may stop waiting long before.
                drop(permit);
                loaded
            });
            loading.await.map_err(io::Error::other)
        };
        let fault = match tokio::time::timeout(READ_TIMEOUT, loading).await {
            Ok(Ok(loaded)) => return loaded,
            Ok(Err(fault)) => fault,
            Err(_) => io::Error::new(io::ErrorKind::TimedOut, "the disk does not answer"),
        };
        let file = self.shared.candidates(id).into_iter().next().unwrap_or_default();
        (u64::MAX, Err(unreadable(file, fault)))
    }
}

impl Shared {
    /// The files that may hold the configuration of an experiment. The first that exists is used.
    fn candidates(&self, id: &ExperimentId) -> Vec<PathBuf> {
        match (self.own_file(id), &self.options.dir) {
            (Some(file), _) => vec![file.to_owned()],
            (None, Some(dir)) => {
                let named = |extension: &&str| dir.join(format!("{id}.{extension}"));
                EXTENSIONS.iter().map(named).collect()
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

    /// The revision and the outcome of the files as they are now. It blocks.
    fn load(&self, id: &ExperimentId) -> (u64, Outcome) {
        for path in self.candidates(id) {
            let found = fs::metadata(&path).and_then(|metadata| Stamp::of(&metadata));
            if let Some(entry) = self.cached(id, &path)
                && let (Some(stamp), Ok(found)) = (entry.stamp, &found)
                && stamp == *found
            {
                return (entry.revision, entry.outcome);
            }
            let started = self.clock.now().instant();
            match found.and_then(|_| file::read(&path)) {
                Err(fault) if is_missing(&fault) => {}
                Err(fault) => return self.store(id, path, None, Err(fault)),
                Ok((stamp, content)) => {
                    let is_settled = SystemTime::from(started)
                        .duration_since(stamp.modified)
                        .is_ok_and(|age| age > UNSETTLED);
                    return self.store(id, path, is_settled.then_some(stamp), Ok(content));
                }
            }
        }
        self.cache.lock().remove(id);
        (0, Err(self.missing(id)))
    }

    /// Stores what was read. The same input as before keeps the outcome and the revision, even if the stamp differs.
    fn store(
        &self,
        id: &ExperimentId,
        path: PathBuf,
        stamp: Option<Stamp>,
        read: io::Result<Content>,
    ) -> (u64, Outcome) {
        let input = match &read {
            Ok(content) => Input::Content(content.clone()),
            Err(fault) => Input::Fault(fault.kind()),
        };
        let same = self.cached(id, &path).filter(|entry| entry.input == input);
        let (revision, outcome) = match same {
            Some(entry) => (entry.revision, entry.outcome),
            None => {
                let outcome = match read {
                    Ok(content) => parse(&path, &content),
                    Err(fault) => Err(unreadable(path.clone(), fault)),
                };
                (self.revisions.fetch_add(1, Ordering::Relaxed) + 1, outcome)
            }
        };
        let entry = Entry {
            path,
            stamp,
            input,
            outcome: outcome.clone(),
            revision,
        };
        self.cache.lock().insert(id.clone(), entry);
        (revision, outcome)
    }

    fn cached(&self, id: &ExperimentId, path: &Path) -> Option<Entry> {
        let cache = self.cache.lock();
        cache.get(id).filter(|entry| entry.path == path).cloned()
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

fn parse(path: &Path, content: &Content) -> Outcome {
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
