//! The backend goes for a while under open pages and somebody who moves about.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use switchboard::lifecycle::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use crate::asks::{Ask, Sort, administrator_by_group, asks};
use crate::binary::Binary;
use crate::deployment::{Console, Deployment, Lab};
use crate::http::{self, Connection};
use crate::proxy::Proxy;
use crate::stats::{Sorted, ms, table};
use crate::{Options, Outcome, load};

/// Between two pages of whoever moves about.
const STEP: Duration = Duration::from_millis(25);
/// How long after the return what is asked of the backend is counted.
const STORM: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);

/// How the backend goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outage {
    /// Its process is killed.
    Gone,
    /// Its line stays open, and nothing passes.
    Silent,
}

/// An answer: when it was asked for, how long that took, whether it is what it should be, and how fresh it says it is.
struct Viewed {
    sort: Sort,
    at: Instant,
    took: Duration,
    status: u16,
    is_good: bool,
    freshness: String,
}

/// A stream that was told something, by its number.
type Told = (usize, Instant);

pub fn run(options: &Options) -> Outcome {
    let (mut rows, mut answers) = (Vec::new(), Vec::new());
    for outage in [Outage::Gone, Outage::Silent] {
        let (row, of_each_sort) = measure(outage, Duration::from_secs(options.outage))?;
        rows.push(row);
        answers.extend(of_each_sort);
    }
    table(
        &[
            "the backend",
            "answers",
            "number",
            "not as they should be",
            "p50",
            "p99",
            "max",
        ],
        &answers,
    );
    println!();
    table(
        &[
            "the backend",
            "first stream told",
            "last stream told",
            "live again",
            "asked in 5 s",
        ],
        &rows,
    );
    println!(
        "\n{} s each, ten open pages, and something every {STEP:?} of all that was seen before, for two operators in turn; told: from the \
         outage until the stream names the freshness; live again: from where the backend listens, or the line passes, \
         until a page says so; asked: requests that reach the backend's line in the first {} s after that",
        options.outage,
        STORM.as_secs()
    );
    Ok(())
}

/// The outage itself, and the answers of each sort.
fn measure(outage: Outage, lasts: Duration) -> Outcome<(Vec<String>, Vec<Vec<String>>)> {
    let load = load::runtime()?;
    let home = tempfile::tempdir()?;
    let backend = Binary::backend(home.path(), 0)?;
    let address = backend.backend;
    let line = Tasks::new();
    let proxy = load.block_on(Proxy::before(address, &line));
    let deployment = Deployment::over(proxy.base().trim_start_matches("http://").parse()?, &backend.token)?;
    let console = deployment.console()?;
    let outcome = load.block_on(async {
        let admin = backend.admin()?;
        let lab = Lab::begin(&admin, "outage").await?;
        lab.fill(300).await?;
        let ada = administrator_by_group(&admin, &console).await?;
        let pages = pages(&lab);
        let asks = asks(&pages, [&console.cookie, &ada]);
        let (streams, mut tell) = open(&console, &pages).await?;
        let (viewed, mut views) = mpsc::unbounded_channel();
        let end = Arc::new(Notify::new());
        let moving = move_about(&console, &asks, viewed, end.clone());
        let outage = async {
            // All streams have been told where they stand, and what was read first is read.
            tokio::time::sleep(Duration::from_secs(3)).await;
            while tell.try_recv().is_ok() {}
            let gone = Instant::now();
            let mut backend = Some(backend);
            match outage {
                Outage::Gone => drop(backend.take()),
                Outage::Silent => proxy.mute(),
            }
            let told = everyone(&mut tell, streams.len()).await?;
            tokio::time::sleep_until((gone + lasts).into()).await;
            let back = match outage {
                Outage::Gone => {
                    let port = address.port();
                    let home = home.path().to_owned();
                    backend = Some(tokio::task::spawn_blocking(move || Binary::backend(&home, port)).await??);
                    Instant::now()
                }
                Outage::Silent => {
                    proxy.heal();
                    Instant::now()
                }
            };
            proxy.take_requests();
            tokio::time::sleep(STORM).await;
            let asked = proxy.take_requests().len();
            tokio::time::sleep(Duration::from_secs(5)).await;
            end.notify_one();
            drop(backend);
            Outcome::Ok((gone, told, back, asked))
        };
        let ((gone, told, back, asked), ()) = tokio::try_join!(outage, moving)?;
        let mut all = Vec::new();
        while let Ok(view) = views.try_recv() {
            all.push(view);
        }
        Outcome::Ok((gone, told, back, asked, all))
    });
    line.stop();
    let (gone, told, back, asked, views) = outcome?;
    let during: Vec<_> = views.iter().filter(|view| view.at >= gone && view.at < back).collect();
    let name = match outage {
        Outage::Gone => "is killed",
        Outage::Silent => "falls silent",
    };
    let answers = Sort::ALL.map(|sort| {
        let of_sort = || during.iter().filter(move |view| view.sort == sort);
        let times = Sorted::new(of_sort().map(|view| view.took).collect());
        let bad = of_sort().filter(|view| !view.is_good).count();
        let first = of_sort().find(|view| !view.is_good);
        let first = first.map_or_else(String::new, |view| {
            format!(", first {} at {}", view.status, view.freshness)
        });
        let counts = [times.len().to_string(), format!("{bad}{first}")];
        let times = [times.at(0.5), times.at(0.99), times.max()].map(ms);
        [name.to_owned(), sort.name().to_owned()]
            .into_iter()
            .chain(counts)
            .chain(times)
            .collect()
    });
    let live = views
        .iter()
        .find(|view| view.at >= back && view.freshness.starts_with("live"));
    let since_gone = |at: Option<&Instant>| at.map_or_else(String::new, |at| ms(*at - gone));
    let row = vec![
        name.to_owned(),
        since_gone(told.iter().min()),
        since_gone(told.iter().max()),
        live.map_or_else(|| "never".to_owned(), |view| ms(view.at - back)),
        asked.to_string(),
    ];
    Ok((row, answers.into()))
}

