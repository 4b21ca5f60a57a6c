//! The console's credentials on disk. A scope's directory is `<root>/<experiment id>` or `<root>/control-plane`; in it
//! is `worker.json`, and beside it the lock that replicas share.
//!
//! The layouts of the reference console are read too, so that a deployment can move over: `<worker id>.token` in the
//! scope's directory, and for the default experiment also in the root itself.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::{CredentialError, Scope};
use crate::client::Bearer;
use crate::private_file::{create_private_dir, create_private_once, replace_private, write_private};
use crate::protocol::{Actor, Timestamp, WorkerId};

/// Between two attempts to take a lock.
const RETRY: Duration = Duration::from_millis(50);
/// A process that holds a lock for longer is stopped, or its server hardly answers.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// A worker of the console and its secret.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub worker: WorkerId,
    pub secret: SecretString,
    /// When its secret was last reissued from this directory; a few times only.
    pub reissued: Vec<Timestamp>,
}

impl Identity {
    /// A worker whose secret is lost.
    pub(super) fn lost(worker: WorkerId) -> Self {
        Self {
            worker,
            secret: String::new().into(),
            reissued: Vec::new(),
        }
    }

    pub(super) fn bearer(&self) -> Bearer {
        Bearer::new(Actor::Worker(self.worker.clone()), self.secret.clone())
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    worker_id: WorkerId,
    token: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reissued: Vec<Timestamp>,
}

/// The directory of the console's credentials.
#[derive(Debug, Clone)]
pub(super) struct CredentialDir {
    root: PathBuf,
    lock_timeout: Duration,
    /// Directories about whose several `.token` files a warning was logged.
    warned: Arc<Mutex<BTreeSet<PathBuf>>>,
}

/// A scope's directory while its lock is held.
pub(super) struct LockedDir {
    dir: PathBuf,
    /// Read after the lock was taken, so it has what another process wrote before. An error when the file cannot be
    /// read or holds something else.
    pub stored: Result<Option<Identity>, CredentialError>,
    /// The credential that the reference console left.
    pub legacy: Option<Identity>,
    /// Closing the file releases the lock, so every write holds the file too.
    lock: Arc<File>,
}

impl CredentialDir {
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            lock_timeout: LOCK_TIMEOUT,
            warned: Arc::default(),
        }
    }

    /// The path of a scope's credential.
    pub(super) fn path(&self, scope: &Scope) -> PathBuf {
        self.root.join(scope.directory()).join("worker.json")
    }

    /// Whether a scope has a credential on disk. It takes no lock.
    pub(super) fn has(&self, scope: &Scope, legacy_worker: Option<&WorkerId>, is_default: bool) -> bool {
        let dir = self.root.join(scope.directory());
        dir.join("worker.json").exists()
            || legacy(&self.root, &dir, legacy_worker, is_default).is_ok_and(|found| found.is_some())
    }

    /// Takes the scope's lock, waiting for at most [`LOCK_TIMEOUT`], and reads what is stored. `legacy_worker` is the
    /// worker of the reference console's files. With `is_default` its files in the root count too.
    pub(super) async fn lock(
        &self,
        scope: &Scope,
        legacy_worker: Option<WorkerId>,
        is_default: bool,
    ) -> Result<LockedDir, CredentialError> {
        let (root, dir) = (self.root.clone(), self.root.join(scope.directory()));
        let lock = self.take_lock(&dir).await?;
        let warned = self.warned.clone();
        blocking(dir.clone(), move || {
            let legacy = legacy(&root, &dir, legacy_worker.as_ref(), is_default).unwrap_or_else(|Several| {
                if warned.lock().insert(dir.clone()) {
                    warn!(dir = %dir.display(), "several .token files and no --worker-id to choose by; none is used");
                }
                None
            });
            Ok(LockedDir {
                stored: stored(&dir.join("worker.json")),
                legacy,
                dir,
                lock,
            })
        })
        .await
    }

    /// Waits without blocking a thread, since the lock may be held forever.
    async fn take_lock(&self, dir: &Path) -> Result<Arc<File>, CredentialError> {
        let path = dir.join("worker.lock");
        let (dir, opened) = (dir.to_owned(), path.clone());
        let file = blocking(path.clone(), move || {
            create_private_dir(&dir).map_err(at(&dir))?;
            let mut open = OpenOptions::new();
            open.write(true).create(true).truncate(false).mode(0o600);
            open.open(&opened).map(Arc::new).map_err(at(&opened))
        });
        let file = file.await?;
        let deadline = Instant::now() + self.lock_timeout;
        loop {
            let (tried, tried_path) = (file.clone(), path.clone());
            let is_taken = blocking(path.clone(), move || match tried.try_lock() {
                Ok(()) => Ok(true),
                Err(TryLockError::WouldBlock) => Ok(false),
                Err(TryLockError::Error(error)) => Err(at(&tried_path)(error)),
            });
            if is_taken.await? {
                return Ok(file);
            }
            if Instant::now() >= deadline {
                return Err(CredentialError::Locked { path });
            }
            sleep(RETRY).await;
        }
    }

    /// The label value of workers registered from this directory, by which one whose credential was never stored is
    /// found again.
    pub(super) async fn instance(&self) -> Result<String, CredentialError> {
        let root = self.root.clone();
        blocking(root.clone(), move || {
            let path = root.join("instance");
            let instance = create_private_once(&path, random_instance().as_bytes()).map_err(at(&path))?;
            Ok(String::from_utf8_lossy(&instance).trim().to_owned())
        })
        .await
    }

    /// Another label value for future workers, since another console uses this one.
    pub(super) async fn fresh_instance(&self) -> Result<String, CredentialError> {
        let path = self.root.join("instance");
        blocking(path.clone(), move || {
            let instance = random_instance();
            replace_private(&path, instance.as_bytes()).map_err(at(&path))?;
            Ok(instance)
        })
        .await
    }
}

