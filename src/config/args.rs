//! What can be typed, and how it becomes what is used.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args as ClapArgs, Command as Grammar, CommandFactory, FromArgMatches, Parser, Subcommand};
use secrecy::{ExposeSecret, SecretString};

use super::{
    AuthenticationConfig, BackendConfig, Config, ConfigError, ConsoleConfig, Limits, LogConfig, SeedConfig, Storage,
};
use crate::protocol::{CommitSha, ExperimentId};

/// A live operator console for EDEN, the directed-evolution protocol.
///
/// Without a command it is `up`: an embedded EDEN deployment with demo experiments, and the console on it.
#[derive(Debug, Parser)]
#[command(name = "switchboard", version, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    up: UpArgs,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Embedded backend, demo experiments and console (the default)
    Up(UpArgs),
    /// Embedded backend only: task store and control plane for worker hosts and orchestrators
    Backend(BackendArgs),
}

#[derive(Debug, ClapArgs)]
struct LogArgs {
    /// Log as JSON, one object a line, on stderr
    #[arg(long, global = true, env = "SWITCHBOARD_LOG_JSON", value_parser = FalseyValueParser::new())]
    log_json: bool,
    /// What to log, as a tracing filter such as `info` or `switchboard::live=debug`
    #[arg(
        long,
        global = true,
        env = "SWITCHBOARD_LOG",
        default_value = "warn,switchboard=info",
        value_name = "FILTER"
    )]
    log: String,
}

#[derive(Debug, ClapArgs)]
struct UpArgs {
    #[command(flatten)]
    storage: StorageArgs,
    /// Address to listen on, console and backend alike
    #[arg(long, env = "SWITCHBOARD_HOST", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// Port of the console; 0 takes a free one
    #[arg(long, env = "SWITCHBOARD_PORT", default_value_t = 8090)]
    port: u16,
    /// Port of the task store and control plane; 0 takes a free one
    #[arg(long, env = "SWITCHBOARD_BACKEND_PORT", default_value_t = 8080)]
    backend_port: u16,
    /// Do not start the demo experiments
    #[arg(long, env = "SWITCHBOARD_NO_DEMO", value_parser = FalseyValueParser::new())]
    no_demo: bool,
}

#[derive(Debug, ClapArgs)]
struct BackendArgs {
    #[command(flatten)]
    storage: StorageArgs,
    /// Address to listen on
    #[arg(long, env = "SWITCHBOARD_HOST", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// Port of the task store and control plane; 0 takes a free one
    #[arg(long, env = "SWITCHBOARD_BACKEND_PORT", default_value_t = 8080)]
    port: u16,
    /// Host this experiment from the start, if it is not hosted yet; may be given several times, each with an
    /// --experiment-config
    #[arg(long, value_name = "ID", requires = "experiment_config")]
    experiment_id: Vec<ExperimentId>,
    /// Configuration of the --experiment-id at the same place, or of all of them when given once; YAML or JSON
    #[arg(long, value_name = "FILE", requires = "experiment_id")]
    experiment_config: Vec<PathBuf>,
    /// Seed commit of the --experiment-id at the same place, or of all of them when given once
    #[arg(long, env = "EDEN_BASE_COMMIT_SHA", value_name = "SHA", value_delimiter = ',')]
    base_commit_sha: Vec<CommitSha>,
    /// Secret of the principal `admin`; without it, it is kept in <data-dir>/admin-token and made on first use
    #[arg(long, env = "EDEN_ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = secret)]
    admin_token: Option<SecretString>,
    /// Believe every caller and check no secret, for test suites; refused on an address that others can reach
    #[arg(long, conflicts_with = "admin_token")]
    insecure_no_auth: bool,
    /// How long events/subscribe waits for an event, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    subscribe_timeout: Duration,
    /// How long a lease is good for unless it is renewed, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    lease_duration_seconds: Duration,
    /// Largest artifact in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 100 << 20)]
    max_artifact_bytes: u64,
    /// Largest checkpoint archive in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 4 << 30)]
    max_checkpoint_bytes: u64,
    /// Holds <experiment-id>.git for each experiment with a repository, to be carried by checkpoints
    /// [default: <data-dir>/repos]
    #[arg(long, env = "SWITCHBOARD_REPO_ROOT", value_name = "DIR")]
    repo_root: Option<PathBuf>,
    /// Holds <experiment-id>/ with files for commands that are given an artifact URL; without it none are served
    #[arg(long, value_name = "DIR")]
    artifacts_dir: Option<PathBuf>,
}

