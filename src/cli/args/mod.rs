//! The commands and their options.

mod backend;
mod serve;
mod shared;
mod up;

use clap::builder::FalseyValueParser;
use clap::{Args as ClapArgs, Command as Grammar, CommandFactory, FromArgMatches, Parser, Subcommand};

use super::config::{Config, DeploymentConfig, LogConfig, Run};
use super::error::UsageError;
use backend::BackendArgs;
use serve::ServeArgs;
use up::UpArgs;

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
    /// Console only, for task stores and a control plane that run elsewhere
    Serve(Box<ServeArgs>),
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

/// Printed after the options of `--help`.
const SIGN_IN_HELP: &str = "Signing in: a one-time link is printed on stdout once the console listens \
(SWITCHBOARD_SIGNIN url=…). It is good for 15 minutes. The signal USR1 makes a running `up` print a new one: \
pkill -USR1 switchboard. SIGTERM and SIGINT end the process in order.";

impl Args {
    /// The arguments and variables of this process. A blank variable counts as unset, since that is how a compose file
    /// passes on a variable that is not set.
    ///
    /// # Errors
    /// What clap has to print, help and version included.
    pub fn from_process() -> Result<Self, clap::Error> {
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
    type Error = UsageError;

    fn try_from(args: Args) -> Result<Self, UsageError> {
        let log = LogConfig {
            filter: args.log.log,
            json: args.log.log_json,
        };
        let run = match args.command {
            Some(Command::Serve(args)) => Run::Console(Box::new(args.into_config()?)),
            Some(Command::Backend(args)) => {
                let (storage, backend) = args.into_config()?;
                Run::Deployment(Box::new(DeploymentConfig {
                    storage: storage.into(),
                    backend,
                    console: None,
                }))
            }
            Some(Command::Up(up)) => up.into_run(),
            None => args.up.into_run(),
        };
        Ok(Self { run, log })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    use crate::cli::{AuthenticationConfig, BackendConfig, ConsoleConfig, ServeConfig, Storage};
    use crate::protocol::ExperimentId;

    fn config(args: &[&str]) -> Config {
        Args::try_parse_from(std::iter::once(&"switchboard").chain(args))
            .expect("good arguments")
            .try_into()
            .expect("good together")
    }

    fn deployment(args: &[&str]) -> (Storage, BackendConfig, Option<ConsoleConfig>) {
        match config(args).run {
            Run::Deployment(config) => (config.storage, config.backend, config.console),
            Run::Console(_) => panic!("a console alone"),
        }
    }

    fn refused(args: &[&str]) -> UsageError {
        let args = std::iter::once(&"switchboard").chain(args);
        let args = Args::try_parse_from(args).expect("good arguments");
        Config::try_from(args).expect_err("refused")
    }

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn no_command_means_up() {
        let args = ["--port", "0", "--backend-port", "0", "--no-demo", "--ephemeral"];
        let (storage, backend, console) = deployment(&args);
        assert_eq!(storage, Storage::Ephemeral);
        assert_eq!(backend.listen.port(), 0);
        let console = console.expect("a console");
        assert_eq!((console.listen.port(), console.demo), (0, false));
        assert_eq!(console.mirror_budget_bytes, 1024 * 1024 * 1024);
    }

    #[test]
    fn the_backend_alone_has_no_console() {
        let args = ["backend", "--port", "1234", "--log-json"];
        let (_, backend, console) = deployment(&args);
        assert!(console.is_none() && config(&args).log.json);
        assert_eq!(backend.listen.port(), 1234);
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
            let seeds = deployment(&args).1.seeds;
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
        let unpaired = UsageError::Unpaired {
            flag: "--experiment-config",
            given: 3,
            wanted: 2,
        };
        assert_eq!(refused(&[&["backend"][..], &ids, &one, &two, &one].concat()), unpaired);
    }

    #[test]
    fn nobody_is_let_in_by_mistake() {
        let exposed = refused(&["backend", "--insecure-no-auth", "--host", "0.0.0.0"]);
        assert_eq!(exposed, UsageError::Exposed("0.0.0.0".parse().expect("an address")));
        let blank = deployment(&["backend", "--admin-token", " "]).1.authentication;
        assert!(matches!(blank, AuthenticationConfig::StoredToken));
        let config = config(&["backend", "--admin-token", "open sesame"]);
        assert!(!format!("{config:?}").contains("sesame"), "secrets do not print");
    }

    const SERVE: [&str; 5] = ["serve", "--task-store-url", "http://ts:1", "--experiment-id", FIRST];

    fn serve(more: &[&str]) -> ServeConfig {
        match config(&[&SERVE[..], more].concat()).run {
            Run::Console(config) => *config,
            Run::Deployment(_) => panic!("a deployment"),
        }
    }

    #[test]
    fn a_console_needs_a_task_store_and_something_to_show() {
        let config = serve(&[]);
        assert_eq!(
            config.access.task_stores.address(&id(SECOND)),
            Some("http://ts:1".to_owned())
        );
        assert!(config.access.control_plane.is_none());
        assert_eq!(refused(&["serve", "--experiment-id", FIRST]), UsageError::NoTaskStore);
        assert_eq!(refused(&SERVE[..3]), UsageError::NoExperiment);
        let bad = refused(&[&SERVE[..], &["--control-plane-url", "cp:1"]].concat()).to_string();
        assert!(bad.starts_with("--control-plane-url"), "{bad}");
    }

    #[test]
    fn blank_secrets_are_unset_and_one_stands_in_for_the_other() {
        let blank = serve(&[
            "--admin-token",
            "",
            "--control-plane-admin-token",
            " ",
            "--session-secret",
            "",
        ]);
        assert!(blank.access.admin_token.is_none() && blank.access.control_admin_token.is_none());
        assert!(blank.session_secret.is_none());
        let one = serve(&["--admin-token", "open sesame"]).access;
        assert!(one.control_admin_token.is_some());
        assert!(!format!("{one:?}").contains("sesame"), "secrets do not print");
        let short = refused(&[&SERVE[..], &["--session-secret", "short"]].concat());
        assert_eq!(short, UsageError::SessionSecret);
    }

    #[test]
    fn command_lines_of_the_reference_are_taken() {
        let more = [
            "--artifacts-dir",
            "/a",
            "--claim-ttl-seconds",
            "60",
            "--log-level",
            "info",
        ];
        let config = serve(&more);
        assert_eq!(
            flags(&config),
            ["--artifacts-dir", "--claim-ttl-seconds", "--log-level"]
        );
    }

    fn flags(config: &ServeConfig) -> Vec<&'static str> {
        config.ignored.iter().map(|(flag, _)| *flag).collect()
    }

    #[test]
    fn what_changes_nothing_is_said() {
        let single = serve(&[
            "--control-plane-worker-id",
            "wkr_00000000000000000000000001",
            "--experiment-config-dir",
            "/c",
            "--forgejo-url",
            "http://bot:sesame@h/o/x.git",
            "--credential-helper",
            "!echo password=sesame",
        ]);
        let all = [
            "--experiment-config-dir",
            "--control-plane-worker-id",
            "--forgejo-url",
            "--credential-helper",
        ];
        assert_eq!(flags(&single), all);
        assert!(!format!("{single:?}").contains("sesame"), "secrets do not print");
        let args = [
            "serve",
            "--task-store-url",
            "http://ts:1",
            "--control-plane-url",
            "http://cp:1",
            "--experiment-config",
            "/e.yaml",
            "--worker-id",
            "wkr_00000000000000000000000001",
            "--repo-path",
            "/r/x.git",
        ];
        let Run::Console(no_default) = config(&args).run else {
            panic!("a deployment")
        };
        assert_eq!(
            flags(&no_default),
            ["--experiment-config", "--worker-id", "--repo-path"]
        );
    }

    #[test]
    fn repositories_are_beside_the_one_that_is_named() {
        let beside = serve(&["--repo-path", "/r/x.git", "--repo-credential-file", "/run/secret"]).repos;
        assert_eq!(beside.root.as_deref(), Some(std::path::Path::new("/r")));
        assert!(beside.credential_file.is_some());
        let apart = serve(&["--repo-path", "/r/x.git", "--repo-root", "/s"]).repos;
        assert_eq!(apart.root.as_deref(), Some(std::path::Path::new("/s")));
        let relative = serve(&["--repo-path", "x.git"]).repos;
        assert_eq!(relative.root, std::env::current_dir().ok());
    }

    #[test]
    fn a_name_of_this_machine_is_an_address() {
        assert!(serve(&["--host", "localhost"]).listen.ip().is_loopback());
        assert_eq!(serve(&["--host", "::1"]).listen.ip().to_string(), "::1");
        let bad = Args::try_parse_from([&SERVE[..], &["--host", "not a host"]].concat());
        assert!(bad.is_err());
    }

    #[test]
    fn help_repeats_no_variable_that_may_hold_a_secret() {
        let grammar = Args::command();
        let serve = grammar.find_subcommand("serve").expect("there");
        let may_hold = ["url", "token", "secret", "helper"];
        let shown: Vec<_> = serve
            .get_arguments()
            .filter(|arg| may_hold.iter().any(|word| arg.get_id().as_str().contains(word)))
            .filter(|arg| arg.get_env().is_some() && !arg.is_hide_env_values_set())
            .map(|arg| arg.get_id().to_string())
            .collect();
        assert!(shown.is_empty(), "{shown:?}");
    }

    #[test]
    fn the_file_routes_and_options_win_over_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("switchboard.yaml");
        let file = path.to_str().expect("UTF-8");
        let write = |text: &str| std::fs::write(&path, text).expect("written");
        write(&format!(
            "task_store:\n  default: http://file:1\n  experiments:\n    {SECOND}: http://two:2\n"
        ));
        let stores = serve(&["--config", file]).access.task_stores;
        assert_eq!(stores.address(&id(FIRST)).as_deref(), Some("http://ts:1"));
        assert_eq!(stores.address(&id(SECOND)).as_deref(), Some("http://two:2"));
        write("task_stores: {}\n");
        let words = refused(&[&SERVE[..], &["--config", file]].concat()).to_string();
        assert!(words.contains("unknown field `task_stores`"), "{words}");
        write("task_store: {experiments: {exp_1: http://h}}\n");
        let words = refused(&[&SERVE[..], &["--config", file]].concat()).to_string();
        assert!(words.contains("exp_"), "{words}");
    }

    fn id(text: &str) -> ExperimentId {
        text.parse().expect("an id")
    }
}
