//! The backend alone: reads/s and claims/s, compared with another EDEN task store if one is given.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use secrecy::{ExposeSecret, SecretString};
use switchboard::client::{Bearer, Client};
use switchboard::protocol::*;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::binary::Binary;
use crate::deployment::Lab;
use crate::http::Connection;
use crate::load::{LEVELS, Requests, Subject, alone, runtime, versus};
use crate::stats::{Sorted, median, ms, table};
use crate::{Options, Outcome};

/// Rounds of claims at each level. Each round has its own tasks.
const ROUNDS: usize = 3;

/// A task store under measurement, with an experiment that has an orchestrator.
struct Store {
    name: &'static str,
    address: SocketAddr,
    lab: Lab,
    admin: SecretString,
}

impl Store {
    /// The bytes of a request with the given bearer.
    fn request(&self, method: &str, path: &str, (principal, secret): (&str, &SecretString), body: &str) -> Vec<u8> {
        let id = &self.lab.id;
        let (address, secret, length) = (self.address, secret.expose_secret(), body.len());
        format!(
            "{method} /v0/experiments/{id}{path} HTTP/1.1\r\nhost: {address}\r\n{EXPERIMENT_HEADER}: {id}\r\n\
             authorization: Bearer {principal}:{secret}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    fn worker(&self) -> (&str, &SecretString) {
        (self.lab.worker.as_str(), &self.lab.secret)
    }

    fn reads(&self, bearer: (&str, &SecretString)) -> Subject {
        Subject {
            name: self.name,
            address: self.address,
            requests: Requests::always(self.request("GET", "/tasks/read", bearer, "")),
        }
    }

    /// Claims `number` new tasks over `connections`. Returns claims/s and the latency of each.
    async fn claims(&self, round: usize, number: usize, connections: usize) -> Outcome<(f64, Sorted)> {
        let mut requests = Vec::with_capacity(number);
        for index in 0..number {
            let id = format!("claim-{connections}-{round}-{index}");
            self.lab.create(&id).await?;
            requests.push(self.request("POST", &format!("/tasks/{id}/claim"), self.worker(), "{}"));
        }
        let requests = Arc::new(requests);
        let next = Arc::new(AtomicUsize::new(0));
        let mut ready = Vec::with_capacity(connections);
        for _ in 0..connections {
            ready.push(Connection::open(self.address).await?);
        }
        let begin = Instant::now();
        let mut set = JoinSet::new();
        for mut connection in ready {
            let (requests, next) = (requests.clone(), next.clone());
            set.spawn(async move {
                let mut latencies = Vec::new();
                while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let sent = Instant::now();
                    let (status, _) = connection.exchange(request).await?;
                    if status != 200 {
                        return Err(format!("a claim answered {status}").into());
                    }
                    latencies.push(sent.elapsed());
                }
                Outcome::Ok(latencies)
            });
        }
        let mut latencies = Vec::new();
        while let Some(done) = set.join_next().await {
            latencies.append(&mut done??);
        }
        let rate = latencies.len() as f64 / begin.elapsed().as_secs_f64();
        Ok((rate, Sorted::new(latencies)))
    }
}

pub fn run(options: &Options) -> Outcome {
    let load = runtime()?;
    let home = tempfile::tempdir()?;
    let binary = Binary::backend(home.path(), 0)?;
    let ours = load.block_on(async {
        let lab = Lab::begin(&binary.admin()?, "measured").await?;
        Outcome::Ok(Store {
            name: "switchboard",
            address: binary.backend,
            lab,
            admin: binary.token.clone().into(),
        })
    })?;
    let theirs = options.against.as_deref().map(|url| load.block_on(other(url, options)));
    let theirs = theirs.transpose()?;
    load.block_on(async {
        for store in std::iter::once(&ours).chain(&theirs) {
            store.lab.create("read").await?;
        }
        Outcome::Ok(())
    })?;

    println!("One task read again and again, with a worker's credential:\n");
    compare(&load, &ours, theirs.as_ref(), Store::worker, options)?;
    println!("\nThe same with the admin token:\n");
    compare(&load, &ours, theirs.as_ref(), |store| ("admin", &store.admin), options)?;
    println!("\nNew tasks claimed, {} a round:\n", options.claims);
    let mut rows = Vec::new();
    for connections in LEVELS {
        let mut rates = Vec::new();
        for store in std::iter::once(&ours).chain(&theirs) {
            let mut rounds = Vec::new();
            let mut last = None;
            for round in 0..ROUNDS {
                let (rate, latencies) = load.block_on(store.claims(round, options.claims, connections))?;
                rounds.push(rate);
                last = Some(latencies);
            }
            rates.push((store.name, median(rounds), last));
        }
        let base = rates.last().map_or(f64::NAN, |(_, rate, _)| *rate);
        for (name, rate, latencies) in &rates {
            let at = |part| {
                latencies
                    .as_ref()
                    .map_or_else(String::new, |sorted| ms(sorted.at(part)))
            };
            let cells = [
                connections.to_string(),
                format!("{rate:.0}"),
                format!("{:.1}", rate / base),
                at(0.5),
                at(0.99),
            ];
            rows.push([vec![(*name).to_owned()], cells.to_vec()].concat());
        }
    }
    table(&["subject", "connections", "claims/s", "ratio", "p50", "p99"], &rows);
    binary.stop()
}

fn compare<'a>(
    load: &Runtime,
    ours: &'a Store,
    theirs: Option<&'a Store>,
    bearer: impl Fn(&'a Store) -> (&'a str, &'a SecretString),
    options: &Options,
) -> Outcome {
    let subject = ours.reads(bearer(ours));
    match theirs {
        Some(theirs) => versus(load, &subject, &theirs.reads(bearer(theirs)), options.load_time()),
        None => alone(load, &subject, options.load_time()),
    }
}

/// The task store at `--against`, which must host the experiment already.
async fn other(url: &str, options: &Options) -> Outcome<Store> {
    let (token, id) = match (&options.against_token, &options.against_experiment) {
        (Some(token), Some(id)) => (token, id),
        _ => return Err("--against needs --against-token and --against-experiment".into()),
    };
    let admin: SecretString = token.clone().into();
    let client = Client::new(url, Bearer::new(Actor::Admin, admin.clone()))?;
    let address = url.strip_prefix("http://").ok_or("--against begins with http://")?;
    Ok(Store {
        name: "the other",
        address: address.trim_end_matches('/').parse()?,
        lab: Lab::staff(client.experiment(&id.parse()?)).await?,
        admin,
    })
}
