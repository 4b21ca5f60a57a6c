//! How a backend is set up.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::clock::Clock;
use crate::lifecycle::Tasks;

/// Where a backend keeps its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A directory of its own, with `switchboard.db` inside. What is acknowledged is on disk.
    Directory(PathBuf),
    /// The same, but nothing waits for the disk: what is acknowledged may be lost with the process.
    Scratch(PathBuf),
}

/// What a commit waits for before it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// The disk.
    Synced,
    /// Nothing, since the data need not outlive the process.
    Unsynced,
}

/// How callers are authenticated.
pub enum Authentication {
    /// By their secrets; this one is the secret of the principal `admin`.
    AdminToken(SecretString),
    /// Not at all: every principal is believed and may do everything. For tests on one machine.
    Off,
}

/// How a backend is set up.
pub struct Options {
    /// Where it keeps its data.
    pub location: Location,
    /// How callers are authenticated.
    pub authentication: Authentication,
    /// The time of day.
    pub clock: Clock,
    /// Owns the backend's tasks; streams and servers end when it stops.
    pub tasks: Tasks,
    /// How long `events/subscribe` waits for an event unless the caller asks otherwise.
    pub subscribe_timeout: Duration,
    /// The time between the heartbeats of a push stream. Readers give up after 15 s of silence.
    pub heartbeat: Duration,
    /// How long a lease lasts unless it is renewed (`ch11 §4`).
    pub lease_duration: Duration,
    /// The largest artifact in bytes.
    pub max_artifact_bytes: u64,
    /// The largest checkpoint archive in bytes.
    pub max_checkpoint_bytes: u64,
    /// The directory of the bare repositories, one per experiment, named `<experiment_id>.git`. `None` is `repos`
    /// beside the database.
    pub repo_root: Option<PathBuf>,
    /// A directory with one directory per experiment, named after it, whose files reference clients may read. `None`
    /// serves none. Deposited artifacts are elsewhere.
    pub artifacts_dir: Option<PathBuf>,
    /// Makes the minted ids the same on every run; for tests.
    pub id_seed: Option<u64>,
}

impl Options {
    /// The defaults: 30 s for subscribe and for a lease, 5 s between heartbeats, 100 MiB for an artifact, 4 GiB for a
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
