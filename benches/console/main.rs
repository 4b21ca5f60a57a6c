//! Measurements of the console, as ratios within one run where possible. `docs/measuring.md` describes them.
//!
//! It prints results and never fails on a number. It fails when a measurement is not possible: a status that is not
//! 200, a page without its rows.

mod archive;
mod asks;
mod backend;
mod binary;
mod browser;
#[path = "../../tests/support/chromedriver.rs"]
mod chromedriver;
mod chromium;
mod deployment;
mod fanout;
mod http;
mod idle;
mod large;
mod light;
mod load;
mod memory;
mod mirror;
mod outage;
mod page;
mod polled;
#[expect(clippy::expect_used, dead_code, reason = "the proxy of the tests, unchanged")]
#[path = "../../tests/support/proxy.rs"]
mod proxy;
mod size;
mod slow;
mod start;
mod stats;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// The error is any reason why a measurement is not possible.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Run without a name, in this order: what needs no browser and no long wait.
const DEFAULT: [&str; 5] = ["page", "size", "idle", "fanout", "start"];
/// Run only when named.
const ON_DEMAND: [&str; 9] = [
    "polled", "slow", "outage", "browser", "light", "mirror", "memory", "backend", "large",
];
/// What `everything` runs after [`DEFAULT`]: all measurements of live pages.
const LIVE: [&str; 6] = ["polled", "slow", "outage", "browser", "light", "mirror"];
/// The name that runs [`DEFAULT`] and [`LIVE`].
const EVERYTHING: &str = "everything";

/// Measures the console. Without a name: page, size, idle, fanout, start.
#[derive(Debug, Clone, Parser)]
#[command(name = "bench")]
pub struct Options {
    /// page, size, idle, fanout, start (the default); only when named: polled, slow, outage, browser, light, mirror,
    /// memory, backend, large; `everything` is the default and polled, slow, outage, browser, light, mirror
    #[arg(value_parser = [DEFAULT.as_slice(), ON_DEMAND.as_slice(), &[EVERYTHING]].concat())]
    names: Vec<String>,
    /// Seconds under load for each subject at each level
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Live pages of `fanout`
    #[arg(long, default_value_t = 1_000)]
    streams: usize,
    /// Events of `fanout`, of `polled`, and of each round of `slow`
    #[arg(long, default_value_t = 50)]
    events: usize,
    /// Events of `browser`
    #[arg(long, default_value_t = 500)]
    browser_events: usize,
    /// Seconds of each outage of `outage`
    #[arg(long, default_value_t = 60)]
    outage: u64,
    /// Tasks, ideas and variants of the large experiment of `size` and of `mirror`, and the tasks that `large` lists
    #[arg(long, default_value_t = 100_000)]
    tasks: usize,
    /// Starts of `start` and of `large`
    #[arg(long, default_value_t = 10)]
    starts: usize,
    /// Minutes of `memory`
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Tasks that `backend` claims in a round
    #[arg(long, default_value_t = 300)]
    claims: usize,
    /// Events of `large`
    #[arg(long, default_value_t = 1_000_000)]
    large_events: usize,
    /// Seconds that `light` measures each page
    #[arg(long, default_value_t = 60.0)]
    light_seconds: f64,
    /// `light`: only the pages whose name contains this
    #[arg(long, default_value = "", value_name = "NAME")]
    light_only: String,
    /// Experiments that `light` registers besides the demo's
    #[arg(long, default_value_t = 0)]
    experiments: usize,
    /// If not 0, `light` only samples the memory of two pages, each minute for so many minutes
    #[arg(long, default_value_t = 0)]
    long_minutes: u64,
    /// The program that `light` measures; by default the one of this build
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// What to compare with: for `backend` another EDEN task store, such as http://127.0.0.1:8000; for `light` another
    /// build of the program
    #[arg(long, value_name = "URL or PATH")]
    against: Option<String>,
    /// The admin token of that task store
    #[arg(long, value_name = "TOKEN")]
    against_token: Option<String>,
    /// The id of an experiment that it hosts
    #[arg(long, value_name = "ID")]
    against_experiment: Option<String>,
    /// Cargo passes this flag to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    fn load_time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.1, 600.0))
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let names = match options.names.as_slice() {
        [] => DEFAULT.to_vec(),
        names if names.iter().any(|name| name == EVERYTHING) => [DEFAULT.as_slice(), &LIVE].concat(),
        names => names.iter().map(String::as_str).collect(),
    };
    stats::machine();
    for name in names {
        println!("\n## {name}\n");
        if let Err(error) = measure(name, &options) {
            eprintln!("{name}: the set-up is wrong: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn measure(name: &str, options: &Options) -> Outcome {
    match name {
        "page" => page::run(options),
        "size" => size::run(options),
        "idle" => idle::run(),
        "fanout" => fanout::run(options),
        "start" => start::run(options),
        "polled" => polled::run(options),
        "slow" => slow::run(options),
        "outage" => outage::run(options),
        "browser" => browser::run(options),
        "light" => light::run(options),
        "memory" => memory::run(options),
        "backend" => backend::run(options),
        "large" => large::run(options),
        "mirror" => mirror::run(options),
        other => Err(format!("there is no measurement {other}").into()),
    }
}
