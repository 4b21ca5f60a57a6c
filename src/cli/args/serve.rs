//! `switchboard serve`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use clap::builder::{FalseyValueParser, NonEmptyStringValueParser};
use secrecy::{ExposeSecret, SecretString};

use super::shared::{ConsoleArgs, host, non_blank, secret};
use crate::access::{self, check_address};
use crate::cli::config::{ReposConfig, ServeConfig};
use crate::cli::error::{MIN_SESSION_SECRET, UsageError};
use crate::cli::file::File;
use crate::protocol::{ExperimentId, WorkerId};

/// The help shows no value of a variable that may hold a secret: an address may hold a password, a helper's command
/// too.
#[derive(Debug, ClapArgs)]
pub(super) struct ServeArgs {
    /// Address to listen on
    #[arg(long, env = "SWITCHBOARD_HOST", value_name = "HOST", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_parser = host)]
    host: IpAddr,
    /// Port to listen on; 0 takes a free one
    #[arg(long, env = "SWITCHBOARD_PORT", default_value_t = 8090)]
    port: u16,
    /// Address of the task store; {experiment_id} in it stands for the experiment's id, where each has a server of its
    /// own
    #[arg(long, env = "EDEN_TASK_STORE_URL", hide_env_values = true, value_name = "URL")]
    task_store_url: Option<String>,
    /// Address of the control plane; without it the console shows one experiment
    #[arg(long, env = "EDEN_CONTROL_PLANE_URL", hide_env_values = true, value_name = "URL")]
    control_plane_url: Option<String>,
    /// File with what does not fit here: `task_store: {default: URL, experiments: {exp_…: URL}}` (YAML); options win
    /// over it
    #[arg(long, env = "SWITCHBOARD_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The default experiment: where bare paths lead until another is selected, and the only one without a control
    /// plane
    #[arg(long, env = "EDEN_EXPERIMENT_ID", value_name = "ID")]
    experiment_id: Option<ExperimentId>,
    /// Configuration of the default experiment, for a task store that does not tell it
    #[arg(long, env = "EDEN_EXPERIMENT_CONFIG", value_name = "FILE")]
    experiment_config: Option<PathBuf>,
    /// Holds <experiment-id>.yaml for the others
    #[arg(long, env = "EDEN_EXPERIMENT_CONFIG_DIR", value_name = "DIR")]
    experiment_config_dir: Option<PathBuf>,
    /// Secret of the principal `admin` of the task stores; without it only experiments whose credentials are kept can
    /// be read
    #[arg(long, env = "EDEN_ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = secret)]
    admin_token: Option<SecretString>,
    /// Secret of the principal `admin` of the control plane [default: the admin token]
    #[arg(long, env = "EDEN_CONTROL_PLANE_ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = secret)]
    control_plane_admin_token: Option<SecretString>,
    /// Where the console keeps its credentials; replicas share it [default: ~/.local/state/eden/web-ui]
    #[arg(long, env = "EDEN_CREDENTIAL_DIR", value_name = "DIR")]
    credential_dir: Option<PathBuf>,
    /// The same, as worker hosts call it
    #[arg(long, env = "EDEN_WORKER_CREDENTIALS_DIR", value_name = "DIR")]
    credentials_dir: Option<PathBuf>,
    /// What the console is called where it registers
    #[arg(long, env = "SWITCHBOARD_WORKER_NAME", value_name = "NAME", default_value = access::Options::WORKER_NAME)]
    worker_name: String,
    /// Worker of the default experiment whose <worker-id>.token another console left in the credential directory
    #[arg(long, env = "EDEN_WEB_UI_WORKER_ID", value_name = "ID")]
    worker_id: Option<WorkerId>,
    /// The same for the control plane
    #[arg(long, env = "EDEN_CONTROL_PLANE_WORKER_ID", value_name = "ID")]
    control_plane_worker_id: Option<WorkerId>,
    /// What session cookies are encrypted with, the same for all replicas; without it a key is made and kept beside the
    /// credentials
    #[arg(long, env = "EDEN_SESSION_SECRET", hide_env_values = true, value_name = "SECRET", value_parser = secret)]
    session_secret: Option<SecretString>,
    /// Let browsers send the session cookie over HTTPS only
    #[arg(long, env = "EDEN_SECURE_COOKIES", value_parser = FalseyValueParser::new())]
    secure_cookies: bool,
    /// Bare clone of the default experiment's repository
    #[arg(long, env = "EDEN_REPO_PATH", value_name = "DIR")]
    repo_path: Option<PathBuf>,
    /// Where repositories of the others are cloned to [default: the parent of --repo-path]
    #[arg(long, env = "EDEN_REPO_ROOT", value_name = "DIR")]
    repo_root: Option<PathBuf>,
    /// Remote of the repositories; what stands after its last / is replaced by <experiment-id>.git
    #[arg(long, env = "EDEN_FORGEJO_URL", hide_env_values = true, value_name = "URL", value_parser = secret)]
    forgejo_url: Option<SecretString>,
    /// Program that speaks git's protocol of credential helpers, for that remote
    #[arg(long, env = "EDEN_CREDENTIAL_HELPER", hide_env_values = true, value_name = "PROGRAM", value_parser = secret)]
    credential_helper: Option<SecretString>,
    /// File that only its owner may read, with `username:password` or a token for that remote; wins over the helper
    #[arg(long, env = "EDEN_REPO_CREDENTIAL_FILE", hide_env_values = true, value_name = "FILE")]
    repo_credential_file: Option<PathBuf>,
    /// How many bytes the clones may take together; the least recently used go first
    #[arg(long, env = "SWITCHBOARD_REPO_BUDGET_BYTES", value_name = "BYTES", default_value_t = 10 << 30)]
    repo_budget_bytes: u64,
    #[command(flatten)]
    console: ConsoleArgs,
    #[command(flatten)]
    ignored: IgnoredArgs,
}

