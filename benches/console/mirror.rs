//! Memory of a mirror of a large experiment, and the time of its first list.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join3;
use switchboard::access::{self, StoreFactory};
use switchboard::clock::Clock;
use switchboard::experiment_configs::{self, ConfigSource};
use switchboard::lifecycle::Tasks;
use switchboard::live::{self, Live, Mirror};
use switchboard::protocol::ExperimentId;

use crate::archive;
use crate::binary::Binary;
use crate::load;
use crate::stats::{ms, table};
use crate::{Options, Outcome};

pub fn run(options: &Options) -> Outcome {
    let runtime = load::runtime()?;
    let home = tempfile::tempdir()?;
    // The backend is another process, so that this process grows only by the console's memory.
    let binary = Binary::backend(home.path(), 0)?;
    let admin = binary.admin()?;
    let number = options.tasks;
    let begin = Instant::now();
    let id = runtime.block_on(archive::import(&admin, number, "1"))?;
    println!(
        "- imported {number} tasks, ideas and variants in {:.1} s",
        begin.elapsed().as_secs_f64()
    );
    let tasks = Tasks::new();
    let mut mirrors = Vec::new();
    let mut rows = Vec::new();
    for n in 1..=MIRRORS {
        let live = runtime.block_on(async { live(&binary, home.path().join(format!("console-{n}")), &tasks) })?;
        let before = memory("VmRSS:")?;
        let (mirror, took) = runtime.block_on(follow(&live, &id))?;
        let after = memory("VmRSS:")?;
        let held = mirror.weight();
        rows.push(vec![
            n.to_string(),
            ms(took),
            mb(after.saturating_sub(before)),
            mb(memory("VmHWM:")?),
            mb(held),
            format!("{:.0}", held as f64 / number as f64),
        ]);
        mirrors.push((live, mirror));
    }
    println!("\nOne mirror after the other, each of its own, all kept:\n");
    table(
        &[
            "mirror",
            "first list",
            "resident growth",
            "peak of the process",
            "own count",
            "bytes a task, idea and variant",
        ],
        &rows,
    );
    let experiment = admin.experiment(&id);
    let begin = Instant::now();
    runtime.block_on(async { try_join3(experiment.tasks(), experiment.ideas(), experiment.variants()).await })?;
    println!(
        "\nreading the three lists over the wire, without making anything of them: {}",
        ms(begin.elapsed())
    );
    drop(mirrors);
    tasks.stop();
    runtime.block_on(tasks.join())?;
    binary.stop()
}

/// The growth of the first mirror includes heap that was freed after reading the lists. The later ones reuse it.
const MIRRORS: usize = 3;

fn live(binary: &Binary, credentials: std::path::PathBuf, tasks: &Tasks) -> Outcome<Live> {
    let base = format!("http://{}", binary.backend);
    let access = access::Options::single_server(&base, binary.token.clone().into(), credentials)?;
    Ok(Live::start(live::Options {
        stores: StoreFactory::new(access, Clock::default(), tasks.clone())?,
        configs: ConfigSource::new(experiment_configs::Options::default(), Clock::default()),
        clock: Clock::default(),
        tasks: tasks.clone(),
        idle_timeout: Duration::from_secs(3600),
        max_mirrors: 64,
        max_mirror_bytes: u64::MAX,
        max_retry_delay: live::Options::MAX_RETRY_DELAY,
        snapshot_dir: None,
        registry_poll_interval: Duration::from_secs(2),
    }))
}

async fn follow(live: &Live, id: &ExperimentId) -> Outcome<(Arc<Mirror>, Duration)> {
    live.registry().wait_until_settled(Duration::from_secs(10)).await;
    let begin = Instant::now();
    let mirror = live.mirror(id);
    let view = mirror.wait_until_settled(Duration::from_secs(120)).await;
    let took = begin.elapsed();
    match view.snapshot() {
        Some(_) => Ok((mirror, took)),
        None => Err(format!("the mirror is not ready: {:?}", view.freshness).into()),
    }
}

/// One of this process's sizes in `/proc/self/status`, in bytes.
fn memory(name: &str) -> Outcome<usize> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.ok_or("the kernel does not tell")?.parse::<usize>()? * 1024)
}

fn mb(bytes: usize) -> String {
    format!("{:.0} MB", bytes as f64 / 1e6)
}
