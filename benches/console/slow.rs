//! One reader that does not read, among many that do: what do the others notice?

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::binary::Binary;
use crate::deployment::Lab;
use crate::fanout::{Told, everyone, follow};
use crate::http::{self, sign_in};
use crate::stats::{Sorted, median, ms, table};
use crate::{Options, Outcome, load};

const READERS: usize = 100;
/// Rounds of each sort, in turn.
const ROUNDS: usize = 3;
/// Changes that fill the slow reader's buffers before anything is measured, and the time between two of them: closer
/// together they would be told as one.
const FILLING: usize = 300;
const APART: Duration = Duration::from_millis(45);

pub fn run(options: &Options) -> Outcome {
    let home = tempfile::tempdir()?;
    let binary = Binary::start(home.path(), false)?;
    load::runtime()?.block_on(measure(options, &binary))
}

async fn measure(options: &Options, binary: &Binary) -> Outcome {
    let lab = Lab::begin(&binary.admin()?, "slow").await?;
    lab.fill(100).await?;
    let cookie = sign_in(binary.console, &binary.sign_in).await?;
    let overview = format!("/x/{}/", lab.id);
    http::get(binary.console, &overview, &cookie).await?.ok(&overview)?;
    let request: Arc<[u8]> = http::request(&format!("{overview}live"), &cookie).into();
    let (told, mut tell) = mpsc::unbounded_channel();
    let mut streams = JoinSet::new();
    for number in 0..READERS {
        streams.spawn(follow(number, binary.console, request.clone(), told.clone()));
    }
    everyone(&mut tell, READERS).await?;

    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS * 2 {
        // Held until the round is over, and never read.
        let slow = match round % 2 {
            0 => None,
            _ => Some(one_that_does_not_read(binary.console, &request).await?),
        };
        // The same work precedes both, so that nothing differs but the reader.
        for change in 0..FILLING {
            lab.create(&format!("fill-{round}-{change:06}")).await?;
            tokio::time::sleep(APART).await;
        }
        while tell.try_recv().is_ok() {}
        let times = round_of(options, &lab, &mut tell, round).await?;
        if slow.is_some() { &mut with } else { &mut without }.push(Sorted::new(times));
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
        "\n{READERS} readers, {} events a round, medians of {ROUNDS} rounds each, in turn; each round begins with {FILLING} \
         changes that fill the buffers of the one that does not read",
        options.events
    );
    Ok(())
}

/// When each reader was told of each event.
async fn round_of(
    options: &Options,
    lab: &Lab,
    tell: &mut mpsc::UnboundedReceiver<Told>,
    round: usize,
) -> Outcome<Vec<Duration>> {
    let mut times = Vec::new();
    for event in 0..options.events {
        // Past the time in which changes are told together, and out of step with the beats.
        tokio::time::sleep(Duration::from_millis(100 + (event as u64 * 37) % 100)).await;
        lab.create(&format!("event-{round}-{event:06}")).await?;
        let acknowledged = Instant::now();
        let told = everyone(tell, READERS).await?;
        times.extend(told.iter().map(|at| at.saturating_duration_since(acknowledged)));
    }
    Ok(times)
}

/// Opens a stream with as small a buffer as the system gives.
async fn one_that_does_not_read(address: SocketAddr, request: &[u8]) -> Outcome<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(1024)?;
    let mut stream = socket.connect(address).await?;
    stream.write_all(request).await?;
    Ok(stream)
}
