//! The embedded backend: an EDEN task store and control plane for many experiments, on SQLite.
//!
//! Inside, from the bottom up: `transition` decides (pure), `storage` remembers (the only SQL), `hub` wakes who
//! waits, `auth` and `authority` say who may, `push` streams, `expiry` tells of leases that ran out, `blobs` keeps
//! files, `checkpoint` reads and writes archives, and `http` is the thin binding of the wire to them.
//! Nothing reaches a [`Backend`] but HTTP: the console and the demo use the ordinary client.

mod auth;
mod authority;
mod blobs;
mod checkpoint;
mod expiry;
mod http;
mod hub;
mod mint;
mod push;
mod shape;
mod storage;
mod transition;

use std::convert::Infallible;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use poem::Endpoint;
use secrecy::SecretString;
use tokio::sync::{Notify, Semaphore};

use crate::clock::Clock;
use crate::lifecycle::Tasks;
use auth::Auth;
use blobs::Blobs;
use checkpoint::Repos;
use hub::Hub;
use mint::Mint;
use storage::{Durability, ScopeKey, StorageError, Store, Version};

pub use auth::load_or_create_admin_token;
pub use storage::OpenError;

/// Where a backend keeps what it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A directory of its own, with `switchboard.db` inside. What is acknowledged is on disk.
    Directory(PathBuf),
    /// The same, but nothing waits for the disk: what is acknowledged outlives the process only by luck.
    Scratch(PathBuf),
}

/// How callers are known.
pub enum Authentication {
    /// By their secrets; this is the one of the principal `admin`.
    AdminToken(SecretString),
    /// Not at all: every principal is believed, every gate is open. For tests on one machine.
    Off,
}

/// How a backend is set up.
pub struct Options {
    /// Where it keeps what it knows.
    pub location: Location,
    /// How callers are known.
    pub authentication: Authentication,
    /// The time of day.
    pub clock: Clock,
    /// What its tasks belong to; streams and servers end when it stops.
    pub tasks: Tasks,
    /// How long `events/subscribe` waits for an event unless the caller asks otherwise.
    pub subscribe_timeout: Duration,
    /// How often a push stream says that it is alive. Readers give up after 15 s of silence.
    pub heartbeat: Duration,
    /// How long a lease is good for unless it is renewed (`ch11 §4`).
    pub lease_duration: Duration,
    /// The largest artifact in bytes.
    pub max_artifact_bytes: u64,
    /// The largest checkpoint archive in bytes.
    pub max_checkpoint_bytes: u64,
    /// Holds one bare repository an experiment, `<experiment_id>.git`; `None` is `repos` beside the database.
    pub repo_root: Option<PathBuf>,
    /// Holds one directory an experiment, named after it, whose files reference clients may read; `None` serves
    /// none. It is apart from deposited artifacts.
    pub artifacts_dir: Option<PathBuf>,
    /// Makes the minted ids the same on every run; for tests.
    pub id_seed: Option<u64>,
}

impl Options {
    /// The usual ones: 30 s for subscribe and for a lease, 5 s between heartbeats, 100 MiB an artifact, 4 GiB a
    /// checkpoint.
    pub fn new(location: Location, admin_token: SecretString, clock: Clock, tasks: Tasks) -> Self {
        Self {
            location,
            authentication: Authentication::AdminToken(admin_token),
            clock,
            tasks,
            subscribe_timeout: Duration::from_secs(30),
            heartbeat: Duration::from_secs(5),
            lease_duration: Duration::from_secs(30),
            max_artifact_bytes: 100 * 1024 * 1024,
            max_checkpoint_bytes: 4 * 1024 * 1024 * 1024,
            repo_root: None,
            artifacts_dir: None,
            id_seed: None,
        }
    }
}

/// A cheap handle on a running backend.
#[derive(Clone)]
pub struct Backend(Arc<Inner>);

