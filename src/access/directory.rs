//! The console's credentials on disk. A scope's directory is `<root>/<experiment id>` or `<root>/control-plane`; in it is
//! `worker.json`, and beside it the lock that replicas share.
//!
//! The layouts of the reference console are read too, so that a deployment can move over: `<worker id>.token` in the
//! scope's directory, and for the default experiment also in the root itself.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::{CredentialError, Scope};
use crate::client::Bearer;
use crate::private_file::{create_private_dir, create_private_once, replace_private, write_private};
use crate::protocol::{Actor, Timestamp, WorkerId};

/// Between two tries to take a lock.
const RETRY: Duration = Duration::from_millis(50);
/// Whoever holds a lock for longer is stopped, or speaks to a server that hardly answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// A worker of the console's and its secret.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub worker: WorkerId,
    pub secret: SecretString,
    /// When this directory had its secret replaced, the last times that it did.
    pub reissued: Vec<Timestamp>,
}

impl Identity {
    /// A worker whose secret nobody knows.
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

/// Where the console's credentials are.
#[derive(Debug, Clone)]
pub(super) struct CredentialDir {
    root: PathBuf,
    patience: Duration,
    /// Directories of which it was said that they hold too many files.
    warned: Arc<Mutex<BTreeSet<PathBuf>>>,
}

/// What a bootstrap works with while it holds the scope's lock.
pub(super) struct Locked {
    dir: PathBuf,
    /// Read when the lock was taken: what another process wrote before it let go is in it. An error when the file
    /// holds something else.
    pub stored: Result<Option<Identity>, CredentialError>,
    /// What the reference console left.
    pub legacy: Option<Identity>,
    /// Closing it opens the lock, so that whatever writes holds it too.
    lock: Arc<File>,
}

impl CredentialDir {
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            patience: PATIENCE,
            warned: Arc::default(),
        }
    }

    /// Where a scope's credential is kept.
    pub(super) fn path(&self, scope: &Scope) -> PathBuf {
        self.root.join(scope.directory()).join("worker.json")
    }

    /// Whether a scope's credential is kept, as far as can be told without a lock.
    pub(super) fn has(&self, scope: &Scope, named: Option<&WorkerId>, is_default: bool) -> bool {
        let dir = self.root.join(scope.directory());
        dir.join("worker.json").exists()
            || legacy(&self.root, &dir, named, is_default).is_ok_and(|found| found.is_some())
    }

    /// Takes the scope's lock, waiting a while for whoever has it, and reads what is kept. `named` is the worker that the
    /// reference's files are of; `is_default` lets files of the root count.
    pub(super) async fn lock(
        &self,
        scope: &Scope,
        named: Option<WorkerId>,
        is_default: bool,
    ) -> Result<Locked, CredentialError> {
        let (root, dir) = (self.root.clone(), self.root.join(scope.directory()));
        let lock = self.held(&dir).await?;
        let warned = self.warned.clone();
        blocking(dir.clone(), move || {
            let legacy = legacy(&root, &dir, named.as_ref(), is_default).unwrap_or_else(|Several| {
                let mut warned = warned.lock().unwrap_or_else(PoisonError::into_inner);
                if warned.insert(dir.clone()) {
                    warn!(dir = %dir.display(), "several .token files and no --worker-id to choose by; none is used");
                }
                None
            });
            Ok(Locked {
                stored: stored(&dir.join("worker.json")),
                legacy,
                dir,
                lock,
            })
        })
        .await
    }

    /// Waiting costs no thread: whoever holds the lock may do so for ever.
    async fn held(&self, dir: &Path) -> Result<Arc<File>, CredentialError> {
        let path = dir.join("worker.lock");
        let (dir, opened) = (dir.to_owned(), path.clone());
        let file = blocking(path.clone(), move || {
            create_private_dir(&dir).map_err(at(&dir))?;
            let mut open = OpenOptions::new();
            open.write(true).create(true).truncate(false).mode(0o600);
            open.open(&opened).map(Arc::new).map_err(at(&opened))
        });
        let file = file.await?;
        let deadline = Instant::now() + self.patience;
        loop {
            let (tried, named) = (file.clone(), path.clone());
            let is_ours = blocking(path.clone(), move || match tried.try_lock() {
                Ok(()) => Ok(true),
                Err(TryLockError::WouldBlock) => Ok(false),
                Err(TryLockError::Error(error)) => Err(at(&named)(error)),
            });
            if is_ours.await? {
                return Ok(file);
            }
            if Instant::now() >= deadline {
                return Err(CredentialError::Locked { path });
            }
            sleep(RETRY).await;
        }
    }

    /// What this directory's workers are labelled with, so that one whose credential was never written is found again.
    pub(super) async fn instance(&self) -> Result<String, CredentialError> {
        let root = self.root.clone();
        blocking(root.clone(), move || {
            let path = root.join("instance");
            let made = format!("{:016x}", rand::random::<u64>());
            let kept = create_private_once(&path, made.as_bytes()).map_err(at(&path))?;
            Ok(String::from_utf8_lossy(&kept).trim().to_owned())
        })
        .await
    }

    /// Another label for the workers to come, since somebody else uses this one.
    pub(super) async fn fresh_instance(&self) -> Result<String, CredentialError> {
        let path = self.root.join("instance");
        blocking(path.clone(), move || {
            let made = format!("{:016x}", rand::random::<u64>());
            replace_private(&path, made.as_bytes()).map_err(at(&path))?;
            Ok(made)
        })
        .await
    }
}

