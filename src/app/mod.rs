//! The composition root: from a [`Config`] to a running deployment.

mod console;
mod data_dir;
mod error;
mod hosting;
mod sockets;
mod stdout;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

use crate::access;
use crate::cli::{BackendConfig, Config, ConsoleConfig, DeploymentConfig, Run};
use crate::client::{Bearer, Client};
use crate::clock::Clock;
use crate::demo;
use crate::embedded::Backend;
use crate::experiment_configs;
use crate::lifecycle::Tasks;
use crate::protocol::Actor;
use crate::repos::{self, RepoMaterializer};
use data_dir::DataDir;
use sockets::{bind, local_address, reachable};
use stdout::announce;

pub use error::AppError;

/// Runs until a signal or an essential task ends it.
///
/// # Errors
/// Why it cannot start, or what ended it.
pub async fn run(config: Config) -> Result<(), AppError> {
    let tasks = Tasks::new();
    stop_on_signals(&tasks)?;
    // From the beginning, with or without a console: a USR1 without a handler would end the process.
    let sign_in_signal = signal(SignalKind::user_defined1()).map_err(AppError::Signals)?;
    match config.run {
        Run::Deployment(config) => deployment(*config, sign_in_signal, &tasks).await,
        Run::Console(config) => {
            let listener = bind(config.listen, "--port").await?;
            let started = console::serve(*config, listener, &tasks).await;
            finish(started, tasks).await
        }
    }
}

async fn deployment(config: DeploymentConfig, sign_in_signal: Signal, tasks: &Tasks) -> Result<(), AppError> {
    let DeploymentConfig {
        storage,
        backend,
        console,
    } = config;
    // Sockets first: a port in use is reported before anything is written.
    let flag = match console {
        Some(_) => "--backend-port",
        None => "--port",
    };
    let backend_listener = bind(backend.listen, flag).await?;
    let console = match console {
        Some(console) => Some((bind(console.listen, "--port").await?, console)),
        None => None,
    };
    let data_dir = DataDir::prepare(&storage)?;
    let stopping = tasks.stopping();
    let started = tokio::select! {
        // `finish` reports what stopped it. A start that was interrupted adds nothing.
        () = stopping.cancelled() => Ok(()),
        started = start(&data_dir, &backend, backend_listener, console, sign_in_signal, tasks) => started,
    };
    finish(started, tasks.clone()).await
}

/// Waits for the end of all tasks, which are stopped if the start failed.
async fn finish(started: Result<(), AppError>, tasks: Tasks) -> Result<(), AppError> {
    if started.is_err() {
        tasks.stop();
    }
    let ended = tasks.join().await;
    started?;
    ended.map_err(AppError::Ended)
}

async fn start(
    data_dir: &DataDir,
    config: &BackendConfig,
    backend_listener: TcpListener,
    console: Option<(TcpListener, ConsoleConfig)>,
    sign_in_signal: Signal,
    tasks: &Tasks,
) -> Result<(), AppError> {
    let clock = Clock::default();
    let (options, admin_token) = hosting::options(data_dir, config, &clock, tasks)?;
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
    // The demo and imports make the repositories here, so there is no remote.
    let repos = RepoMaterializer::new(repos::Options::at(repo_root), clock.clone(), tasks.clone())?;
    let parts = console::Parts {
        access: access::Options::single_server(&base, admin_token, data_dir.path.join("console"))?,
        configs: experiment_configs::Options::default(),
        repos: Some(repos),
        sign_in_links: true,
        secure_cookies: false,
        mirror_bytes: config.mirror_budget_bytes,
        metrics_token: config.metrics_token,
        session_key: console::stored_session_key(&data_dir.path)?,
    };
    console::with_backend(data_dir, parts, listener, sign_in_signal, &clock, tasks)?;
    if config.demo {
        demo::start(demo::Options {
            client,
            data_dir: data_dir.path.clone(),
            clock,
            tasks: tasks.clone(),
        })
        .await?;
    }
    Ok(())
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
