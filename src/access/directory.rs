//! The console's credentials on disk. A scope's directory is `<root>/<experiment id>` or `<root>/control-plane`; in it is
//! `worker.json`, and beside it the lock that replicas share.
//!
//! The layouts of the reference console are read too, so that a deployment can move over: `<worker id>.token` in the
//! scope's directory, and for the default experiment also in the root itself.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::{CredentialError, Scope};
use crate::client::Bearer;
use crate::private_file::{create_private_dir, create_private_once, replace_private, write_private};
use crate::protocol::{Actor, WorkerId};

/// A worker of the console's and its secret.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub worker: WorkerId,
    pub secret: SecretString,
}

impl Identity {
    pub(super) fn bearer(&self) -> Bearer {
        Bearer::new(Actor::Worker(self.worker.clone()), self.secret.clone())
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    worker_id: WorkerId,
    token: String,
}

/// Where the console's credentials are.
#[derive(Debug, Clone)]
pub(super) struct CredentialDir {
    root: PathBuf,
}

/// What a bootstrap works with while it holds the scope's lock.
pub(super) struct Locked {
    dir: PathBuf,
    /// Read when the lock was taken: what another process wrote before it let go is in it. An error when the file
    /// holds something else.
    pub stored: Result<Option<Identity>, CredentialError>,
    /// What the reference console left.
    pub legacy: Option<Identity>,
    /// Closing it opens the lock.
    _lock: File,
}

impl CredentialDir {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where a scope's credential is kept.
    pub(super) fn path(&self, scope: &Scope) -> PathBuf {
        self.root.join(scope.directory()).join("worker.json")
    }

    /// Whether a scope's credential is kept, as far as can be told without a lock.
    pub(super) fn has(&self, scope: &Scope, named: Option<&WorkerId>, is_default: bool) -> bool {
        let dir = self.root.join(scope.directory());
        dir.join("worker.json").exists() || legacy(&self.root, &dir, named, is_default).is_some()
    }

    /// Takes the scope's lock, waiting for whoever has it, and reads what is kept. `named` is the worker that the
    /// reference's files are of; `is_default` lets files of the root count.
    pub(super) async fn lock(
        &self,
        scope: &Scope,
        named: Option<WorkerId>,
        is_default: bool,
    ) -> Result<Locked, CredentialError> {
        let (root, dir) = (self.root.clone(), self.root.join(scope.directory()));
        blocking(dir.clone(), move || {
            create_private_dir(&dir).map_err(at(&dir))?;
            let path = dir.join("worker.lock");
            let open = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path);
            let lock = open.map_err(at(&path))?;
            lock.lock().map_err(at(&path))?;
            Ok(Locked {
                stored: stored(&dir.join("worker.json")),
                legacy: legacy(&root, &dir, named.as_ref(), is_default),
                dir,
                _lock: lock,
            })
        })
        .await
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
}

impl Locked {
    /// Makes sure that a new secret could be kept, before the old one is given up for it.
    pub(super) async fn probe(&self) -> Result<(), CredentialError> {
        let path = self.dir.join("worker.probe");
        blocking(path.clone(), move || {
            write_private(&path, b"may be removed\n").map_err(at(&path))?;
            fs::remove_file(&path).map_err(at(&path))
        })
        .await
    }

    /// Keeps an identity; it is on disk when this returns.
    pub(super) async fn keep(&self, identity: &Identity) -> Result<(), CredentialError> {
        let path = self.dir.join("worker.json");
        let stored = Stored {
            worker_id: identity.worker.clone(),
            token: identity.secret.expose_secret().to_owned(),
        };
        blocking(path.clone(), move || {
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

/// A lock may be waited for and a disk may be slow, so neither is asked on the threads of requests.
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
    }))
}

fn malformed(path: &Path, reason: &str) -> CredentialError {
    CredentialError::Malformed {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

/// The file of the worker that is named; without a name the only one in the scope's directory. The root is shared with
/// other programs, so nothing is taken from there without a name.
fn legacy(root: &Path, dir: &Path, named: Option<&WorkerId>, is_default: bool) -> Option<Identity> {
    let candidates: Vec<PathBuf> = match named {
        Some(worker) => {
            let file = format!("{worker}.token");
            let mut paths = vec![dir.join(&file)];
            paths.extend(is_default.then(|| root.join(&file)));
            paths
        }
        None => {
            let entries = fs::read_dir(dir).ok()?.filter_map(Result::ok).map(|entry| entry.path());
            let tokens: Vec<_> = entries
                .filter(|path| path.extension().is_some_and(|end| end == "token"))
                .collect();
            if tokens.len() > 1 {
                warn!(dir = %dir.display(), "several .token files and no --worker-id to choose by; none is used");
                return None;
            }
            tokens
        }
    };
    candidates.iter().find_map(|path| {
        let worker = path.file_stem()?.to_str()?.parse().ok()?;
        let token = fs::read_to_string(path).ok()?;
        let secret = token.trim();
        (!secret.is_empty()).then(|| Identity {
            worker,
            secret: secret.into(),
        })
    })
}
