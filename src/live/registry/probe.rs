//! Asks task stores what they host, apart from the registry's feed: a silent task store delays nothing but its own
//! answer.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::probe_queue::{Probe, ProbeDepth, ProbeQueue};
use super::row::{Hosting, RegistryRow};
use crate::access::StoreFactory;
use crate::client::{ClientError, ExperimentClient};
use crate::experiment_configs::ConfigSource;
use crate::live::unavailability::{Server, Unavailability};
use crate::protocol::{Experiment, ExperimentId};

/// The most task stores that are asked at the same time.
const MAX_PARALLEL: usize = 8;
/// How long a task store has to answer whether it hosts an experiment, and with which configuration.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// While many probes are under way, their results are handed on together at this interval. Each time the registry
/// changes, and open pages look at it again.
const RESULTS_INTERVAL: Duration = Duration::from_millis(100);

/// Carries out probes. A row comes back with the entry that it was given.
pub(in crate::live) struct Prober {
    pub stores: StoreFactory,
    pub configs: ConfigSource,
}

impl Prober {
    /// Carries out `requests` until it is told to stop; one probe per experiment at a time.
    pub(in crate::live) async fn run(
        self,
        mut requests: UnboundedReceiver<Probe>,
        results: UnboundedSender<Vec<Probe>>,
        stopping: CancellationToken,
    ) {
        let mut under_way: FuturesUnordered<BoxFuture<'_, Probe>> = FuturesUnordered::new();
        // The experiments whose probe is under way, each with the probe that follows it.
        let mut following: BTreeMap<ExperimentId, Option<Probe>> = BTreeMap::new();
        let mut waiting = ProbeQueue::default();
        let mut finished = Vec::new();
        let mut results_due = Instant::now();
        loop {
            while under_way.len() < MAX_PARALLEL
                && let Some(probe) = waiting.take()
            {
                following.insert(probe.row.id.clone(), None);
                under_way.push(Box::pin(self.carry_out(probe)));
            }
            let is_due = under_way.is_empty() || Instant::now() >= results_due;
            if is_due && !finished.is_empty() {
                // A closed receiver means that the process is stopping.
                let _ = results.send(std::mem::take(&mut finished));
                results_due = Instant::now() + RESULTS_INTERVAL;
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                () = sleep_until(results_due), if !finished.is_empty() => {}
                Some(result) = under_way.next() => {
                    if let Some(Some(next)) = following.remove(&result.row.id) {
                        waiting.add(next);
                    }
                    finished.push(result);
                }
                request = requests.recv() => {
                    let Some(request) = request else { return };
                    if let Some(next) = following.get_mut(&request.row.id) {
                        if request.depth == ProbeDepth::StoreAfresh {
                            *next = Some(request);
                        }
                    } else {
                        waiting.add(request);
                    }
                }
            }
        }
    }

    async fn carry_out(&self, Probe { row, depth }: Probe) -> Probe {
        let row = match depth {
            ProbeDepth::Disk => row,
            ProbeDepth::Store | ProbeDepth::StoreAfresh => self.ask_store(row).await,
        };
        let config = match (&row.hosting, row.serves_config) {
            (Hosting::Hosted(_), Some(false)) => self.configs.get(&row.id).await.map(drop),
            // Without a hosted experiment nobody needs the configuration.
            _ => Ok(()),
        };
        let row = RegistryRow {
            credential: self.stores.credential_state(&row.id),
            config: config.map_err(|trouble| trouble.to_string()),
            ..row
        };
        Probe { row, depth }
    }

    async fn ask_store(&self, row: RegistryRow) -> RegistryRow {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let client = self.stores.probe(&row.id);
        let hosting = match &client {
            None => Hosting::Elsewhere,
            Some(client) => hosting(
                timeout_at(deadline, client.read())
                    .await
                    .unwrap_or(Err(ClientError::TimedOut)),
            ),
        };
        let serves_config = match (&hosting, &client) {
            (Hosting::Hosted(_), Some(client)) => serves_config(client, deadline).await.or(row.serves_config),
            _ => row.serves_config,
        };
        RegistryRow {
            hosting,
            serves_config,
            was_probed: true,
            ..row
        }
    }
}

fn hosting(answer: Result<Experiment, ClientError>) -> Hosting {
    match answer {
        Ok(experiment) => Hosting::Hosted(Box::new(experiment)),
        Err(error) if error.is_not_hosted_here() => Hosting::Elsewhere,
        Err(error) if error.is_not_found() => Hosting::NotHosted,
        Err(error) => Hosting::Unknown(Unavailability::of(Server::TaskStore, &error)),
    }
}

/// Whether the task store serves configurations; none if it did not say.
async fn serves_config(client: &ExperimentClient, deadline: Instant) -> Option<bool> {
    match timeout_at(deadline, client.config()).await {
        Ok(Ok(_)) => Some(true),
        Ok(Err(error)) if error.is_unsupported() => Some(false),
        Ok(Err(_)) | Err(_) => None,
    }
}