/// Options of the reference console that have no effect here. They are accepted, so that its command lines work.
#[derive(Debug, ClapArgs)]
struct IgnoredArgs {
    #[arg(long, hide = true, value_parser = NonEmptyStringValueParser::new())]
    artifacts_dir: Option<String>,
    #[arg(long, hide = true)]
    startup_timeout: Option<f64>,
    #[arg(long, hide = true)]
    claim_ttl_seconds: Option<u64>,
    #[arg(long, hide = true)]
    clone_url: Option<String>,
    #[arg(long, hide = true)]
    base_commit_sha: Option<String>,
    #[arg(long, hide = true)]
    log_level: Option<String>,
}

impl ServeArgs {
    pub(super) fn into_config(self) -> Result<ServeConfig, UsageError> {
        let file = match &self.config {
            Some(path) => File::read(path)?,
            None => File::default(),
        };
        let task_stores = file.task_stores(self.config.as_deref(), self.task_store_url.as_deref())?;
        if let Some(url) = &self.control_plane_url {
            check_address(url).map_err(|source| UsageError::Address {
                flag: "--control-plane-url",
                source,
            })?;
        } else if self.experiment_id.is_none() {
            return Err(UsageError::NoExperiment);
        }
        let ignored = self.ignored();
        let session_secret = non_blank(self.session_secret);
        let is_short = |secret: &SecretString| secret.expose_secret().chars().count() < MIN_SESSION_SECRET;
        if session_secret.as_ref().is_some_and(is_short) {
            return Err(UsageError::SessionSecret);
        }
        let admin_token = non_blank(self.admin_token);
        Ok(ServeConfig {
            listen: SocketAddr::new(self.host, self.port),
            access: access::Options {
                task_stores,
                control_plane: self.control_plane_url,
                control_admin_token: non_blank(self.control_plane_admin_token).or_else(|| admin_token.clone()),
                admin_token,
                credentials: self
                    .credential_dir
                    .or(self.credentials_dir)
                    .unwrap_or_else(default_credential_dir),
                worker_name: self.worker_name,
                default_experiment: self.experiment_id,
                worker_id: self.worker_id,
                control_worker_id: self.control_plane_worker_id,
            },
            session_secret,
            secure_cookies: self.secure_cookies,
            experiment_config: self.experiment_config,
            experiment_config_dir: self.experiment_config_dir,
            repos: ReposConfig {
                root: self.repo_root.or_else(|| parent(self.repo_path.as_deref()?)),
                path: self.repo_path,
                remote: non_blank(self.forgejo_url),
                credential_helper: non_blank(self.credential_helper),
                credential_file: self.repo_credential_file,
                budget_bytes: self.repo_budget_bytes,
            },
            mirror_budget_bytes: self.console.mirror_budget_bytes,
            metrics_token: non_blank(self.console.metrics_token),
            ignored,
        })
    }
}

impl ServeArgs {
    /// The options that were given and have no effect, and why.
    fn ignored(&self) -> Vec<(&'static str, &'static str)> {
        let always = &self.ignored;
        let has_no_default = self.experiment_id.is_none();
        let is_single = self.control_plane_url.is_none();
        let has_no_clones = self.repo_path.is_none() && self.repo_root.is_none();
        let reasons: [(_, _, &[(_, _)]); 4] = [
            (
                "nothing here is decided by it",
                true,
                &[
                    ("--artifacts-dir", always.artifacts_dir.is_some()),
                    ("--startup-timeout", always.startup_timeout.is_some()),
                    ("--claim-ttl-seconds", always.claim_ttl_seconds.is_some()),
                    ("--clone-url", always.clone_url.is_some()),
                    ("--base-commit-sha", always.base_commit_sha.is_some()),
                    ("--log-level", always.log_level.is_some()),
                ],
            ),
            (
                "it is about the default experiment, and there is no --experiment-id",
                has_no_default,
                &[
                    ("--experiment-config", self.experiment_config.is_some()),
                    ("--worker-id", self.worker_id.is_some()),
                    ("--repo-path", self.repo_path.is_some()),
                ],
            ),
            (
                "there is no --control-plane-url, so there is one experiment",
                is_single,
                &[
                    ("--experiment-config-dir", self.experiment_config_dir.is_some()),
                    ("--control-plane-worker-id", self.control_plane_worker_id.is_some()),
                ],
            ),
            (
                "there is neither --repo-path nor --repo-root to clone to",
                has_no_clones,
                &[
                    ("--forgejo-url", self.forgejo_url.is_some()),
                    ("--credential-helper", self.credential_helper.is_some()),
                    ("--repo-credential-file", self.repo_credential_file.is_some()),
                ],
            ),
        ];
        let mut ignored = Vec::new();
        for (reason, _, options) in reasons.iter().filter(|(_, applies, _)| *applies) {
            let given = options.iter().filter(|(_, is_given)| *is_given);
            ignored.extend(given.map(|(flag, _)| (*flag, *reason)));
        }
        ignored
    }
}

/// The default for clones of the other experiments: beside the one that is given, as in the reference console.
fn parent(path: &Path) -> Option<PathBuf> {
    Some(std::path::absolute(path).ok()?.parent()?.to_owned())
}

/// The default of the reference console for its credentials.
fn default_credential_dir() -> PathBuf {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let state = variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")));
    state.unwrap_or_else(|| PathBuf::from(".")).join("eden/web-ui")
}
