//! Opening and serving a backend.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::Arc;

use poem::Endpoint;

use super::checkpoint::{Checkpoints, RepositoryStore};
use super::id_generator::IdGenerator;
use super::lease_expiry::LeaseExpiry;
use super::options::{Location, Options};
use super::push::PushStreams;
use super::storage::{StorageError, Store};
use super::{Authenticator, BackendState, BlobStore, Durability, OpenError, Scope, http};

/// A running backend. Cloning it is cheap.
#[derive(Clone)]
pub struct Backend {
    pub(super) state: Arc<BackendState>,
}

impl Backend {
    /// Opens the location and brings its schema up to date.
    ///
    /// # Errors
    /// Why the backend cannot start, in one line for the operator: see [`OpenError`].
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let (dir, durability) = match options.location {
            Location::Directory(dir) => (dir, Durability::Synced),
            Location::Scratch(dir) => (dir, Durability::Unsynced),
        };
        let lock = lock_directory(&dir)?;
        let unwritable = |source| OpenError::Unwritable {
            path: dir.clone(),
            source,
        };
        let blobs = BlobStore::open(&dir, durability).map_err(unwritable)?;
        let repositories = options.repo_root.unwrap_or_else(|| dir.join("repos"));
        let repositories = RepositoryStore::open(repositories, durability).map_err(unwritable)?;
        let path = dir.join("switchboard.db");
        let (store, experiments) = Store::open(&path, durability).await?;
        let deployment = Arc::new(Scope::deployment());
        let auth = Arc::new(Authenticator::new(&options.authentication, store.clone()));
        let (clock, tasks) = (options.clock, options.tasks);
        let checkpoints = Checkpoints {
            store: store.clone(),
            experiments: experiments.clone(),
            deployment: deployment.clone(),
            auth: auth.clone(),
            blobs: blobs.clone(),
            repositories,
            clock: clock.clone(),
            import_permits: Checkpoints::one_import_at_a_time(),
        };
        checkpoints
            .settle_interrupted_imports()
            .await
            .map_err(|error| match error {
                StorageError::File(source) => unwritable(source),
                other => OpenError::Content {
                    path,
                    detail: other.to_string(),
                },
            })?;
        Ok(Self {
            state: Arc::new(BackendState {
                push: PushStreams::new(store.clone(), auth.clone(), tasks.clone(), options.heartbeat),
                lease_expiry: Arc::new(LeaseExpiry::new(store.clone(), deployment.clone(), clock.clone())),
                store,
                experiments,
                deployment,
                auth,
                ids: IdGenerator::new(clock.clone(), options.id_seed),
                clock,
                tasks,
                blobs,
                checkpoints,
                subscribe_timeout: options.subscribe_timeout,
                lease_duration: options.lease_duration,
                max_artifact_bytes: options.max_artifact_bytes,
                max_checkpoint_bytes: options.max_checkpoint_bytes,
                artifacts_dir: options.artifacts_dir,
                incarnation: rand::random(),
                _lock: lock,
            }),
        })
    }

    /// Serves on `listener` until the tasks are asked to stop. If serving fails, the program ends.
    pub fn serve(&self, listener: tokio::net::TcpListener) {
        let tasks = &self.state.tasks;
        tasks.spawn_essential("backend", http::serve(listener, self.routes(), tasks.stopping()));
        let (expiry, stopping) = (self.state.lease_expiry.clone(), tasks.stopping());
        tasks.spawn_essential("lease expiry", async move {
            expiry.watch(stopping).await;
            Ok::<_, std::convert::Infallible>(())
        });
    }

    /// Every endpoint of the backend, with authentication, and errors as problem documents.
    pub fn routes(&self) -> impl Endpoint + 'static {
        http::routes(self.state.clone())
    }
}

fn lock_directory(dir: &Path) -> Result<File, OpenError> {
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
