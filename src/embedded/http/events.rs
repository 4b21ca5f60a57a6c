//! The event log: by cursor, by long poll, by push (`ch07 §8`).

use std::time::Duration;

use poem::handler;
use serde::Deserialize;

use super::list;
use super::{ExperimentCall, IfNoneMatch, List, Params, Reply, Resume, unauthorized};
use crate::embedded::ProtocolError;

/// The longest long poll. After that the caller has to ask again.
const MAX_WAIT: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct RangeParams {
    #[serde(default)]
    cursor: u64,
    limit: Option<u64>,
}

#[handler]
pub(super) async fn range(Params(params): Params<RangeParams>, call: ExperimentCall) -> Reply {
    events_after(&call, params.cursor, params.limit).await
}

async fn events_after(call: &ExperimentCall, cursor: u64, limit: Option<u64>) -> Reply {
    let log = List::Log {
        cursor,
        limit: limit.unwrap_or(u64::MAX),
    };
    list::reply(&call.backend, call.hosted.scope.key, &IfNoneMatch::default(), log).await
}

#[derive(Deserialize)]
struct SubscribeParams {
    #[serde(default)]
    cursor: u64,
    timeout: Option<f64>,
}

/// Waits until the log is longer than the cursor. It holds neither a lock nor a database connection meanwhile.
#[handler]
pub(super) async fn subscribe(Params(params): Params<SubscribeParams>, call: ExperimentCall) -> Reply {
    let wait = match params.timeout.map(Duration::try_from_secs_f64) {
        None => call.backend.subscribe_timeout,
        Some(Ok(wait)) => wait.min(MAX_WAIT),
        Some(Err(_)) => {
            return Err(ProtocolError::bad_request("timeout must be a number of seconds, 0 or more").into());
        }
    };
    let mut log_length = call.hosted.log_length();
    let stopping = call.backend.tasks.stopping();
    tokio::select! {
        // The length is announced after the commit, so what is announced can be read.
        _ = log_length.wait_for(|length| *length > params.cursor) => {}
        () = tokio::time::sleep(wait) => {}
        () = stopping.cancelled() => {}
    }
    events_after(&call, params.cursor, None).await
}

/// An extension, described in `docs/push.md`.
#[handler]
pub(super) async fn stream(Resume(resume): Resume, call: ExperimentCall) -> Reply {
    let stream = call.backend.push.follow_log(&call.hosted, &call.caller, resume).await?;
    Ok(stream.ok_or_else(unauthorized)?)
}
