//! An outage of the backend, with open pages and with operators who view pages.

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

/// The interval between two requests of the operators.
const REQUEST_INTERVAL: Duration = Duration::from_millis(25);
/// For how long after the recovery requests to the backend are counted.
const RECOVERY_WINDOW: Duration = Duration::from_secs(5);
/// How long all streams together may take to be notified.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The kind of outage.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outage {
    /// Its process is killed.
    Killed,
    /// Its connections stay open, but no bytes pass.
    Silent,
}

/// A response of the console. `is_good` says whether it is as required; `freshness` is the value of its header.
struct Response {
    sort: Sort,
    at: Instant,
    took: Duration,
    status: u16,
    is_good: bool,
    freshness: String,
}

/// The number of a stream that was notified, and when.
type Told = (usize, Instant);

pub fn run(options: &Options) -> Outcome {
    let (mut rows, mut answers) = (Vec::new(), Vec::new());
    for outage in [Outage::Killed, Outage::Silent] {
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
        "\n{} s each, ten open pages, and something every {REQUEST_INTERVAL:?} of all that was seen before, for two operators \
         in turn; told: from the outage until the stream names the freshness; live again: from where the backend listens, or the line passes, \
         until a page says so; asked: requests that reach the backend's line in the first {} s after that",
        options.outage,
        RECOVERY_WINDOW.as_secs()
    );
    Ok(())
}

/// Measures one outage. Returns its row of the second table, and the rows of the first.
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
        let moving = request_all(&console, &asks, viewed, end.clone());
        let outage = async {
            // Wait until all streams have sent their first state and the first lists are read.
            tokio::time::sleep(Duration::from_secs(3)).await;
            while tell.try_recv().is_ok() {}
            let began = Instant::now();
            let mut backend = Some(backend);
            match outage {
                Outage::Killed => drop(backend.take()),
                Outage::Silent => proxy.mute(),
            }
            let told = everyone(&mut tell, streams.len()).await?;
            tokio::time::sleep_until((began + lasts).into()).await;
            let recovered = match outage {
                Outage::Killed => {
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
            tokio::time::sleep(RECOVERY_WINDOW).await;
            let asked = proxy.take_requests().len();
            tokio::time::sleep(Duration::from_secs(5)).await;
            end.notify_one();
            drop(backend);
            Outcome::Ok((began, told, recovered, asked))
        };
        let ((began, told, recovered, asked), ()) = tokio::try_join!(outage, moving)?;
        let mut all = Vec::new();
        while let Ok(view) = views.try_recv() {
            all.push(view);
        }
        Outcome::Ok((began, told, recovered, asked, all))
    });
    line.stop();
    let (began, told, recovered, asked, views) = outcome?;
    let during: Vec<_> = views
        .iter()
        .filter(|view| view.at >= began && view.at < recovered)
        .collect();
    let name = match outage {
        Outage::Killed => "is killed",
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
        .find(|view| view.at >= recovered && view.freshness.starts_with("live"));
    let since_began = |at: Option<&Instant>| at.map_or_else(String::new, |at| ms(*at - began));
    let row = vec![
        name.to_owned(),
        since_began(told.iter().min()),
        since_began(told.iter().max()),
        live.map_or_else(|| "never".to_owned(), |view| ms(view.at - recovered)),
        asked.to_string(),
    ];
    Ok((row, answers.into()))
}

/// Ten pages of an experiment. All of them are viewed before the outage.
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

/// Views each page twice and opens its event stream.
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

/// Reads one stream and reports each topic `freshness`.
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
        // Keep only what may be the start of another topic.
        let keep = text.len().min(TOPIC.len());
        text.drain(..text.len() - keep);
    }
}

/// Waits until each stream was notified. Returns the time of the first notification of each.
async fn everyone(tell: &mut mpsc::UnboundedReceiver<Told>, streams: usize) -> Outcome<Vec<Instant>> {
    let mut when = vec![None; streams];
    while when.contains(&None) {
        let told = tokio::time::timeout(TIMEOUT, tell.recv()).await;
        let told = told.map_err(|_| format!("not every stream was told within {TIMEOUT:?}"))?;
        let (number, at) = told.ok_or("every stream ended")?;
        when[number].get_or_insert(at);
    }
    Ok(when.into_iter().flatten().collect())
}

/// Sends all requests in turn on one connection until `end`. Forms are sent only while a page is stale.
async fn request_all(
    console: &Console,
    asks: &[Ask],
    viewed: mpsc::UnboundedSender<Response>,
    end: Arc<Notify>,
) -> Outcome {
    let (over, is_over) = watch::channel(false);
    let going = async {
        let mut connection = Connection::open(console.address).await?;
        let mut step = tokio::time::interval(REQUEST_INTERVAL);
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
            // The receiver is gone when the measurement has ended.
            let _ = viewed.send(Response {
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
