//! The console: on the backend in this process, or on servers that run elsewhere.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio::signal::unix::Signal;
use tracing::{info, warn};

use super::data_dir::DataDir;
use super::error::AppError;
use super::sockets::local_address;
use super::stdout::{announce, say};
use crate::access::{self, Posture, StoreFactory};
use crate::cli::{ReposConfig, ServeConfig};
use crate::clock::Clock;
use crate::demo;
use crate::experiment_configs::{self, ConfigSource};
use crate::lifecycle::Tasks;
use crate::live::{self, Live};
use crate::private_file::create_private_dir;
use crate::protocol::ExperimentId;
use crate::repos::{self, CredentialSource, Remote, RepoMaterializer};
use crate::secrets;
use crate::web::{self, Web};

/// How long a mirror is kept after it was last viewed.
const MIRROR_IDLE: Duration = Duration::from_secs(300);
/// How often the registry is read where the control plane does not push.
const REGISTRY_EVERY: Duration = Duration::from_secs(2);
/// How many mirrors are kept at most.
const MIRRORS: usize = 64;
/// The byte budget of the page cache.
const PAGE_CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// Settings of a console.
pub(super) struct Parts {
    pub access: access::Options,
    pub configs: experiment_configs::Options,
    pub repos: Option<RepoMaterializer>,
    pub session_key: [u8; 64],
    /// The byte budget of all mirrors together.
    pub mirror_bytes: u64,
    /// The bearer token for the metrics.
    pub metrics_token: Option<SecretString>,
    /// Whether browsers send the session cookie over HTTPS only.
    pub secure_cookies: bool,
    /// Whether one-time links to sign in can be issued.
    pub sign_in_links: bool,
}

/// Starts a console on the backend in this process, with one-time links to sign in.
pub(super) fn with_backend(
    data_dir: &DataDir,
    parts: Parts,
    listener: TcpListener,
    sign_in_signal: Signal,
    clock: &Clock,
    tasks: &Tasks,
) -> Result<(), AppError> {
    let (web, address) = start(parts, listener, clock, tasks)?;
    print_sign_in_links(web, address, sign_in_signal, tasks);
    info!(data_dir = %data_dir.path.display(), console.url = %format!("http://{address}/"), "up");
    Ok(())
}

/// Starts a console on servers that run elsewhere. They are not called before it starts; pages show whether they
/// answer.
pub(super) async fn serve(config: ServeConfig, listener: TcpListener, tasks: &Tasks) -> Result<(), AppError> {
    let clock = Clock::default();
    let credentials = config.access.credentials.clone();
    create_private_dir(&credentials).map_err(|source| AppError::DataDirectory {
        path: credentials.clone(),
        source,
    })?;
    for (flag, reason) in &config.ignored {
        warn!(flag, reason, "this option changes nothing here");
    }
    let default = config.access.default_experiment.clone();
    let parts = Parts {
        repos: repos(&config.repos, default.clone(), &clock, tasks)?,
        configs: experiment_configs::Options {
            dir: config.experiment_config_dir,
            default: default.zip(config.experiment_config),
        },
        session_key: match &config.session_secret {
            Some(secret) => secrets::derive_session_key(secret.expose_secret()),
            None => stored_session_key(&credentials)?,
        },
        access: config.access,
        mirror_bytes: config.mirror_budget_bytes,
        metrics_token: config.metrics_token,
        secure_cookies: config.secure_cookies,
        sign_in_links: false,
    };
    start(parts, listener, &clock, tasks)?;
    Ok(())
}

fn start(parts: Parts, listener: TcpListener, clock: &Clock, tasks: &Tasks) -> Result<(Web, SocketAddr), AppError> {
    let web = web(parts, clock, tasks)?;
    let address = local_address(&listener)?;
    web.serve(listener);
    announce("EDEN_WEB_UI_LISTENING", address);
    Ok((web, address))
}

fn repos(
    config: &ReposConfig,
    default: Option<ExperimentId>,
    clock: &Clock,
    tasks: &Tasks,
) -> Result<Option<RepoMaterializer>, AppError> {
    if config.root.is_none() && config.path.is_none() {
        return Ok(None);
    }
    let mut options = repos::Options::at(config.root.clone());
    let remote = config.remote.as_ref();
    match remote.map(|remote| Remote::parse(remote.expose_secret())) {
        Some(Ok(remote)) => options.remote = Some(remote),
        Some(Err(error)) => {
            warn!(%error, "repositories are read as they are here");
            options.unusable = Some(error);
        }
        None => {}
    }
    options.provided = default.zip(config.path.clone());
    let helper = config.credential_helper.as_ref();
    options.credential = match &config.credential_file {
        Some(file) => Some(CredentialSource::File(file.clone())),
        None => helper.map(|helper| CredentialSource::Helper(helper.expose_secret().to_owned())),
    };
    options.byte_budget = config.budget_bytes;
    Ok(Some(RepoMaterializer::new(options, clock.clone(), tasks.clone())?))
}

/// The key of the session cookie, made on the first start.
pub(super) fn stored_session_key(directory: &Path) -> Result<[u8; 64], AppError> {
    secrets::load_or_create_session_key(directory).map_err(|source| AppError::DataDirectory {
        path: directory.join("session-key"),
        source,
    })
}

fn web(parts: Parts, clock: &Clock, tasks: &Tasks) -> Result<Web, AppError> {
    let signed_out = parts.access.credentials.join("signed-out");
    let snapshots = parts.access.credentials.join("snapshots");
    let stores = StoreFactory::new(parts.access, clock.clone(), tasks.clone())?;
    match stores.posture() {
        Posture::WithoutCredentials => warn!(
            "there is a control plane, and neither an admin token nor kept credentials: nothing can be read until there is"
        ),
        posture => info!(?posture, "credential posture"),
    }
    let live = Live::start(live::Options {
        stores: stores.clone(),
        configs: ConfigSource::new(parts.configs, clock.clone()),
        clock: clock.clone(),
        tasks: tasks.clone(),
        idle_timeout: MIRROR_IDLE,
        max_mirrors: MIRRORS,
        max_mirror_bytes: parts.mirror_bytes,
        max_retry_delay: live::Options::MAX_RETRY_DELAY,
        snapshot_dir: Some(snapshots),
        registry_poll_interval: REGISTRY_EVERY,
    });
    Ok(Web::new(web::Options {
        live,
        stores,
        clock: clock.clone(),
        tasks: tasks.clone(),
        session_key: parts.session_key,
        secure_cookies: parts.secure_cookies,
        signed_out: Some(signed_out),
        sign_in_links: parts.sign_in_links,
        repos: parts.repos,
        sample_config: demo::sample_config(),
        metrics_token: parts.metrics_token,
        page_cache_bytes: PAGE_CACHE_BYTES,
        batch_intervals: web::Options::BATCH_INTERVALS,
    }))
}

fn print_sign_in_link(web: &Web, address: SocketAddr) {
    if let Some(path) = web.issue_sign_in() {
        say(&format!("SWITCHBOARD_SIGNIN url=http://{address}{path}"));
    }
}

/// Prints a sign-in link now, and another on each USR1.
fn print_sign_in_links(web: Web, address: SocketAddr, mut sign_in_signal: Signal, tasks: &Tasks) {
    print_sign_in_link(&web, address);
    let stopping = tasks.stopping();
    tasks.spawn("sign-in-links", async move {
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                Some(()) = sign_in_signal.recv() => print_sign_in_link(&web, address),
                else => return,
            }
        }
    });
}
