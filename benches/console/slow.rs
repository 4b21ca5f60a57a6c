//! One client that does not read its stream: whether the other clients' notifications are delayed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::deployment::{Console, Deployment, Lab};
use crate::fanout::{Told, everyone, follow};
use crate::http;
use crate::stats::{Sorted, median, ms, table};
use crate::{Options, Outcome, load};

const READERS: usize = 100;
/// Rounds with and rounds without the slow reader, alternating.
const ROUNDS: usize = 3;
/// Changes before each round. They fill the buffers between the program and the slow reader.
const FILL_CHANGES: usize = 150;
/// The time between two of them. If it were shorter, they would be sent in one batch.
const FILL_INTERVAL: Duration = Duration::from_millis(45);
/// The socket send buffer of the program, in bytes. Without a limit the system lets it grow to megabytes. Changes of a
/// few hundred bytes would not fill that.
const SEND_BUFFER: u32 = 4096;

/// The slow reader's result of one round.
struct SlowReader {
    /// From the last byte that could be sent to it until the first measured change.
    blocked_before: Duration,
    /// From the last measured change until its connection was closed.
    cut_after: Duration,
}

pub fn run(options: &Options) -> Outcome {
    let load = load::runtime()?;
    let deployment = Deployment::start()?;
    // The slow reader must be cut off only after its round, so that it is connected and blocked all the time.
    let events = u32::try_from(options.events)?;
    let patience =
        FILL_INTERVAL * 2 * FILL_CHANGES as u32 + Duration::from_millis(300) * events + Duration::from_secs(2);
    let socket = load.block_on(async { with_small_buffers() })?.into_std()?;
    let socket = deployment.runtime.block_on(async { TcpListener::from_std(socket) })?;
    let console = deployment.console_on(socket, patience)?;
    load.block_on(measure(options, &deployment, &console, patience))
}

/// A listener whose connections have a small send buffer.
fn with_small_buffers() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    socket.listen(1024)
}

async fn measure(options: &Options, deployment: &Deployment, console: &Console, patience: Duration) -> Outcome {
    let lab = Lab::begin(&deployment.admin()?, "slow").await?;
    lab.fill(100).await?;
    console.knows(&lab.id).await;
    let overview = format!("/x/{}/", lab.id);
    let view = async || {
        http::get(console.address, &overview, &console.cookie)
            .await?
            .ok(&overview)
    };
    view().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let request: Arc<[u8]> = http::stream_of(&view().await?.text(), &console.cookie)?.into();
    let (told, mut tell) = mpsc::unbounded_channel();
    let mut streams = JoinSet::new();
    for number in 0..READERS {
        streams.spawn(follow(number, console.address, request.clone(), told.clone()));
    }
    everyone(&mut tell, READERS).await?;

    let (mut without, mut with, mut slows) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS * 2 {
        let slow = match round % 2 {
            0 => None,
            _ => Some(open_slow_reader(console.address, &request).await?),
        };
        // The same changes precede both kinds of round, so that only the slow reader differs.
        for change in 0..FILL_CHANGES {
            lab.create(&format!("fill-{round}-{change:06}")).await?;
            tokio::time::sleep(FILL_INTERVAL).await;
        }
        while tell.try_recv().is_ok() {}
        let begin = Instant::now();
        let times = Sorted::new(measure_round(options, &lab, &mut tell, round).await?);
        let end = Instant::now();
        let Some(slow) = slow else {
            without.push(times);
            continue;
        };
        with.push(times);
        slows.push(wait_until_cut(slow, begin, end, patience).await?);
    }
    let p99 = |rounds: &[Sorted]| median(rounds.iter().map(|round| round.at(0.99).as_secs_f64()).collect());
    let (alone, beside) = (p99(&without), p99(&with));
    let row = |what: &str, rounds: &[Sorted], ratio: f64| {
        let at = |part| median(rounds.iter().map(|round| round.at(part).as_secs_f64()).collect());
        let ms = |seconds| ms(Duration::from_secs_f64(seconds));
        vec![what.to_owned(), ms(at(0.5)), ms(at(0.99)), format!("{ratio:.3}")]
    };
    table(
        &[
            "from the acknowledged commit to each of the others told",
            "p50",
            "p99",
            "p99 ratio",
        ],
        &[
            row("with one that does not read", &with, beside / alone),
            row("without", &without, 1.0),
        ],
    );
    println!(
        "\n{READERS} readers, {} events a round, medians of {ROUNDS} rounds each, in turn; each round begins with \
         {FILL_CHANGES} changes that fill what is between the program and the one that does not read",
        options.events
    );
    for slow in slows {
        println!(
            "The one that does not read: nothing more could be sent to it from {} before the first event that was measured, \
             and it was cut {} after the last",
            ms(slow.blocked_before),
            ms(slow.cut_after)
        );
    }
    Ok(())
}

/// The time from each acknowledged commit until each reader was notified.
async fn measure_round(
    options: &Options,
    lab: &Lab,
    tell: &mut mpsc::UnboundedReceiver<Told>,
    round: usize,
) -> Outcome<Vec<Duration>> {
    let mut times = Vec::new();
    for event in 0..options.events {
        // Longer than the time in which changes are batched, and not in step with the heartbeats.
        tokio::time::sleep(Duration::from_millis(100 + (event as u64 * 37) % 100)).await;
        lab.create(&format!("event-{round}-{event:06}")).await?;
        let acknowledged = Instant::now();
        let told = everyone(tell, READERS).await?;
        times.extend(told.iter().map(|at| at.saturating_duration_since(acknowledged)));
    }
    Ok(times)
}

/// Waits until the connection of the slow reader is closed. That happens `patience` after the last byte that could be
/// sent.
///
/// # Errors
/// When it was not blocked for the whole time from `begin` to `end`.
async fn wait_until_cut(
    mut slow: JoinSet<io::Result<Instant>>,
    begin: Instant,
    end: Instant,
    patience: Duration,
) -> Outcome<SlowReader> {
    let waited = tokio::time::timeout(patience + Duration::from_secs(10), slow.join_next()).await;
    let cut = waited.map_err(|_| "the reader that does not read was never cut off, so it was never blocked")?;
    let cut = cut.ok_or("no task watches the reader that does not read")???;
    let blocked_before = begin
        .checked_duration_since(cut - patience)
        .ok_or("the reader that does not read was not blocked yet when measuring began")?;
    let cut_after = cut
        .checked_duration_since(end)
        .ok_or("the reader that does not read was cut while it was measured")?;
    Ok(SlowReader {
        blocked_before,
        cut_after,
    })
}

/// Opens a stream with the smallest receive buffer that the system allows, never reads. Returns the task
/// that waits until it is closed.
async fn open_slow_reader(address: SocketAddr, request: &[u8]) -> Outcome<JoinSet<io::Result<Instant>>> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(1024)?;
    let mut stream: TcpStream = socket.connect(address).await?;
    stream.write_all(request).await?;
    let mut watch = JoinSet::new();
    watch.spawn(async move {
        while stream.take_error()?.is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(Instant::now())
    });
    Ok(watch)
}