/// Ten pages of an experiment; all of them are viewed before the backend goes.
fn pages(lab: &Lab) -> Vec<String> {
    [
        "",
        "admin/tasks/",
        "admin/tasks/?state=claimed",
        "admin/tasks/?sort=updated",
        "admin/tasks/?page=2",
        "admin/tasks/task-000007/",
        "admin/tasks/task-000010/",
        "admin/ideas/",
        "admin/variants/",
        "admin/events/",
    ]
    .iter()
    .map(|page| format!("/x/{}/{page}", lab.id))
    .collect()
}

/// Views each page twice and opens its stream.
async fn open(console: &Console, pages: &[String]) -> Outcome<(JoinSet<Outcome>, mpsc::UnboundedReceiver<Told>)> {
    for path in pages {
        http::get(console.address, path, &console.cookie).await?.ok(path)?;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (told, tell) = mpsc::unbounded_channel();
    let mut streams = JoinSet::new();
    for (number, path) in pages.iter().enumerate() {
        let page = http::get(console.address, path, &console.cookie)
            .await?
            .ok(path)?
            .text();
        let request = http::stream_of(&page, &console.cookie)?;
        streams.spawn(listen(number, console.address, request, told.clone()));
    }
    Ok((streams, tell))
}

/// Says when the stream says that the freshness is another.
async fn listen(number: usize, address: SocketAddr, request: Vec<u8>, told: mpsc::UnboundedSender<Told>) -> Outcome {
    const TOPIC: &str = "event: freshness\n";
    let mut stream = http::connect(address).await?;
    stream.write_all(&request).await?;
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Err("the console closed a stream".into());
        }
        text.push_str(std::str::from_utf8(&buffer[..length])?);
        while let Some(at) = text.find(TOPIC) {
            text.drain(..at + TOPIC.len());
            if told.send((number, Instant::now())).is_err() {
                return Ok(());
            }
        }
        // Only the beginning of a topic is still of use.
        let keep = text.len().min(TOPIC.len());
        text.drain(..text.len() - keep);
    }
}

/// When each stream was told first.
async fn everyone(tell: &mut mpsc::UnboundedReceiver<Told>, streams: usize) -> Outcome<Vec<Instant>> {
    let mut when = vec![None; streams];
    while when.contains(&None) {
        let told = tokio::time::timeout(PATIENCE, tell.recv()).await;
        let told = told.map_err(|_| format!("not every stream was told within {PATIENCE:?}"))?;
        let (number, at) = told.ok_or("every stream ended")?;
        when[number].get_or_insert(at);
    }
    Ok(when.into_iter().flatten().collect())
}

/// Goes from page to page on one connection until `end`.
async fn move_about(
    console: &Console,
    asks: &[Ask],
    viewed: mpsc::UnboundedSender<Viewed>,
    end: Arc<Notify>,
) -> Outcome {
    let (over, is_over) = watch::channel(false);
    let going = async {
        let mut connection = Connection::open(console.address).await?;
        let mut step = tokio::time::interval(STEP);
        let mut is_stale = false;
        for ask in asks.iter().cycle() {
            if ask.sort == Sort::Write && !is_stale {
                continue;
            }
            step.tick().await;
            if *is_over.borrow() {
                break;
            }
            let at = Instant::now();
            let answer = connection.fetch(&ask.request).await?;
            let took = at.elapsed();
            let freshness = answer.header("switchboard-freshness").unwrap_or_default().to_owned();
            is_stale = freshness.starts_with("stale");
            let is_good = ask.is_answered_by(&answer);
            // Nobody listens any more once all is over.
            let _ = viewed.send(Viewed {
                sort: ask.sort,
                at,
                took,
                status: answer.status,
                is_good,
                freshness,
            });
        }
        Outcome::Ok(())
    };
    let ending = async {
        end.notified().await;
        over.send_replace(true);
        Outcome::Ok(())
    };
    tokio::try_join!(going, ending).map(drop)
}