fn secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(text.trim().into())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let duration = text.parse().ok().and_then(|n| Duration::try_from_secs_f64(n).ok());
    duration.ok_or_else(|| "must be a number of seconds, 0 or more".to_owned())
}

#[derive(Debug, ClapArgs)]
struct StorageArgs {
    /// Where everything is kept: database, repositories, secrets (`admin-token` among them)
    #[arg(
        long,
        env = "SWITCHBOARD_DATA_DIR",
        default_value = "switchboard-data",
        value_name = "DIR"
    )]
    data_dir: PathBuf,
    /// Keep nothing: a temporary directory that is removed at the end; wins over --data-dir
    #[arg(long, env = "SWITCHBOARD_EPHEMERAL", value_parser = FalseyValueParser::new())]
    ephemeral: bool,
}

/// Said after the options of `--help`.
const SIGN_IN_HELP: &str = "Signing in: a one-time link is printed on stdout once the console listens \
(SWITCHBOARD_SIGNIN url=…). It is good for 15 minutes. The signal USR1 makes a running `up` print a new one: \
pkill -USR1 switchboard. SIGTERM and SIGINT end the process in order.";

impl Args {
    /// What the process was started with. A variable that is blank counts as unset, since that is how a compose file
    /// passes on what nobody set.
    ///
    /// # Errors
    /// What clap has to say, help and version included.
    pub fn given() -> Result<Self, clap::Error> {
        let grammar = Self::command().after_help(SIGN_IN_HELP);
        Self::from_arg_matches(&without_blanks(grammar).try_get_matches()?)
    }
}

fn without_blanks(grammar: Grammar) -> Grammar {
    let is_blank = |name: &std::ffi::OsStr| std::env::var(name).is_ok_and(|value| value.trim().is_empty());
    grammar
        .mut_args(|arg| match arg.get_env().is_some_and(is_blank) {
            true => arg.env(None::<&str>),
            false => arg,
        })
        .mut_subcommands(without_blanks)
}

impl TryFrom<Args> for Config {
    type Error = ConfigError;

    fn try_from(args: Args) -> Result<Self, ConfigError> {
        let log = LogConfig {
            filter: args.log.log,
            json: args.log.log_json,
        };
        let (storage, backend, console) = match args.command {
            Some(Command::Backend(args)) => {
                let (storage, backend) = args.split()?;
                (storage, backend, None)
            }
            Some(Command::Up(up)) => up.split(),
            None => args.up.split(),
        };
        let storage = if storage.ephemeral {
            Storage::Ephemeral
        } else {
            Storage::Directory(storage.data_dir)
        };
        Ok(Self {
            storage,
            backend,
            console,
            log,
        })
    }
}

impl BackendArgs {
    fn split(self) -> Result<(StorageArgs, BackendConfig), ConfigError> {
        let authentication = match self.admin_token {
            _ if self.insecure_no_auth && !self.host.is_loopback() => return Err(ConfigError::Exposed(self.host)),
            _ if self.insecure_no_auth => AuthenticationConfig::Off,
            Some(token) if !token.expose_secret().is_empty() => AuthenticationConfig::AdminToken(token),
            _ => AuthenticationConfig::StoredToken,
        };
        let seeds = seeds(self.experiment_id, &self.experiment_config, &self.base_commit_sha)?;
        let backend = BackendConfig {
            listen: SocketAddr::new(self.host, self.port),
            seeds,
            authentication,
            limits: Some(Limits {
                subscribe_timeout: self.subscribe_timeout,
                lease_duration: self.lease_duration_seconds,
                max_artifact_bytes: self.max_artifact_bytes,
                max_checkpoint_bytes: self.max_checkpoint_bytes,
            }),
            repo_root: self.repo_root,
            artifacts_dir: self.artifacts_dir,
        };
        Ok((self.storage, backend))
    }
}

