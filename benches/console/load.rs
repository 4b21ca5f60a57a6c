//! The load generator: keep-alive connections. Each sends its next request after the complete response to the last.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::Outcome;
use crate::http::Connection;
use crate::stats::{Sorted, median, ms, table};

/// The time is divided into this many short rounds, so that drift of the machine affects both subjects equally.
const ROUNDS: u32 = 5;
/// Numbers of connections at which each subject is measured.
pub const LEVELS: [usize; 3] = [1, 16, 64];

/// A server under load, and the requests it gets.
pub struct Subject {
    pub name: &'static str,
    pub address: SocketAddr,
    pub requests: Requests,
}

/// The sequence of requests, shared by all connections.
#[derive(Clone)]
pub struct Requests(Arc<(Box<Make>, AtomicUsize)>);

type Make = dyn Fn(usize) -> Arc<[u8]> + Send + Sync;

impl Requests {
    /// Always the same request, built once.
    pub fn always(request: Vec<u8>) -> Self {
        let request: Arc<[u8]> = request.into();
        Self::numbered(move |_| request.clone())
    }

    /// One request per number. Building it costs both subjects the same.
    pub fn numbered(make: impl Fn(usize) -> Arc<[u8]> + Send + Sync + 'static) -> Self {
        Self(Arc::new((Box::new(make), AtomicUsize::new(0))))
    }

    pub fn next(&self) -> Arc<[u8]> {
        let (make, count) = &*self.0;
        make(count.fetch_add(1, Ordering::Relaxed))
    }
}

/// A separate runtime for the load.
pub fn runtime() -> Outcome<Runtime> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder
        .worker_threads(threads)
        .thread_name("load")
        .enable_all()
        .build()?)
}

/// The result of one subject in one round.
struct Round {
    rate: f64,
    latencies: Vec<Duration>,
}

/// Loads one subject for `time`.
///
/// # Errors
/// When a status is not 200 or a body is empty.
async fn round(subject: &Subject, connections: usize, time: Duration) -> Outcome<Round> {
    let mut ready = Vec::with_capacity(connections);
    for _ in 0..connections {
        ready.push(Connection::open(subject.address).await?);
    }
    let begin = Instant::now();
    let mut set = JoinSet::new();
    for mut connection in ready {
        let requests = subject.requests.clone();
        set.spawn(async move {
            let mut latencies = Vec::new();
            while begin.elapsed() < time {
                let request = requests.next();
                let sent = Instant::now();
                let (status, length) = connection.exchange(&request).await?;
                latencies.push(sent.elapsed());
                if status != 200 || length == 0 {
                    return Err(format!("an answer of {length} bytes with status {status} under load").into());
                }
            }
            Outcome::Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(done) = set.join_next().await {
        latencies.append(&mut done??);
    }
    let rate = latencies.len() as f64 / begin.elapsed().as_secs_f64();
    Ok(Round { rate, latencies })
}

/// Alternates between two subjects at every level, and prints the first compared with the second.
pub fn versus(load: &Runtime, subject: &Subject, against: &Subject, time: Duration) -> Outcome {
    let mut rows = Vec::new();
    for connections in LEVELS {
        let part = time / ROUNDS;
        for warming in [subject, against] {
            load.block_on(round(warming, connections, part))?;
        }
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for turn in 0..ROUNDS {
            // The order alternates, so that neither subject always comes second.
            if turn % 2 == 0 {
                ours.push(load.block_on(round(subject, connections, part))?);
                theirs.push(load.block_on(round(against, connections, part))?);
            } else {
                theirs.push(load.block_on(round(against, connections, part))?);
                ours.push(load.block_on(round(subject, connections, part))?);
            }
        }
        let ratios = ours.iter().zip(&theirs).map(|(ours, theirs)| ours.rate / theirs.rate);
        let ratio = median(ratios.collect());
        rows.push(row(subject, connections, ours, &format!("{ratio:.3}")));
        rows.push(row(against, connections, theirs, "1"));
    }
    table(&COLUMNS, &rows);
    Ok(())
}

/// Measures and prints one subject without a comparison.
pub fn alone(load: &Runtime, subject: &Subject, time: Duration) -> Outcome {
    let mut rows = Vec::new();
    for connections in LEVELS {
        let part = time / ROUNDS;
        load.block_on(round(subject, connections, part))?;
        let rounds = (0..ROUNDS).map(|_| load.block_on(round(subject, connections, part)));
        rows.push(row(subject, connections, rounds.collect::<Outcome<_>>()?, ""));
    }
    table(&COLUMNS, &rows);
    Ok(())
}

const COLUMNS: [&str; 7] = ["subject", "connections", "requests/s", "ratio", "p50", "p99", "answers"];

fn row(subject: &Subject, connections: usize, rounds: Vec<Round>, ratio: &str) -> Vec<String> {
    let rate = median(rounds.iter().map(|round| round.rate).collect());
    let latencies = Sorted::new(rounds.into_iter().flat_map(|round| round.latencies).collect());
    vec![
        subject.name.to_owned(),
        connections.to_string(),
        format!("{rate:.0}"),
        ratio.to_owned(),
        ms(latencies.at(0.5)),
        ms(latencies.at(0.99)),
        latencies.len().to_string(),
    ]
}
