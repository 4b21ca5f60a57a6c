//! Ten thousand events, and a feed that is cut two hundred times: before the first byte of an answer, amid a frame, after
//! a heartbeat, with everything else on the line, and because the server goes and comes back. Nothing is missed, nothing
//! doubled, and in the end the mirror is what a fresh list is.
//!
//! Where the cuts fall is drawn from a seed, which is printed; `GAP_SEED` draws the same once more.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use switchboard::clock::Clock;
use switchboard::live::{
    IdeaOrder, IdeaRow, Mirror, Score, Snapshot, SortDirection, TaskCounts, TaskFilter, TaskOrder, TaskRow,
    VariantOrder, VariantRow,
};
use switchboard::protocol::*;
use tokio::sync::{OwnedRwLockReadGuard, RwLock, watch};

use crate::console::until;
use crate::life::{Life, Witness};
use crate::proxy::{self, Cut, Proxy};
use crate::server::{self, Lacks, Scene, Server};
use crate::support::Lab;

const EVENTS: u64 = 10_000;
const CUTS: u64 = 200;
const RESTARTS: u64 = 5;
const WRITERS: usize = 8;
/// Events that may be written after the moment of a cut before it has come about.
const AROUND_A_CUT: u64 = 60;
/// How far the mirror may fall behind. It shows the newest 500 events, so that each is seen to arrive.
const BEHIND: u64 = 400;

/// Whether this is the feed of the experiment's log, of either kind.
fn is_feed(request: &proxy::Request) -> bool {
    request.target.contains("/events")
}

/// Keeps the writers in step with the cuts and with the mirror.
#[derive(Clone)]
struct Pace {
    /// Events that were acknowledged.
    written: Arc<AtomicU64>,
    /// No more may be written until the next cut.
    allowed: Arc<watch::Sender<u64>>,
    /// Events that the mirror was seen to have.
    seen: Arc<watch::Sender<u64>>,
    /// Held by each write, and by whoever lets the server go.
    server: Arc<RwLock<()>>,
}

impl Witness for Pace {
    type Permit = OwnedRwLockReadGuard<()>;

    async fn permit(&mut self) -> Self::Permit {
        let written = || self.written.load(Ordering::Relaxed);
        for (limit, more) in [(&self.allowed, 0), (&self.seen, BEHIND)] {
            let mut limit = limit.subscribe();
            // The sender is in `self`, so it outlives this wait.
            let _ = limit.wait_for(|limit| written() < limit + more).await;
        }
        self.server.clone().read_owned().await
    }

    fn landed(&mut self, _: &'static str, _: &str) {
        self.written.fetch_add(1, Ordering::Relaxed);
    }
}

/// Each event that the mirror took in, in the order in which it did.
async fn observe(mirror: Arc<Mirror>, pace: Pace, end: Arc<watch::Sender<bool>>) -> Vec<(u64, String)> {
    let (mut revisions, mut end) = (mirror.subscribe(), end.subscribe());
    let mut applied: Vec<(u64, String)> = Vec::new();
    while !*end.borrow() {
        let view = mirror.view();
        if let Some(snapshot) = view.snapshot() {
            let last = applied.last().map_or(0, |(at, _)| *at);
            assert!(
                snapshot.cursor >= last,
                "the mirror goes back from {last} to {}",
                snapshot.cursor
            );
            let news = snapshot.newest_events().take_while(|(at, _)| *at > last);
            let mut news: Vec<_> = news.map(|(at, event)| (at, event.event_id.clone())).collect();
            news.reverse();
            applied.extend(news);
            // All that it shows is the end of what was applied: nothing stands there twice, nothing is left out, and nothing
            // has become something else.
            let shown: Vec<_> = snapshot.newest_events().collect();
            let before = applied
                .len()
                .checked_sub(shown.len())
                .expect("no more than was applied");
            let is_the_end = shown
                .iter()
                .rev()
                .zip(&applied[before..])
                .all(|((at, event), known)| (*at, &event.event_id) == (known.0, &known.1));
            assert!(is_the_end, "shown {shown:?}\n\napplied {:?}", &applied[before..]);
            assert_eq!(applied.len() as u64, snapshot.cursor, "every one up to the cursor");
            pace.seen.send_replace(snapshot.cursor);
        }
        tokio::select! {
            _ = revisions.changed() => {}
            _ = end.changed() => {}
        }
    }
    applied
}