struct Inner {
    store: Store,
    hub: Hub,
    auth: Auth,
    mint: Mint,
    clock: Clock,
    tasks: Tasks,
    subscribe_timeout: Duration,
    heartbeat: Duration,
    blobs: Blobs,
    repos: Repos,
    /// One permit: for whose turn it is to import.
    imports: Arc<Semaphore>,
    max_artifact_bytes: u64,
    max_checkpoint_bytes: u64,
    artifacts_dir: Option<PathBuf>,
    /// Tells the validators of this process from those of another, which may have had another history.
    incarnation: u32,
    lease_duration: Duration,
    /// Wakes whoever waits for the next lease to expire.
    leases_changed: Notify,
    /// Held so that no other process opens the same directory.
    _lock: File,
}

impl Inner {
    /// The validator of a list that is true for a version (RFC 9110 §8.8.3).
    fn validator(&self, version: Version) -> String {
        let Version { cursor, revision } = version;
        format!("\"{:08x}-{cursor}-{revision}\"", self.incarnation)
    }
}

impl Backend {
    /// Opens the location and brings its schema up to date.
    ///
    /// # Errors
    /// One line for whoever started the program: see [`OpenError`].
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let (dir, durability) = match options.location {
            Location::Directory(dir) => (dir, Durability::Synced),
            Location::Scratch(dir) => (dir, Durability::Unsynced),
        };
        let lock = lock(&dir)?;
        let unwritable = |source| OpenError::Unwritable {
            path: dir.clone(),
            source,
        };
        let blobs = Blobs::open(&dir, durability).map_err(unwritable)?;
        let repos = options.repo_root.unwrap_or_else(|| dir.join("repos"));
        let repos = Repos::open(repos, blobs.is_synced()).map_err(unwritable)?;
        let path = dir.join("switchboard.db");
        let (store, stored) = Store::open(&path, durability).await?;
        settle(&repos, &store).await.map_err(|error| match error {
            StorageError::File(source) => unwritable(source),
            other => OpenError::Content {
                path: path.clone(),
                detail: other.to_string(),
            },
        })?;
        let hub = Hub::new(stored).map_err(|error| OpenError::Content {
            path,
            detail: error.to_string(),
        })?;
        Ok(Self(Arc::new(Inner {
            store,
            hub,
            auth: Auth::new(&options.authentication),
            mint: Mint::new(options.clock.clone(), options.id_seed),
            clock: options.clock,
            tasks: options.tasks,
            subscribe_timeout: options.subscribe_timeout,
            heartbeat: options.heartbeat,
            blobs,
            repos,
            imports: Arc::new(Semaphore::new(1)),
            max_artifact_bytes: options.max_artifact_bytes,
            max_checkpoint_bytes: options.max_checkpoint_bytes,
            artifacts_dir: options.artifacts_dir,
            incarnation: rand::random(),
            lease_duration: options.lease_duration,
            leases_changed: Notify::new(),
            _lock: lock,
        })))
    }

    /// Serves on `listener` until the tasks are asked to stop; without this task the process makes no sense.
    pub fn serve(&self, listener: tokio::net::TcpListener) {
        let routes = self.routes();
        let stopping = self.0.tasks.stopping();
        self.0
            .tasks
            .spawn_essential("backend", http::serve(listener, routes, stopping));
        let expiry = expiry::watch(self.0.clone());
        self.0.tasks.spawn_essential("lease expiry", async move {
            expiry.await;
            Ok::<_, Infallible>(())
        });
    }

    /// Every endpoint of the backend, credentials checked and errors in the envelope.
    pub fn routes(&self) -> impl Endpoint + 'static {
        http::routes(self.0.clone())
    }
}

/// Keeps or removes the repositories of imports that an earlier process did not see the end of.
async fn settle(repos: &Repos, store: &Store) -> Result<(), StorageError> {
    let undecided = repos.undecided()?;
    if undecided.is_empty() {
        return Ok(());
    }
    let mut session = store.read(ScopeKey::DEPLOYMENT).await?;
    for id in undecided {
        let has_landed = session.is_imported(&id).await?;
        repos.decide(&id, has_landed)?;
    }
    Ok(())
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let unwritable = |source| OpenError::Unwritable {
        path: dir.to_owned(),
        source,
    };
    fs::create_dir_all(dir).map_err(unwritable)?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join("lock"))
        .map_err(unwritable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(unwritable(source)),
    }
}