/// Gives each experiment what stands at its place, or the only one there is.
fn seeds(ids: Vec<ExperimentId>, configs: &[PathBuf], commits: &[CommitSha]) -> Result<Vec<SeedConfig>, ConfigError> {
    let wanted = ids.len();
    for (flag, given) in [
        ("--experiment-config", configs.len()),
        ("--base-commit-sha", commits.len()),
    ] {
        if wanted > 0 && given > 1 && given != wanted {
            return Err(ConfigError::Unpaired { flag, given, wanted });
        }
    }
    fn at<T>(all: &[T], place: usize) -> Option<&T> {
        all.get(place).or_else(|| all.first())
    }
    let seed = |(place, id)| {
        Some(SeedConfig {
            experiment_id: id,
            config: at(configs, place)?.clone(),
            base_commit_sha: at(commits, place).cloned(),
        })
    };
    Ok(ids.into_iter().enumerate().filter_map(seed).collect())
}

impl UpArgs {
    fn split(self) -> (StorageArgs, BackendConfig, Option<ConsoleConfig>) {
        let console = ConsoleConfig {
            listen: SocketAddr::new(self.host, self.port),
            demo: !self.no_demo,
        };
        let backend = BackendConfig {
            listen: SocketAddr::new(self.host, self.backend_port),
            seeds: Vec::new(),
            authentication: AuthenticationConfig::StoredToken,
            limits: None,
            repo_root: None,
            artifacts_dir: None,
        };
        (self.storage, backend, Some(console))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(args: &[&str]) -> Config {
        Args::try_parse_from(std::iter::once(&"switchboard").chain(args))
            .expect("good arguments")
            .try_into()
            .expect("good together")
    }

    fn refused(args: &[&str]) -> ConfigError {
        let args = ["switchboard", "backend"].iter().chain(args);
        let args = Args::try_parse_from(args).expect("good arguments");
        Config::try_from(args).expect_err("refused")
    }

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn no_command_means_up() {
        let config = config(&["--port", "0", "--backend-port", "0", "--no-demo", "--ephemeral"]);
        assert_eq!(config.storage, Storage::Ephemeral);
        assert_eq!(config.backend.listen.port(), 0);
        let console = config.console.expect("a console");
        assert_eq!((console.listen.port(), console.demo), (0, false));
    }

    #[test]
    fn the_backend_alone_has_no_console() {
        let config = config(&["backend", "--port", "1234", "--log-json"]);
        assert!(config.console.is_none() && config.log.json);
        assert_eq!(config.backend.listen.port(), 1234);
    }

    const FIRST: &str = "exp_00000000000000000000000001";
    const SECOND: &str = "exp_00000000000000000000000002";

    #[test]
    fn experiments_are_paired_with_what_belongs_to_them() {
        let ids = ["--experiment-id", FIRST, "--experiment-id", SECOND];
        let one = ["--experiment-config", "a.yaml"];
        let two = ["--experiment-config", "b.yaml"];
        let configs = |args: &[&[&str]]| {
            let args: Vec<_> = std::iter::once("backend").chain(args.concat()).collect();
            let seeds = config(&args).backend.seeds;
            seeds.into_iter().map(|seed| seed.config).collect::<Vec<_>>()
        };
        assert_eq!(
            configs(&[&ids, &one]),
            [PathBuf::from("a.yaml"), PathBuf::from("a.yaml")]
        );
        assert_eq!(
            configs(&[&ids, &one, &two]),
            [PathBuf::from("a.yaml"), PathBuf::from("b.yaml")]
        );
        let unpaired = ConfigError::Unpaired {
            flag: "--experiment-config",
            given: 3,
            wanted: 2,
        };
        assert_eq!(refused(&[&ids[..], &one, &two, &one].concat()), unpaired);
    }

    #[test]
    fn nobody_is_let_in_by_mistake() {
        let exposed = refused(&["--insecure-no-auth", "--host", "0.0.0.0"]);
        assert_eq!(exposed, ConfigError::Exposed("0.0.0.0".parse().expect("an address")));
        let blank = config(&["backend", "--admin-token", " "]).backend.authentication;
        assert!(matches!(blank, AuthenticationConfig::StoredToken));
        let config = config(&["backend", "--admin-token", "open sesame"]);
        assert!(!format!("{config:?}").contains("sesame"), "secrets do not print");
    }
}