/// All that a picture says, without the revisions, which are of one life of one mirror.
#[derive(Debug, PartialEq)]
struct Said {
    experiment: Experiment,
    counts: TaskCounts,
    tasks: Vec<TaskRow>,
    by_change: Vec<TaskId>,
    by_filter: Vec<Vec<TaskId>>,
    ideas: Vec<IdeaRow>,
    variants: Vec<VariantRow>,
    scored: Vec<(Timestamp, VariantId, f64)>,
    best: Option<(Timestamp, VariantId, f64)>,
    workers: Vec<Worker>,
    groups: Vec<Group>,
    tail: Vec<(u64, Event)>,
}

impl Said {
    fn by(snapshot: &Snapshot) -> Self {
        let revision = 0;
        let scores = snapshot.scores();
        let told = |score: Score<'_>| (score.at, score.variant.clone(), score.value);
        Self {
            experiment: snapshot.experiment.clone(),
            counts: snapshot.counts,
            tasks: snapshot
                .tasks_newest_first()
                .map(|row| TaskRow {
                    revision,
                    ..TaskRow::clone(row)
                })
                .collect(),
            by_change: listed(snapshot, &TaskFilter::default(), TaskOrder::Updated),
            by_filter: filters()
                .map(|filter| listed(snapshot, &filter, TaskOrder::Created))
                .collect(),
            ideas: snapshot
                .list_ideas(None, IdeaOrder::Created, SortDirection::Descending)
                .all()
                .into_iter()
                .map(|row| IdeaRow {
                    revision,
                    ..IdeaRow::clone(row)
                })
                .collect(),
            variants: snapshot
                .list_variants(None, VariantOrder::Started, SortDirection::Descending)
                .all()
                .into_iter()
                .map(|row| VariantRow {
                    revision,
                    ..VariantRow::clone(row)
                })
                .collect(),
            scored: scores
                .iter()
                .flat_map(|scores| scores.downsampled(usize::MAX))
                .map(|(score, _)| told(score))
                .collect(),
            best: scores.and_then(|scores| scores.best()).map(told),
            workers: snapshot.workers().cloned().collect(),
            groups: snapshot.groups().to_vec(),
            tail: snapshot
                .newest_events()
                .map(|(at, event)| (at, Event::clone(event)))
                .collect(),
        }
    }
}

/// Every filter by kind and state.
fn filters() -> impl Iterator<Item = TaskFilter> {
    let states = || std::iter::once(None).chain(TaskState::ALL.iter().copied().map(Some));
    let kinds = std::iter::once(None).chain(TaskKind::ALL.iter().copied().map(Some));
    kinds.flat_map(move |kind| {
        states().map(move |state| TaskFilter {
            kind,
            state,
            ..TaskFilter::default()
        })
    })
}

fn listed(snapshot: &Snapshot, filter: &TaskFilter, order: TaskOrder) -> Vec<TaskId> {
    let rows = snapshot.list_tasks(filter, order, SortDirection::Descending).all();
    rows.into_iter().map(|row| row.id.clone()).collect()
}

async fn caught_up(mirror: &Mirror, cursor: u64) -> Said {
    let view = until("the end of the log", async || {
        let view = mirror.view();
        let is_there = view.freshness.word() == "live" && view.snapshot()?.cursor == cursor;
        is_there.then_some(view)
    })
    .await;
    Said::by(view.snapshot().expect("a picture"))
}

/// How often each sort of cut was made.
#[derive(Debug, Default)]
struct Cuts {
    before_first_byte: u64,
    amid: u64,
    after_beat: u64,
    everything: u64,
    restarts: u64,
}

impl Cuts {
    async fn one(&mut self, number: u64, draw: &mut SmallRng, server: &mut Server, line: &Proxy, pace: &Pace) {
        if number % (CUTS / RESTARTS) == CUTS / RESTARTS / 2 {
            let _no_write = pace.server.write().await;
            server.go().await;
            server.come_back().await;
            self.restarts += 1;
            return;
        }
        match draw.random_range(0..4) {
            0 => {
                line.snip(Cut::BeforeFirstByte, is_feed);
                // A stream has begun long ago; the next one is the one that does not begin.
                if server.pushes_logs() {
                    line.interrupt();
                }
                self.before_first_byte += 1;
            }
            1 if server.pushes_logs() => {
                line.snip(Cut::AfterBeat, is_feed);
                self.after_beat += 1;
            }
            2 => {
                line.interrupt();
                self.everything += 1;
                return;
            }
            _ => {
                line.snip(Cut::After(draw.random_range(0..1500)), is_feed);
                self.amid += 1;
            }
        }
        line.has_snipped().await;
    }
}

