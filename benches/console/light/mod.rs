//! What one open page costs: on the wire, and in the browser.

mod arrivals;
mod figures;
mod page;
mod wire;

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use switchboard::client::Client;
use switchboard::lifecycle::Tasks;
use switchboard::protocol::{ExperimentId, RegisterExperiment};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use self::figures::{Figures, kb};
use self::page::Visitor;
use self::wire::Wire;
use crate::binary::{self, Binary};
use crate::deployment::Lab;
use crate::http::{self, sign_in};
use crate::stats::table;
use crate::{Options, Outcome, load};

/// Rows of the list that new rows arrive in.
const ROWS: usize = 100;
/// Tasks that the busy experiment has before it is measured, and how long it may take to have them.
const BUSY_TASKS: usize = 100;
const BUSY_WITHIN: Duration = Duration::from_secs(240);
/// The demo's busy experiment.
const BUSY_URI: &str = "switchboard-demo:///tour";
/// How long after the last arrival its row may still come.
const LAST_SIGHT: Duration = Duration::from_secs(2);

pub fn run(options: &Options) -> Outcome {
    let program = options
        .program
        .clone()
        .unwrap_or_else(|| PathBuf::from(binary::PROGRAM));
    let before = options.against.as_ref().map(PathBuf::from);
    let load = load::runtime()?;
    if options.long_minutes > 0 {
        for program in before.iter().chain([&program]) {
            println!("{}:\n", program.display());
            load.block_on(sample_for_long(program, options))?;
            println!();
        }
        return Ok(());
    }
    let before = before
        .map(|program| load.block_on(measure(&program, options)))
        .transpose()?;
    load.block_on(measure(&program, options))?.print(before.as_ref());
    Ok(())
}

/// A running program with the demo, another experiment that is quiet, and a session.
struct Stage {
    binary: Binary,
    busy: ExperimentId,
    quiet: Lab,
    wire: Wire,
    cookie: String,
    tasks: Tasks,
    _home: tempfile::TempDir,
}

impl Stage {
    async fn set(program: &Path, options: &Options) -> Outcome<Self> {
        let home = tempfile::tempdir()?;
        let binary = Binary::start_program(program, home.path(), true)?;
        let admin = binary.admin()?;
        register(&admin, options.experiments).await?;
        let quiet = Lab::begin(&admin, "quiet").await?;
        quiet.fill(ROWS).await?;
        let busy = busy_experiment(&admin).await?;
        let tasks = Tasks::new();
        let wire = Wire::before(binary.console, &tasks).await?;
        let cookie = sign_in(binary.console, &binary.sign_in).await?;
        Ok(Self {
            binary,
            busy,
            quiet,
            wire,
            cookie,
            tasks,
            _home: home,
        })
    }

