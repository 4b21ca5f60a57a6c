//! The `switchboard` program: parse, log, run, exit.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use switchboard::app;
use switchboard::cli::{Args, Config, LogConfig};
use tracing_subscriber::EnvFilter;

/// The exit code for a command line that cannot be used; clap uses it too.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let config = match Args::from_process().map(Config::try_from) {
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
    // A blocking call that is still busy after the grace period does not delay the exit.
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
        // The only internal error is a closed stderr. Reporting it on stderr would panic.
        .log_internal_errors(false);
    if config.json {
        subscriber.json().flatten_event(true).init();
    } else {
        subscriber.with_target(false).init();
    }
    Ok(())
}