impl LockedDir {
    /// Checks that a new secret can be stored, before the old one is replaced by it.
    pub(super) async fn probe(&self) -> Result<(), CredentialError> {
        let (path, lock) = (self.dir.join("worker.probe"), self.lock.clone());
        blocking(path.clone(), move || {
            let _held = lock;
            write_private(&path, b"may be removed\n").map_err(at(&path))?;
            fs::remove_file(&path).map_err(at(&path))
        })
        .await
    }

    /// Stores an identity; it is on disk when this returns.
    pub(super) async fn store(&self, identity: &Identity) -> Result<(), CredentialError> {
        let (path, lock) = (self.dir.join("worker.json"), self.lock.clone());
        let stored = Stored {
            worker_id: identity.worker.clone(),
            token: identity.secret.expose_secret().to_owned(),
            reissued: identity.reissued.clone(),
        };
        blocking(path.clone(), move || {
            let _held = lock;
            let text = serde_json::to_vec(&stored).map_err(|error| at(&path)(error.into()))?;
            replace_private(&path, &text).map_err(at(&path))
        })
        .await
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> CredentialError {
    move |source| CredentialError::Directory {
        path: path.to_owned(),
        source,
    }
}

/// Runs disk work beside the async threads, since a disk may be slow.
async fn blocking<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce() -> Result<T, CredentialError> + Send + 'static,
) -> Result<T, CredentialError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(at(&path)(io::Error::other(error))))
}

fn stored(path: &Path) -> Result<Option<Identity>, CredentialError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(malformed(path, "it is not text")),
        Err(error) => return Err(at(path)(error)),
    };
    // The message of serde could repeat the secret.
    let stored: Stored = serde_json::from_str(&text)
        .map_err(|_| malformed(path, "it is not {\"worker_id\": \"wkr_…\", \"token\": \"…\"}"))?;
    Ok(Some(Identity {
        worker: stored.worker_id,
        secret: stored.token.into(),
        reissued: stored.reissued,
    }))
}

fn malformed(path: &Path, reason: &str) -> CredentialError {
    CredentialError::Malformed {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

fn random_instance() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// There are several `.token` files, and no worker id to choose by.
struct Several;

/// The credential of the reference console: the file of `worker`, or without one the only file in the scope's
/// directory. Other programs share the root, so nothing is taken from there without a worker.
fn legacy(root: &Path, dir: &Path, worker: Option<&WorkerId>, is_default: bool) -> Result<Option<Identity>, Several> {
    let candidates: Vec<PathBuf> = match worker {
        Some(worker) => {
            let file = format!("{worker}.token");
            let mut paths = vec![dir.join(&file)];
            paths.extend(is_default.then(|| root.join(&file)));
            paths
        }
        None => {
            let entries = fs::read_dir(dir)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path());
            let tokens: Vec<_> = entries
                .filter(|path| path.extension().is_some_and(|end| end == "token"))
                .collect();
            if tokens.len() > 1 {
                return Err(Several);
            }
            tokens
        }
    };
    Ok(candidates.iter().find_map(|path| {
        let worker = path.file_stem()?.to_str()?.parse().ok()?;
        let token = fs::read_to_string(path).ok()?;
        let secret = token.trim();
        (!secret.is_empty()).then(|| Identity {
            worker,
            secret: secret.into(),
            reissued: Vec::new(),
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bootstrap_warns_once_about_several_token_files() {
        let dir = tempfile::tempdir().expect("a directory");
        let credentials = CredentialDir::new(dir.path().to_owned());
        let of_scope = dir.path().join("control-plane");
        fs::create_dir(&of_scope).expect("made");
        for digit in ["1", "2"] {
            let file = format!("wkr_{}.token", digit.repeat(26));
            fs::write(of_scope.join(file), "secret").expect("written");
        }
        let warned = || credentials.warned.lock().len();
        assert!(!credentials.has(&Scope::ControlPlane, None, false));
        assert_eq!(warned(), 0, "a check alone logs nothing");
        for _ in 0..2 {
            let locked = credentials.lock(&Scope::ControlPlane, None, false).await.expect("free");
            assert!(locked.legacy.is_none());
            assert_eq!(warned(), 1);
        }
    }

    #[tokio::test]
    async fn a_lock_that_is_never_released_is_reported_by_its_path() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut credentials = CredentialDir::new(dir.path().to_owned());
        let scope = Scope::ControlPlane;
        let holder = credentials.lock(&scope, None, false).await.expect("free");
        credentials.lock_timeout = Duration::ZERO;
        let refused = credentials
            .lock(&scope, None, false)
            .await
            .err()
            .expect("refused")
            .to_string();
        assert!(
            refused.contains("worker.lock") && refused.contains("another console"),
            "{refused}"
        );
        // A write whose caller has stopped waiting still holds the lock.
        let lock = holder.lock.clone();
        drop(holder);
        assert!(credentials.lock(&scope, None, false).await.is_err());
        drop(lock);
        assert!(credentials.lock(&scope, None, false).await.is_ok());
    }
}