    /// The pages that are measured while the demo runs.
    fn pages(&self) -> [(&'static str, String); 4] {
        let of = |rest: &str| format!("/x/{}/{rest}", self.busy);
        [
            ("overview", of("")),
            ("tasks", of("admin/tasks/")),
            ("events", of("admin/events/")),
            ("experiments", "/admin/experiments/".to_owned()),
        ]
    }

    /// A new browser for each page, since one that goes on may keep the last page in memory.
    async fn visitor(&self) -> Outcome<Visitor> {
        Visitor::arrive(&self.wire, &self.cookie).await
    }

    fn list(&self) -> String {
        format!("/x/{}/admin/tasks/?per={ROWS}", self.quiet.id)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

/// Registers experiments that nobody seeds.
async fn register(admin: &Client, number: usize) -> Outcome {
    let one = |index: usize| async move {
        let request = RegisterExperiment {
            config_uri: "file:///experiment.yaml".to_owned(),
            name: Some(format!("Registered {index:05}")),
            experiment_id: None,
        };
        admin.control().register(&request).await?;
        Outcome::Ok(())
    };
    let all = stream::iter(0..number).map(one).buffer_unordered(16);
    all.try_collect().await
}

/// Waits until the demo's busy experiment has filled its lists.
async fn busy_experiment(admin: &Client) -> Outcome<ExperimentId> {
    let fills = async {
        let mut pace = tokio::time::interval(Duration::from_secs(2));
        loop {
            pace.tick().await;
            let experiments = admin.control().experiments().await?;
            let Some(busy) = experiments.into_iter().find(|entry| entry.config_uri == BUSY_URI) else {
                continue;
            };
            // It is registered a moment before it is hosted.
            let tasks = admin.experiment(&busy.experiment_id).tasks().await;
            if tasks.is_ok_and(|tasks| tasks.items.len() >= BUSY_TASKS) {
                return Outcome::Ok(busy.experiment_id);
            }
        }
    };
    let waited = tokio::time::timeout(BUSY_WITHIN, fills).await;
    waited.map_err(|_| format!("the demo has no {BUSY_TASKS} tasks after {BUSY_WITHIN:?}"))?
}

async fn measure(program: &Path, options: &Options) -> Outcome<Figures> {
    let time = Duration::from_secs_f64(options.light_seconds.clamp(1.0, 3600.0));
    let say = |what: &str| eprintln!("{}: {what}", program.display());
    let mut figures = Figures::default();
    say("waiting until the demo has filled its lists");
    let stage = Stage::set(program, options).await?;

    // Its browser ends with the visit: while it was open, it would be measured with the others.
    let [document, assets] = {
        let visitor = stage.visitor().await?;
        visitor.first_visit(&stage.pages()[0].1).await?
    };
    let experiments = stage.binary.admin()?.control().experiments().await?.len();
    let name = format!("first visit ({experiments} experiments)");
    figures.transfer(&name, document + assets);
    figures.number(&name, "of it kB of the document", kb(document.bytes), 1);
    let bytes = document_bytes(&stage, &stage.list()).await?;
    figures.number(&format!("{ROWS} tasks, the document"), "kB on the wire", kb(bytes), 1);

    let busy = stage.binary.admin()?.experiment(&stage.busy);
    let is_wanted = |name: &str| name.contains(&options.light_only);
    for (name, path) in stage.pages() {
        if !is_wanted(name) {
            continue;
        }
        say(name);
        let visitor = stage.visitor().await?;
        visitor.settle(&path).await?;
        let wait = async {
            let from = busy.log_length().await?;
            tokio::time::sleep(time).await;
            Ok(busy.log_length().await? - from)
        };
        let (cost, events) = visitor.cost(wait).await?;
        figures.cost(name, &cost);
        figures.number(name, "events meanwhile", events as f64, 0);
    }

    let name = "tasks, two more a second";
    if !is_wanted(name) {
        return Ok(figures);
    }
    say(name);
    let visitor = stage.visitor().await?;
    visitor.settle(&stage.list()).await?;
    let rows = visitor.rows().await?;
    if rows < ROWS as u64 {
        return Err(format!("the list has {rows} rows and not {ROWS}").into());
    }
    let (cost, arrivals) = visitor.cost(arrivals::feed(&stage.quiet, time)).await?;
    tokio::time::sleep(LAST_SIGHT).await;
    let (requested, acknowledged) = arrivals::delays(&arrivals, &visitor.sightings().await?);
    figures.cost(name, &cost);
    figures.text(name, "rows seen", format!("{} of {}", requested.len(), arrivals.len()));
    for (since, delays) in [("request", requested), ("acknowledged", acknowledged)] {
        for (label, part) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
            let delay = delays.at(part).as_secs_f64() * 1e3;
            figures.number(name, &format!("{since} to sight {label}, ms"), delay, 0);
        }
    }
    Ok(figures)
}

/// The bytes of the response to a document request with the encodings that a Chromium accepts, its head included.
async fn document_bytes(stage: &Stage, path: &str) -> Outcome<u64> {
    let mut stream = http::connect(stage.binary.console).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/html\r\naccept-encoding: gzip, deflate, br, zstd\r\n\
         cookie: {}\r\nconnection: close\r\n\r\n",
        stage.cookie
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    if !answer.starts_with(b"HTTP/1.1 200") {
        return Err(format!("{path} does not answer 200").into());
    }
    Ok(answer.len() as u64)
}

/// Prints what two pages hold in memory each minute, each in a Chromium of its own.
async fn sample_for_long(program: &Path, options: &Options) -> Outcome {
    let stage = Stage::set(program, options).await?;
    let [overview, tasks, ..] = stage.pages();
    let mut visitors = Vec::new();
    for (_, path) in [overview, tasks] {
        let visitor = stage.visitor().await?;
        visitor.settle(&path).await?;
        visitors.push(visitor);
    }
    let mut rows = Vec::new();
    let mut pace = tokio::time::interval(Duration::from_secs(60));
    for minute in 0..=options.long_minutes {
        pace.tick().await;
        let mut row = vec![minute.to_string()];
        for visitor in &visitors {
            let held = visitor.held().await?;
            row.push(format!("{:.2}", held.heap_bytes / 1e6));
            row.push(format!("{:.0}", held.nodes));
        }
        rows.push(row);
    }
    table(
        &[
            "minute",
            "overview, heap MB",
            "DOM nodes",
            "tasks, heap MB",
            "DOM nodes",
        ],
        &rows,
    );
    Ok(())
}
