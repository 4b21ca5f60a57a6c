//! The list half of list-then-watch: reads everything once, with the log position that it is true for.

use std::sync::Arc;

use futures_util::future::try_join;
use tracing::warn;

use crate::client::{ClientError, ExperimentClient};
use crate::experiment_configs::ConfigSource;
use crate::live::loaded_config::LoadedConfig;
use crate::live::snapshot::{Entities, MAX_EVENTS, Snapshot};
use crate::protocol::Event;

/// Reads a whole experiment into a snapshot whose rows carry `revision`; none if the task store does not host it.
///
/// The lists are separate requests, so each may be true for a different position of the log. The snapshot takes the
/// oldest of them. Watching from there reads some entities again, which is harmless, and misses nothing.
pub(super) async fn list(
    client: &ExperimentClient,
    configs: &ConfigSource,
    revision: u64,
) -> Result<Option<Snapshot>, ClientError> {
    if optional(client.read().await)?.is_none() {
        return Ok(None);
    }
    let config = LoadedConfig::load(client, configs).await?;
    let tasks = client.tasks().await?;
    // A server that sends no cursor still has a log. What is listed after its length was read is no older than that.
    let (length, tasks) = match tasks.cursor {
        Some(_) => (None, tasks),
        None => (Some(client.log_length().await?), client.tasks().await?),
    };
    let (ideas, variants) = try_join(client.ideas(), client.variants()).await?;
    let cursors = [length, tasks.cursor, ideas.cursor, variants.cursor];
    let cursor = cursors.into_iter().flatten().min().unwrap_or(0);
    // Read after the lists: the cursor is theirs, and what happened to the experiment since is in the log after it.
    let experiment = client.read().await?;
    let (workers, groups) = try_join(client.workers(), client.groups()).await?;

    let entities = Entities {
        tasks: tasks.items,
        ideas: ideas.items,
        variants: variants.items,
    };
    let mut snapshot = compute(move || Snapshot::of(experiment, config, cursor, entities, revision)).await?;
    snapshot.put_members(workers, groups);
    let tail = match newest_events(client, cursor).await {
        Ok(tail) => tail,
        // One event that cannot be decoded must not keep everything else from being shown.
        Err(ClientError::Decode(error)) => {
            warn!(experiment.id = %client.id(), %error, "the newest events cannot be read; showing what comes after them");
            Vec::new()
        }
        Err(error) => return Err(error),
    };
    for (cursor, event) in tail {
        snapshot.push_event(cursor, Arc::new(event));
    }
    Ok(Some(snapshot))
}

/// The newest events up to `cursor`, each with the cursor after it; none if the server does not give all of them.
async fn newest_events(client: &ExperimentClient, cursor: u64) -> Result<Vec<(u64, Event)>, ClientError> {
    let mut count = cursor.min(MAX_EVENTS as u64);
    // A server with a lower limit is asked again for as many as it gave.
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

/// Runs what keeps a processor busy, such as sorting a hundred thousand rows, on a thread of its own.
async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ClientError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(ClientError::TimedOut),
    }
}

/// None for an answer of "not found".
pub(super) fn optional<T>(answer: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
