//! One event, many live pages: when the last page is notified, and how much memory a live page takes.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::binary::Binary;
use crate::deployment::Lab;
use crate::http::{self, sign_in};
use crate::stats::{Sorted, ms, table};
use crate::{Options, Outcome, load};

/// The number of a stream that opened or received the topic `tasks`, and when.
pub type Told = (usize, Instant);

/// How long all streams together may take to be notified.
const TIMEOUT: Duration = Duration::from_secs(10);

pub fn run(options: &Options) -> Outcome {
    // Each stream takes one open file in the program and one in the load.
    let files = open_files()?;
    if files < options.streams + 200 {
        let streams = options.streams;
        return Err(format!(
            "{streams} streams need more than {files} open files: `ulimit -n {}`",
            streams + 200
        )
        .into());
    }
    let home = tempfile::tempdir()?;
    let binary = Binary::start(home.path(), false)?;
    load::runtime()?.block_on(measure(options, &binary))
}

/// How many files a process may have open.
fn open_files() -> Outcome<usize> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line
        .and_then(|line| line.split_whitespace().next())
        .ok_or("no limit of open files")?;
    Ok(soft.parse().unwrap_or(usize::MAX))
}

async fn measure(options: &Options, binary: &Binary) -> Outcome {
    let lab = Lab::begin(&binary.admin()?, "fanout").await?;
    lab.fill(100).await?;
    let cookie = sign_in(binary.console, &binary.sign_in).await?;
    let overview = format!("/x/{}/", lab.id);
    http::get(binary.console, &overview, &cookie).await?.ok(&overview)?;
    tokio::time::sleep(Duration::from_secs(2)).await;

    let page = http::get(binary.console, &overview, &cookie).await?.ok(&overview)?;
    let before = binary.rss()?;
    let request: Arc<[u8]> = http::stream_of(&page.text(), &cookie)?.into();
    let (told, mut tell) = mpsc::unbounded_channel();
    let mut streams = JoinSet::new();
    for number in 0..options.streams {
        streams.spawn(follow(number, binary.console, request.clone(), told.clone()));
    }
    everyone(&mut tell, options.streams).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = binary.rss()?;
    // Notifications of changes before this point are not part of the measurement.
    while tell.try_recv().is_ok() {}

    let (mut firsts, mut lasts) = (Vec::new(), Vec::new());
    for event in 0..options.events {
        lab.create(&format!("event-{event:06}")).await?;
        let acknowledged = Instant::now();
        let told = everyone(&mut tell, options.streams).await?;
        let since = |at: &Instant| at.saturating_duration_since(acknowledged);
        firsts.extend(told.iter().min().map(since));
        lasts.extend(told.iter().max().map(since));
        // Longer than the time in which changes are batched, and not in step with the heartbeats.
        tokio::time::sleep(Duration::from_millis(150 + (event as u64 * 37) % 100)).await;
    }
    let row = |what: &str, times: Vec<Duration>| {
        let times = Sorted::new(times);
        vec![what.to_owned(), ms(times.at(0.5)), ms(times.at(0.99)), ms(times.max())]
    };
    table(
        &["from the acknowledged commit to", "p50", "p99", "max"],
        &[row("the first stream told", firsts), row("the last stream told", lasts)],
    );
    let grown = after.saturating_sub(before) as f64;
    println!(
        "\n{} streams on one experiment, {} events; the program grew from {before} to {after} KiB: {:.1} KiB a stream",
        options.streams,
        options.events,
        grown / options.streams.max(1) as f64
    );
    Ok(())
}

/// Waits until each stream was notified at least once. Returns the time of the last notification of each.
pub async fn everyone(tell: &mut mpsc::UnboundedReceiver<Told>, streams: usize) -> Outcome<Vec<Instant>> {
    let mut when = vec![None; streams];
    let mut missing = streams;
    while missing > 0 {
        let told = tokio::time::timeout(TIMEOUT, tell.recv()).await;
        let told = told.map_err(|_| format!("{missing} of {streams} streams were not told within {TIMEOUT:?}"))?;
        let (number, at) = told.ok_or("every stream ended")?;
        if when[number].replace(at).is_none() {
            missing -= 1;
        }
    }
    Ok(when.into_iter().flatten().collect())
}

/// Reads one stream until the receiver is gone. Its start is reported too, because a stream that resumes from the
/// position of its page sends no topic until something changes.
pub async fn follow(
    number: usize,
    address: SocketAddr,
    request: Arc<[u8]>,
    told: mpsc::UnboundedSender<Told>,
) -> Outcome {
    const TOPIC: &[u8] = b"event: tasks\n";
    let mut stream = http::connect(address).await?;
    stream.write_all(&request).await?;
    let mut buffer = Vec::with_capacity(4096);
    while !buffer.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err("the stream does not begin".into());
        }
    }
    if !buffer.starts_with(b"HTTP/1.1 200 ") {
        return Err("the stream is refused".into());
    }
    if told.send((number, Instant::now())).is_err() {
        return Ok(());
    }
    while stream.read_buf(&mut buffer).await? > 0 {
        let at = Instant::now();
        let found = buffer.windows(TOPIC.len()).rposition(|bytes| bytes == TOPIC);
        if found.is_some() && told.send((number, at)).is_err() {
            break;
        }
        // Keep only what may be the start of another topic.
        let keep = (TOPIC.len() - 1).min(buffer.len() - found.map_or(0, |at| at + TOPIC.len()));
        buffer.drain(..buffer.len() - keep);
    }
    Ok(())
}