impl Locked {
    /// Makes sure that a new secret could be kept, before the old one is given up for it.
    pub(super) async fn probe(&self) -> Result<(), CredentialError> {
        let (path, lock) = (self.dir.join("worker.probe"), self.lock.clone());
        blocking(path.clone(), move || {
            let _held = lock;
            write_private(&path, b"may be removed\n").map_err(at(&path))?;
            fs::remove_file(&path).map_err(at(&path))
        })
        .await
    }

    /// Keeps an identity; it is on disk when this returns.
    pub(super) async fn keep(&self, identity: &Identity) -> Result<(), CredentialError> {
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

/// A disk may be slow, so it is not asked on the threads of requests.
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
    // What serde says of it could repeat the secret.
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

/// There are several files, and nothing to choose by.
struct Several;

/// The file of the worker that is named; without a name the only one in the scope's directory. The root is shared with
/// other programs, so nothing is taken from there without a name.
fn legacy(root: &Path, dir: &Path, named: Option<&WorkerId>, is_default: bool) -> Result<Option<Identity>, Several> {
    let candidates: Vec<PathBuf> = match named {
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
    async fn that_there_are_several_files_is_said_by_a_bootstrap_and_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let credentials = CredentialDir::new(dir.path().to_owned());
        let of_scope = dir.path().join("control-plane");
        fs::create_dir(&of_scope).expect("made");
        for digit in ["1", "2"] {
            let file = format!("wkr_{}.token", digit.repeat(26));
            fs::write(of_scope.join(file), "secret").expect("written");
        }
        let warned = || credentials.warned.lock().expect("whole").len();
        assert!(!credentials.has(&Scope::ControlPlane, None, false));
        assert_eq!(warned(), 0, "looking at it says nothing");
        for _ in 0..2 {
            let locked = credentials.lock(&Scope::ControlPlane, None, false).await.expect("free");
            assert!(locked.legacy.is_none());
            assert_eq!(warned(), 1);
        }
    }

    #[tokio::test]
    async fn a_lock_that_nobody_lets_go_of_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut credentials = CredentialDir::new(dir.path().to_owned());
        let scope = Scope::ControlPlane;
        let holder = credentials.lock(&scope, None, false).await.expect("free");
        credentials.patience = Duration::ZERO;
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
        // A write that nobody waits for any more still keeps the others out.
        let lock = holder.lock.clone();
        drop(holder);
        assert!(credentials.lock(&scope, None, false).await.is_err());
        drop(lock);
        assert!(credentials.lock(&scope, None, false).await.is_ok());
    }
}
