//! The `switchboard` program: parse, log, run, exit.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use switchboard::app;
use switchboard::cli::{Args, Config, LogConfig};
use tracing_subscriber::EnvFilter;

/// What clap exits with too, when a command line cannot be used.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let config = match Args::given().map(Config::try_from) {
        Ok(Ok(config)) => config,
        Ok(Err(error)) => {
            eprintln!("switchboard: {error}");
            return ExitCode::from(USAGE);
        }
        Err(error) => error.exit(),
    };
    if let Err(error) = start_logging(&config.log) {
        eprintln!("switchboard: --log: {error}");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("switchboard: cannot start its threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(app::run(config));
    // A blocking call that is still busy after the grace does not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(200));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("switchboard: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Logs go to stderr; stdout belongs to the lines that harnesses scan for.
fn start_logging(config: &LogConfig) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::try_new(&config.filter)?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        // Said on stderr, the only fault there is, a reader of stderr that went away, would be a panic.
        .log_internal_errors(false);
    if config.json {
        subscriber.json().flatten_event(true).init();
    } else {
        subscriber.with_target(false).init();
    }
    Ok(())
}
