//! The console: over the backend in this process, or over servers that run elsewhere.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio::signal::unix::Signal;
use tracing::{info, warn};

use super::{AppError, Home, announce, local_address, say};
use crate::access::{self, Posture, StoreFactory};
use crate::clock::Clock;
use crate::config::{ReposConfig, ServeConfig};
use crate::configs::{self, ConfigSource};
use crate::demo;
use crate::lifecycle::Tasks;
use crate::live::{self, Live};
use crate::private_file::create_private_dir;
use crate::protocol::ExperimentId;
use crate::repos::{self, CredentialSource, Remote, RepoMaterializer};
use crate::secrets;
use crate::web::{self, Web};

/// How long a mirror is kept after the last view.
const MIRROR_IDLE: Duration = Duration::from_secs(300);
/// How often the registry is read where the control plane does not push.
const REGISTRY_EVERY: Duration = Duration::from_secs(2);
/// How many mirrors are kept at most.
const MIRRORS: usize = 64;
/// Bytes of drawn pages that are kept.
const PAGE_CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// What a console is put together from.
pub(super) struct Parts {
    pub access: access::Options,
    pub configs: configs::Options,
    pub repos: Option<RepoMaterializer>,
    pub session_key: [u8; 64],
    /// How many bytes all mirrors together may take.
    pub mirror_bytes: u64,
    /// What a monitoring system shows for the metrics.
    pub metrics_token: Option<SecretString>,
    /// Whether browsers send the session cookie over HTTPS only.
    pub secure_cookies: bool,
    /// Whether one-time links let in whoever operates the process.
    pub sign_in_links: bool,
}

/// Over the backend in this process, with one-time links to sign in.
pub(super) fn with_backend(
    home: &Home,
    parts: Parts,
    listener: TcpListener,
    asked: Signal,
    clock: &Clock,
    tasks: &Tasks,
) -> Result<(), AppError> {
    let web = web(parts, clock, tasks)?;
    let address = local_address(&listener)?;
    web.serve(listener);
    announce("EDEN_WEB_UI_LISTENING", address);
    sign_in_links(web, address, asked, tasks);
    info!(data_dir = %home.path.display(), console.url = %format!("http://{address}/"), "up");
    Ok(())
}

/// Over servers that run elsewhere. Whether they do is seen on the pages: nothing is asked of them before it starts.
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
        configs: configs::Options {
            dir: config.experiment_config_dir,
            default: default.zip(config.experiment_config),
        },
        session_key: match &config.session_secret {
            Some(secret) => secrets::session_key_of(secret.expose_secret()),
            None => kept_session_key(&credentials)?,
        },
        access: config.access,
        mirror_bytes: config.mirror_budget_bytes,
        metrics_token: config.metrics_token,
        secure_cookies: config.secure_cookies,
        sign_in_links: false,
    };
    let web = web(parts, &clock, tasks)?;
    let address = local_address(&listener)?;
    web.serve(listener);
    announce("EDEN_WEB_UI_LISTENING", address);
    Ok(())
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
    match config
        .remote
        .as_ref()
        .map(|remote| Remote::parse(remote.expose_secret()))
    {
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

/// The session cookie's key, made on the first start.
pub(super) fn kept_session_key(directory: &Path) -> Result<[u8; 64], AppError> {
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
        posture => info!(?posture, "standing"),
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
    }))
}

fn announce_sign_in(web: &Web, address: SocketAddr) {
    if let Some(path) = web.issue_sign_in() {
        say(&format!("SWITCHBOARD_SIGNIN url=http://{address}{path}"));
    }
}

/// Prints a sign-in link now, and another whenever USR1 asks for one.
fn sign_in_links(web: Web, address: SocketAddr, mut asked: Signal, tasks: &Tasks) {
    announce_sign_in(&web, address);
    let stopping = tasks.stopping();
    tasks.spawn("sign-in-links", async move {
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                Some(()) = asked.recv() => announce_sign_in(&web, address),
                else => return,
            }
        }
    });
}
