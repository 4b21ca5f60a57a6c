//! Asks task stores what they host, apart from the registry's feed: a silent task store delays nothing but its own
//! answer.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

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

/// What a probe reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::live) enum ProbeDepth {
    /// The console's own disk: credential and configuration.
    Disk,
    /// Also the task store, unless a probe of it is under way.
    Store,
    /// Also the task store, after any probe that is under way: something changed just now.
    StoreAfresh,
}

/// A row to probe, as it is known; afterwards as it was found.
pub(in crate::live) struct Probe {
    pub row: RegistryRow,
    pub depth: ProbeDepth,
}

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
        results: UnboundedSender<Probe>,
        stopping: CancellationToken,
    ) {
        let mut under_way: FuturesUnordered<BoxFuture<'_, Probe>> = FuturesUnordered::new();
        // The experiments whose probe is under way, each with the probe that follows it.
        let mut following: BTreeMap<ExperimentId, Option<Probe>> = BTreeMap::new();
        let mut waiting: VecDeque<Probe> = VecDeque::new();
        loop {
            while under_way.len() < MAX_PARALLEL
                && let Some(probe) = waiting.pop_front()
            {
                following.insert(probe.row.id.clone(), None);
                under_way.push(Box::pin(self.carry_out(probe)));
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                Some(result) = under_way.next() => {
                    if let Some(Some(next)) = following.remove(&result.row.id) {
                        waiting.push_back(next);
                    }
                    // A closed receiver means that the process is stopping.
                    let _ = results.send(result);
                }
                request = requests.recv() => {
                    let Some(request) = request else { return };
                    if let Some(next) = following.get_mut(&request.row.id) {
                        if request.depth == ProbeDepth::StoreAfresh {
                            *next = Some(request);
                        }
                    } else if let Some(same) = waiting.iter_mut().find(|probe| probe.row.id == request.row.id) {
                        let depth = request.depth.max(same.depth);
                        *same = Probe { depth, ..request };
                    } else {
                        waiting.push_back(request);
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
