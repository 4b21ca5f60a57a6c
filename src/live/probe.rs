//! Asks task stores what they host, beside the registry's feed: one that does not answer holds up nobody but itself.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::registry::{Hosting, RegistryRow};
use super::unavailability::{Server, Unavailability};
use crate::access::StoreFactory;
use crate::client::{ClientError, ExperimentClient};
use crate::experiment_configs::ConfigSource;
use crate::protocol::ExperimentId;

/// Task stores asked at the same time.
const PARALLEL: usize = 8;
/// How long one has to say whether it hosts an experiment, and with which configuration.
const DEADLINE: Duration = Duration::from_secs(2);

/// How far to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Depth {
    /// At the console's own disk: credential and configuration.
    Disk,
    /// At the task store too, unless it is being asked already.
    Store,
    /// At the task store too, and after whatever is being asked already: something changed just now.
    Anew,
}

/// A row to look at, as it is known, or as it was found.
pub(super) type Look = (RegistryRow, Depth);

/// Looks, and tells what it found as rows; their entries are those that it was given.
pub(super) struct Prober {
    pub stores: StoreFactory,
    pub configs: ConfigSource,
}

impl Prober {
    /// Sees to `looks` until it is told to stop. An experiment is looked at once at a time.
    pub(super) async fn run(
        self,
        mut looks: UnboundedReceiver<Look>,
        found: UnboundedSender<Look>,
        stopping: CancellationToken,
    ) {
        let mut under_way: FuturesUnordered<BoxFuture<'_, Look>> = FuturesUnordered::new();
        // What is under way, and what it is to be followed by.
        let mut next: BTreeMap<ExperimentId, Option<Look>> = BTreeMap::new();
        let mut waiting: VecDeque<Look> = VecDeque::new();
        loop {
            while under_way.len() < PARALLEL
                && let Some((row, depth)) = waiting.pop_front()
            {
                next.insert(row.id.clone(), None);
                under_way.push(Box::pin({
                    let prober = &self;
                    async move { (prober.look(row, depth).await, depth) }
                }));
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                Some(look) = under_way.next() => {
                    if let Some(Some(follow)) = next.remove(&look.0.id) {
                        waiting.push_back(follow);
                    }
                    // A receiver that is gone means the process is stopping.
                    let _ = found.send(look);
                }
                look = looks.recv() => {
                    let Some(look) = look else { return };
                    if let Some(follow) = next.get_mut(&look.0.id) {
                        if look.1 == Depth::Anew {
                            *follow = Some(look);
                        }
                    } else if let Some(same) = waiting.iter_mut().find(|(row, _)| row.id == look.0.id) {
                        *same = (look.0, look.1.max(same.1));
                    } else {
                        waiting.push_back(look);
                    }
                }
            }
        }
    }

    async fn look(&self, row: RegistryRow, depth: Depth) -> RegistryRow {
        let row = match depth {
            Depth::Disk => row,
            Depth::Store | Depth::Anew => self.asked(row).await,
        };
        let config = match (&row.hosting, row.tells_config) {
            (Hosting::Hosted(_), Some(false)) => self.configs.get(&row.id).await.map(drop),
            // Nobody asks for the configuration of what is not there.
            _ => Ok(()),
        };
        RegistryRow {
            credential: self.stores.credential_state(&row.id),
            config: config.map_err(|trouble| trouble.to_string()),
            ..row
        }
    }

    async fn asked(&self, row: RegistryRow) -> RegistryRow {
        let deadline = Instant::now() + DEADLINE;
        let client = self.stores.probe(&row.id);
        let hosting = match &client {
            None => Hosting::Elsewhere,
            Some(client) => hosting(
                timeout_at(deadline, client.read())
                    .await
                    .unwrap_or(Err(ClientError::TimedOut)),
            ),
        };
        let tells_config = match (&hosting, &client) {
            (Hosting::Hosted(_), Some(client)) => tells_config(client, deadline).await.or(row.tells_config),
            _ => row.tells_config,
        };
        RegistryRow {
            hosting,
            tells_config,
            is_asked: true,
            ..row
        }
    }
}

fn hosting(answer: Result<crate::protocol::Experiment, ClientError>) -> Hosting {
    match answer {
        Ok(experiment) => Hosting::Hosted(Box::new(experiment)),
        Err(error) if error.is_not_hosted_here() => Hosting::Elsewhere,
        Err(error) if error.is_not_found() => Hosting::NotHosted,
        Err(error) => Hosting::Unknown(Unavailability::of(Server::TaskStore, &error)),
    }
}

/// Whether the task store tells configurations; nothing when it did not say.
async fn tells_config(client: &ExperimentClient, deadline: Instant) -> Option<bool> {
    match timeout_at(deadline, client.config()).await {
        Ok(Ok(_)) => Some(true),
        Ok(Err(error)) if error.is_unsupported() => Some(false),
        Ok(Err(_)) | Err(_) => None,
    }
}
