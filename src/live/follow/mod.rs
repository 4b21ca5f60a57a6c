//! Keeps one mirror current: lists the experiment, watches from there, reads again what events name, and retries with
//! backoff when the feed breaks.

mod apply;
mod connection;
mod initial_list;
mod interruption;
mod member_refresh;

use std::time::Duration;

use tracing::{debug, warn};

use self::connection::{FollowState, watch};
use self::interruption::Interruption;
use super::backoff::Backoff;
use super::error_chain::error_chain;
use super::freshness::Freshness;
use super::loaded_config::LoadedConfig;
use super::mirror::MirrorWriter;
use super::saved::SavedSnapshot;
use super::unavailability::{Server, Unavailability};
use crate::client::ClientError;
use crate::protocol::Timestamp;

pub(super) use connection::Follower;

/// The interval at which a task store is asked again for an experiment that it does not host.
const UNHOSTED_RETRY: Duration = Duration::from_secs(5);
/// The shortest wait after a failure, however often the mirror is woken.
const MIN_RETRY_DELAY: Duration = Duration::from_secs(1);

/// Follows the experiment until the mirror is stopped.
pub(super) async fn follow(follower: Follower, writer: MirrorWriter) {
    let stopping = writer.stopping();
    let mut backoff = Backoff::new(follower.max_retry_delay);
    let mut state = FollowState::default();
    if let Some(store) = &follower.snapshot_store
        && let Some((saved, heard)) = store.load_experiment(follower.client.id()).await
    {
        restore(&follower, &writer, saved, heard).await;
        state.can_resume = true;
    }
    loop {
        let interruption = tokio::select! {
            () = stopping.cancelled() => return,
            ended = watch(&follower, &writer, &mut state) => match ended {
                Ok(never) => match never {},
                Err(interruption) => interruption,
            },
        };
        let (wait, min_wait) = handle(interruption, &follower, &writer, &mut state, &mut backoff);
        let woken = async {
            tokio::time::sleep(min_wait).await;
            writer.woken().await;
        };
        tokio::select! {
            () = stopping.cancelled() => return,
            () = woken => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Says in the mirror what happened. Answers how long to wait before the next try, and how long even if the mirror is
/// woken: after a failure a try costs the server something, while waiting for an experiment to appear does not.
fn handle(
    interruption: Interruption,
    follower: &Follower,
    writer: &MirrorWriter,
    state: &mut FollowState,
    backoff: &mut Backoff,
) -> (Duration, Duration) {
    // Only the time with a complete feed counts as healthy; a list that takes long before it fails does not.
    let healthy_since = state.healthy_since.take();
    let healthy = healthy_since.map_or(Duration::ZERO, |since| since.elapsed());
    match interruption {
        Interruption::Relist => {
            state.can_resume = false;
            // The snapshot is not current any more, and what is current is not known before the list.
            if !matches!(writer.view().freshness, Freshness::Stale { .. }) {
                writer.set_freshness(Freshness::CatchingUp);
            }
            (backoff.next(healthy), MIN_RETRY_DELAY)
        }
        Interruption::Unhosted(phase) => {
            state.can_resume = false;
            let every = UNHOSTED_RETRY.min(follower.max_retry_delay);
            if writer.unhosted(phase, every) {
                follower.task_store_changed();
            }
            (every, Duration::ZERO)
        }
        Interruption::Broken(error) => {
            // A snapshot resumes from its cursor, unless a list is still due. Without a snapshot there is nothing to
            // resume, and an answer that cannot be decoded would come again.
            state.can_resume &= writer.view().snapshot().is_some() && !matches!(error, ClientError::Decode(_));
            writer.set_stale(Unavailability::of(Server::TaskStore, &error));
            if !std::mem::replace(&mut state.is_broken, true) {
                writer.follow_stats().add_break();
                let id = follower.client.id();
                warn!(experiment.id = %id, error = %error_chain(&error), "the feed broke; showing what is known");
                follower.task_store_changed();
            }
            (backoff.next(healthy), MIN_RETRY_DELAY)
        }
    }
}

/// Publishes a snapshot from disk, until the feed has answered. The feed resumes at its cursor, if the log is the same.
async fn restore(follower: &Follower, writer: &MirrorWriter, mut saved: SavedSnapshot, heard: Timestamp) {
    let config = match saved.take_config() {
        Some(config) => LoadedConfig::from_server(config),
        None => LoadedConfig::from_files(&follower.configs, follower.client.id()).await,
    };
    // Sorting a large one takes a moment.
    if let Ok(snapshot) = tokio::task::spawn_blocking(move || saved.into_snapshot(config)).await {
        debug!(experiment.id = %follower.client.id(), cursor = snapshot.cursor, %heard, "restored");
        writer.restore(snapshot, heard);
    }
}