async fn ten_thousand_events(lacks: Lacks) {
    let seed = std::env::var("GAP_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("a number"));
    println!("GAP_SEED={seed}");
    let begin = Instant::now();
    let mut draw = SmallRng::seed_from_u64(seed);
    let mut scene = Scene::set_up(Server::start(lacks).await, Clock::default(), |setup| {
        // Otherwise most of the time is spent in waiting for the next try.
        setup.retry_cap = Duration::from_millis(10);
    })
    .await;
    let lab = Lab::begin(&scene.console.admin, "Cut line", Clock::default()).await;
    let mirror = scene.console.live.mirror(&lab.id);
    let listed = until("the first list", async || {
        mirror.view().snapshot().map(|snapshot| snapshot.cursor)
    })
    .await;

    let pace = Pace {
        written: Arc::default(),
        allowed: Arc::new(watch::Sender::new(0)),
        seen: Arc::new(watch::Sender::new(0)),
        server: Arc::default(),
    };
    let end = Arc::new(watch::Sender::new(false));
    let mut points: Vec<u64> = (0..CUTS).map(|_| draw.random_range(0..EVENTS - AROUND_A_CUT)).collect();
    points.sort_unstable();
    let mut cuts = Cuts::default();
    let cutting = async {
        for (number, point) in (0..).zip(points) {
            pace.allowed.send_replace(point + AROUND_A_CUT);
            until("the events before a cut", async || {
                (pace.written.load(Ordering::Relaxed) >= point).then_some(())
            })
            .await;
            cuts.one(number, &mut draw, &mut scene.server, &scene.line, &pace).await;
        }
        pace.allowed.send_replace(u64::MAX);
    };
    let generation = AtomicU64::new(0);
    let writers = (0..WRITERS).map(|_| {
        let mut life = Life {
            orchestrator: lab.orchestrator.clone(),
            worker: lab.worker.clone(),
            witness: pace.clone(),
        };
        let (generation, written) = (&generation, &pace.written);
        async move {
            while written.load(Ordering::Relaxed) < EVENTS {
                let number = generation.fetch_add(1, Ordering::Relaxed);
                life.live(&number.to_string()).await.expect("written");
            }
        }
    });
    let observing = observe(mirror.clone(), pace.clone(), end.clone());
    let work = async {
        tokio::join!(futures_util::future::join_all(writers), cutting);
        let took = begin.elapsed();
        let log = lab.admin.events(0, None).await.expect("the log").events;
        let held = caught_up(&mirror, log.len() as u64).await;
        end.send_replace(true);
        (took, log, held)
    };
    let ((took, log, held), applied) = tokio::join!(work, observing);

    println!(
        "{} events written under {cuts:?} in {took:?}, all told after {:?}",
        log.len(),
        begin.elapsed()
    );
    assert!(log.len() as u64 >= EVENTS);
    assert_eq!(
        log.len() as u64,
        pace.written.load(Ordering::Relaxed),
        "each event was counted"
    );
    let told: Vec<_> = (1..).zip(log.iter().map(|event| event.event_id.clone())).collect();
    assert_eq!(applied.len(), told.len(), "each event once");
    assert_eq!(applied, told, "nothing missed, nothing doubled, in order");
    assert_eq!(
        applied.iter().map(|(_, id)| id).collect::<HashSet<_>>().len(),
        told.len()
    );

    // Each was told to the mirror once, too: a second time would count, even where it changes nothing.
    let (fed, lists) = (mirror.follow_stats().events(), mirror.follow_stats().lists());
    println!("{fed} came by the feed after a list of {listed}, of {lists} lists in all");
    let by_feed = log.len() as u64 - listed;
    assert!(fed <= by_feed, "{} events came twice", fed - by_feed);
    assert!(
        fed == by_feed || lists > 1,
        "only a list may tell what the feed did not"
    );

    let straight = scene.beside().await;
    let fresh = caught_up(&straight.live.mirror(&lab.id), log.len() as u64).await;
    assert_eq!(held.tasks.len(), 3 * generation.load(Ordering::Relaxed) as usize);
    assert!(
        held == fresh,
        "the mirror is not what a fresh list is:\n{held:#?}\n\nfresh:\n{fresh:#?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pushed_feed_that_is_cut_two_hundred_times_misses_and_doubles_nothing() {
    ten_thousand_events(server::nothing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_poll_that_is_cut_two_hundred_times_misses_and_doubles_nothing() {
    ten_thousand_events(server::push).await;
}
