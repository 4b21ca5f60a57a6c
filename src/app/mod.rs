//! The composition root: from a [`Config`] to a running deployment.

mod console;
mod hosting;

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::access::{self, AddressError};
use crate::cli::{BackendConfig, Config, ConsoleConfig, DeploymentConfig, Run, Storage};
use crate::client::{Bearer, Client, ClientError};
use crate::clock::Clock;
use crate::demo;
use crate::embedded::{self, Backend};
use crate::experiment_configs;
use crate::lifecycle::Tasks;
use crate::private_file::create_private_dir;
use crate::protocol::{Actor, ExperimentId};
use crate::repos::{self, RepoMaterializer};

/// Why the program cannot start or go on; one line each.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The port is taken, or the address is not ours.
    #[error("cannot listen on {address}: {source}; choose another port with {flag}, or 0 for a free one")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What changes it.
        flag: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The data directory cannot be used.
    #[error("cannot use {path}: {source}")]
    DataDirectory {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The embedded backend cannot be opened.
    #[error(transparent)]
    Backend(#[from] embedded::OpenError),
    /// The configuration of an experiment to host cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    SeedFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An experiment cannot be hosted.
    #[error("cannot host experiment {id} with {}: {source}", path.display())]
    Seed {
        /// Its id.
        id: ExperimentId,
        /// The file with its configuration.
        path: PathBuf,
        /// Why.
        source: ClientError,
    },
    /// An address is none.
    #[error(transparent)]
    Route(#[from] AddressError),
    /// The client of the embedded backend cannot be set up.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The repositories of experiments cannot be set up.
    #[error(transparent)]
    Repos(#[from] repos::SetupError),
    /// The demo experiments cannot be set up.
    #[error("cannot start the demo: {0}")]
    Demo(#[from] demo::DemoError),
    /// Signals cannot be listened for.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
    /// Something without which the process makes no sense has ended.
    #[error("{0}")]
    Ended(String),
}

/// Runs until a signal or an essential task ends it.
///
/// # Errors
/// Why it cannot start, or what ended it.
pub async fn run(config: Config) -> Result<(), AppError> {
    let tasks = Tasks::new();
    stop_on_signals(&tasks)?;
    // Listened for from the beginning, with or without a console: unheard, USR1 would end the process.
    let asked = signal(SignalKind::user_defined1()).map_err(AppError::Signals)?;
    match config.run {
        Run::Deployment(config) => deployment(*config, asked, &tasks).await,
        Run::Console(config) => {
            let listener = bind(config.listen, "--port").await?;
            let started = console::serve(*config, listener, &tasks).await;
            finish(started, tasks).await
        }
    }
}

async fn deployment(config: DeploymentConfig, asked: Signal, tasks: &Tasks) -> Result<(), AppError> {
    let DeploymentConfig {
        storage,
        backend,
        console,
    } = config;
    // Sockets first: a port in use is said before anything is written.
    let flag = match console {
        Some(_) => "--backend-port",
        None => "--port",
    };
    let backend_listener = bind(backend.listen, flag).await?;
    let console = match console {
        Some(console) => Some((bind(console.listen, "--port").await?, console)),
        None => None,
    };
    let home = Home::prepare(&storage)?;
    let stopping = tasks.stopping();
    let started = tokio::select! {
        // What stopped it is said below; a start that was interrupted has nothing to add.
        () = stopping.cancelled() => Ok(()),
        started = start(&home, &backend, backend_listener, console, asked, tasks) => started,
    };
    finish(started, tasks.clone()).await
}

/// Waits for the end, which comes at once when the start failed.
async fn finish(started: Result<(), AppError>, tasks: Tasks) -> Result<(), AppError> {
    if started.is_err() {
        tasks.stop();
    }
    let ended = tasks.join().await;
    started?;
    ended.map_err(AppError::Ended)
}

async fn start(
    home: &Home,
    config: &BackendConfig,
    backend_listener: TcpListener,
    console: Option<(TcpListener, ConsoleConfig)>,
    asked: Signal,
    tasks: &Tasks,
) -> Result<(), AppError> {
    let clock = Clock::default();
    let (options, admin_token) = hosting::options(home, config, &clock, tasks)?;
    let repo_root = options.repo_root.clone();
    let backend = Backend::open(options).await?;
    let backend_address = local_address(&backend_listener)?;
    let base = format!("http://{}", reachable(backend_address));
    let client = Client::new(&base, Bearer::new(Actor::Admin, admin_token.clone()))?;
    backend.serve(backend_listener);
    for seed in &config.seeds {
        hosting::host(&client, seed).await?;
    }
    announce("EDEN_TASK_STORE_LISTENING", backend_address);
    announce("EDEN_CONTROL_PLANE_LISTENING", backend_address);

    let Some((listener, config)) = console else {
        return Ok(());
    };
    // They are made here, by the demo and by imports, so there is no remote.
    let repos = RepoMaterializer::new(repos::Options::at(repo_root), clock.clone(), tasks.clone())?;
    let parts = console::Parts {
        access: access::Options::single_server(&base, admin_token, home.path.join("console"))?,
        configs: experiment_configs::Options::default(),
        repos: Some(repos),
        sign_in_links: true,
        secure_cookies: false,
        mirror_bytes: config.mirror_budget_bytes,
        metrics_token: config.metrics_token,
        session_key: console::kept_session_key(&home.path)?,
    };
    console::with_backend(home, parts, listener, asked, &clock, tasks)?;
    if config.demo {
        demo::start(demo::Options {
            client,
            data_dir: home.path.clone(),
            clock,
            tasks: tasks.clone(),
        })
        .await?;
    }
    Ok(())
}

/// The data directory, and whether it goes when the process does.
struct Home {
    path: PathBuf,
    ephemeral: bool,
}

impl Home {
    fn prepare(storage: &Storage) -> Result<Self, AppError> {
        let (path, ephemeral) = match storage {
            Storage::Directory(path) => (path.clone(), false),
            Storage::Ephemeral => (
                std::env::temp_dir().join(format!("switchboard-{:016x}", rand::random::<u64>())),
                true,
            ),
        };
        create_private_dir(&path).map_err(|source| AppError::DataDirectory {
            path: path.clone(),
            source,
        })?;
        Ok(Self { path, ephemeral })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.ephemeral
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            warn!(path = %self.path.display(), %error, "the temporary directory is left behind");
        }
    }
}

async fn bind(address: SocketAddr, flag: &'static str) -> Result<TcpListener, AppError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| AppError::Listen { address, flag, source })
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, AppError> {
    listener
        .local_addr()
        .map_err(|error| AppError::Ended(format!("a socket has no address: {error}")))
}

/// An address to connect to: "every address" is one to listen on only.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()),
        _ => address,
    }
}

fn announce(what: &str, address: SocketAddr) {
    say(&format!("{what} host={} port={}", address.ip(), address.port()));
}

/// A reader of stdout that went away is no reason to end.
fn say(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

fn stop_on_signals(tasks: &Tasks) -> Result<(), AppError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(AppError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(AppError::Signals)?;
    let stopper = tasks.clone();
    tasks.spawn("signals", async move {
        let stopping = stopper.stopping();
        tokio::select! {
            _ = terminate.recv() => stopper.stop(),
            _ = interrupt.recv() => stopper.stop(),
            () = stopping.cancelled() => return,
        }
        info!("asked to end by a signal");
    });
    Ok(())
}
