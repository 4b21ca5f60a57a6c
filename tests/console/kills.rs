//! A backend killed without warning, again and again, under the writes of many clients.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::Connection;
use switchboard::client::{Bearer, Client};
use switchboard::clock::Clock;
use switchboard::protocol::*;

use crate::console::until;
use crate::life::{Life, Witness};
use crate::program::Program;
use crate::support::{Lab, log_that_agrees};

const ROUNDS: usize = 100;
const CLIENTS: usize = 12;
/// Kills that one experiment sees, so that reading all of its log each time stays cheap.
const ROUNDS_EACH: usize = 10;

/// One experiment under load: who writes, and what must be in its log from now on.
struct Load {
    id: ExperimentId,
    orchestrator: Bearer,
    worker: Bearer,
    /// Type and subject of each event whose write was acknowledged.
    acknowledged: Vec<(&'static str, String)>,
    log: Vec<Event>,
}

impl Load {
    async fn begin(admin: &Client, name: &str) -> Self {
        let lab = Lab::begin(admin, name, Clock::default()).await;
        let (orchestrator, secret) = lab.orchestrator_credential().await;
        let orchestrator = Bearer::new(Actor::Worker(orchestrator), secret);
        let secret = lab.admin.reissue_credential(&lab.worker_id).await.expect("reissued");
        Self {
            id: lab.id.clone(),
            orchestrator,
            worker: Bearer::new(Actor::Worker(lab.worker_id.clone()), secret),
            acknowledged: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Many clients live until the process is gone, which happens at a moment that nobody chose.
    async fn until_killed(&mut self, program: Program, admin: &Client, round: usize) {
        let experiment = admin.experiment(&self.id);
        let so_far = AtomicUsize::new(0);
        let lives = (0..CLIENTS).map(|n| {
            let mut life = Life {
                orchestrator: experiment.with_credential(self.orchestrator.clone()),
                worker: experiment.with_credential(self.worker.clone()),
                witness: Notes {
                    acknowledged: Vec::new(),
                    so_far: &so_far,
                },
            };
            async move {
                for generation in 0.. {
                    match life.live(&format!("{round}-{n}-{generation}")).await {
                        Ok(()) => {}
                        Err(error) if error.error_type().is_some() => panic!("refused: {error}"),
                        Err(_) => break,
                    }
                }
                life.witness.acknowledged
            }
        });
        let killer = async {
            until("the first writes", async || {
                (so_far.load(Ordering::Relaxed) > CLIENTS).then_some(())
            })
            .await;
            tokio::time::sleep(Duration::from_millis(rand::random_range(0..60))).await;
            program.kill();
        };
        let (acknowledged, ()) = tokio::join!(futures_util::future::join_all(lives), killer);
        self.acknowledged.extend(acknowledged.into_iter().flatten());
    }

    async fn check(&mut self, admin: &Client) {
        let log = log_that_agrees(&admin.experiment(&self.id)).await;
        assert_eq!(&log[..self.log.len()], self.log, "what was in the log stays as it was");
        let mut counted: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for (index, event) in log.iter().enumerate() {
            assert_eq!(event.event_id, format!("evt-{:06}", index + 1), "no gap, no disorder");
            let (family, _) = event.kind.split_once('.').expect("a dotted type");
            let subject = event.data_str(&format!("{family}_id")).expect("what it is about");
            *counted.entry((event.kind.as_str(), subject)).or_default() += 1;
        }
        for (kind, subject) in &self.acknowledged {
            let times = counted.get(&(*kind, subject.as_str())).copied().unwrap_or_default();
            assert_eq!(times, 1, "{kind} of {subject} was acknowledged once");
        }
        self.log = log;
    }
}

/// Notes what was acknowledged.
struct Notes<'a> {
    acknowledged: Vec<(&'static str, String)>,
    so_far: &'a AtomicUsize,
}

impl Witness for Notes<'_> {
    type Permit = ();

    async fn permit(&mut self) {}

    fn landed(&mut self, kind: &'static str, subject: &str) {
        self.acknowledged.push((kind, subject.to_owned()));
        self.so_far.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_kills_lose_and_double_nothing() {
    let scratch = tempfile::tempdir().expect("a directory");
    let dir = scratch.path().join("data");
    let mut loads: Vec<Load> = Vec::new();
    for round in 0..ROUNDS {
        let program = Program::backend(&dir, &[]);
        let admin = program.client(&dir);
        if let Some(load) = loads.last_mut() {
            load.check(&admin).await;
        }
        if round % ROUNDS_EACH == 0 {
            loads.push(Load::begin(&admin, &format!("load {round}")).await);
        }
        assert_eq!(program.log(), "", "a clean start has nothing to say");
        let load = loads.last_mut().expect("one at least");
        load.until_killed(program, &admin, round).await;
    }

    let program = Program::backend(&dir, &[]);
    let admin = program.client(&dir);
    for load in &mut loads {
        load.check(&admin).await;
    }
    let events: usize = loads.iter().map(|load| load.log.len()).sum();
    let acknowledged: usize = loads.iter().map(|load| load.acknowledged.len()).sum();
    println!("{ROUNDS} kills, {events} events, {acknowledged} acknowledged ones all found");
    program.kill();

    let path = dir.join("switchboard.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut database = sqlx::SqliteConnection::connect_with(&options).await.expect("it opens");
    let verdict: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(&mut database)
        .await
        .expect("an answer");
    assert_eq!(verdict, "ok");
}
