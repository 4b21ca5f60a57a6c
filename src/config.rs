//! From what was typed ([`Args`]) to what is used ([`Config`]).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args as ClapArgs, Parser, Subcommand};

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
    backend: StorageArgs,
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
pub const SIGN_IN_HELP: &str = "Signing in: a one-time link is printed on stdout once the console listens \
(SWITCHBOARD_SIGNIN url=…). It is good for 15 minutes. The signal USR1 makes a running `up` print a new one: \
pkill -USR1 switchboard. SIGTERM and SIGINT end the process in order.";

/// What to run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything is kept.
    pub storage: Storage,
    /// Where the task store and the control plane listen.
    pub backend: SocketAddr,
    /// The console; `None` runs the backend alone.
    pub console: Option<ConsoleConfig>,
    /// How to log.
    pub log: LogConfig,
}

/// The console on top of the backend.
#[derive(Debug, Clone)]
pub struct ConsoleConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whether the demo experiments run.
    pub demo: bool,
}

/// Where everything is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In a directory that outlives the process.
    Directory(PathBuf),
    /// Nowhere that outlives the process.
    Ephemeral,
}

/// How to log.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// A tracing filter.
    pub filter: String,
    /// One JSON object a line.
    pub json: bool,
}

impl From<Args> for Config {
    fn from(args: Args) -> Self {
        let log = LogConfig {
            filter: args.log.log,
            json: args.log.log_json,
        };
        let (storage, backend, console) = match args.command {
            Some(Command::Backend(backend)) => (backend.storage, SocketAddr::new(backend.host, backend.port), None),
            Some(Command::Up(up)) => up.split(),
            None => args.up.split(),
        };
        let storage = if storage.ephemeral {
            Storage::Ephemeral
        } else {
            Storage::Directory(storage.data_dir)
        };
        Self {
            storage,
            backend,
            console,
            log,
        }
    }
}

impl UpArgs {
    fn split(self) -> (StorageArgs, SocketAddr, Option<ConsoleConfig>) {
        let console = ConsoleConfig {
            listen: SocketAddr::new(self.host, self.port),
            demo: !self.no_demo,
        };
        (
            self.backend,
            SocketAddr::new(self.host, self.backend_port),
            Some(console),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn config(args: &[&str]) -> Config {
        Args::try_parse_from(std::iter::once(&"switchboard").chain(args))
            .expect("good arguments")
            .into()
    }

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn no_command_means_up() {
        let config = config(&["--port", "0", "--backend-port", "0", "--no-demo", "--ephemeral"]);
        assert_eq!(config.storage, Storage::Ephemeral);
        assert_eq!(config.backend.port(), 0);
        let console = config.console.expect("a console");
        assert_eq!((console.listen.port(), console.demo), (0, false));
    }

    #[test]
    fn the_backend_alone_has_no_console() {
        let config = config(&["backend", "--port", "1234", "--log-json"]);
        assert!(config.console.is_none() && config.log.json);
        assert_eq!(config.backend.port(), 1234);
    }
}
