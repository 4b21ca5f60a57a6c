//! The list half of list-then-watch: read everything once, with the log position it is true for.

use std::sync::Arc;

use futures_util::future::try_join;
use imbl::OrdMap;
use tracing::warn;

use super::configuration::Configuration;
use super::snapshot::{Listed, Snapshot, TAIL};
use crate::client::{ClientError, ExperimentClient};
use crate::experiment_configs::ConfigSource;
use crate::protocol::Event;

/// Reads a whole experiment into a picture whose rows carry `revision`; nothing when the task store does not host it.
///
/// The lists are separate calls, so each may be true for a different position of the log. The picture
/// takes the oldest of them: what is watched from there re-reads entities, which is harmless where a
/// list was newer, and misses nothing.
pub(super) async fn list(
    client: &ExperimentClient,
    configs: &ConfigSource,
    revision: u64,
) -> Result<Option<Snapshot>, ClientError> {
    if optional(client.read().await)?.is_none() {
        return Ok(None);
    }
    let config = Configuration::read(client, configs).await?;
    let tasks = client.tasks().await?;
    // A server that does not tell still has a log; what is listed after its length was read is no older.
    let (length, tasks) = match tasks.cursor {
        Some(_) => (None, tasks),
        None => (Some(client.log_length().await?), client.tasks().await?),
    };
    let (ideas, variants) = try_join(client.ideas(), client.variants()).await?;
    let told = [length, tasks.cursor, ideas.cursor, variants.cursor];
    let cursor = told.into_iter().flatten().min().unwrap_or(0);
    // Read after the lists: the cursor is theirs, and what happened to the experiment since is in the log after it.
    let experiment = client.read().await?;
    let (workers, groups) = try_join(client.workers(), client.groups()).await?;

    let listed = Listed {
        tasks: tasks.items,
        ideas: ideas.items,
        variants: variants.items,
    };
    let mut snapshot = apart(move || Snapshot::of(experiment, config, cursor, listed, revision)).await?;
    snapshot.workers = Arc::new(
        workers
            .into_iter()
            .map(|w| (w.worker_id.clone(), w))
            .collect::<OrdMap<_, _>>(),
    );
    snapshot.groups = Arc::new(groups);
    let tail = match tail(client, cursor).await {
        Ok(tail) => tail,
        // One event that cannot be read must not keep everything else from being shown.
        Err(ClientError::Decode(error)) => {
            warn!(experiment.id = %client.id(), %error, "the newest events cannot be read; showing what comes after them");
            Vec::new()
        }
        Err(error) => return Err(error),
    };
    for (seen, event) in tail {
        snapshot.push_event(seen, Arc::new(event));
    }
    Ok(Some(snapshot))
}

/// The newest events up to `cursor`, with their positions; none where they cannot be had up to there.
async fn tail(client: &ExperimentClient, cursor: u64) -> Result<Vec<(u64, Event)>, ClientError> {
    let mut count = cursor.min(TAIL as u64);
    // A server that gives fewer at once is asked again for as many as it gives.
    for _ in 0..2 {
        let from = cursor - count;
        let events = client.events(from, Some(count)).await?.events;
        if events.len() as u64 >= count {
            return Ok((from + 1..=cursor).zip(events).collect());
        }
        count = events.len() as u64;
    }
    Ok(Vec::new())
}

/// Does what keeps a processor busy, such as putting a hundred thousand rows in order, where nothing else waits for it.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ClientError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(ClientError::TimedOut),
    }
}

/// An endpoint that the server may lack.
pub(super) fn optional<T>(answer: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
