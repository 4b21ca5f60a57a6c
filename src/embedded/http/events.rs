//! The event log: by cursor, by long poll, by push (`ch07 §8`).

use std::time::Duration;

use poem::{Response, handler};
use serde::Deserialize;

use super::super::push;
use super::super::transition::Refusal;
use super::extract::{Call, Params, Resumed, unauthorized};
use super::list::{self, List};
use super::problem::Fault;
use super::validator::Known;
use crate::protocol::ErrorType;

/// No caller holds a connection longer than this without asking again.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct Range {
    #[serde(default)]
    cursor: u64,
    limit: Option<u64>,
}

#[handler]
pub(super) async fn range(Params(range): Params<Range>, call: Call) -> Result<Response, Fault> {
    batch(&call, range.cursor, range.limit).await
}

async fn batch(call: &Call, cursor: u64, limit: Option<u64>) -> Result<Response, Fault> {
    let log = List::Log {
        cursor,
        limit: limit.unwrap_or(u64::MAX),
    };
    list::reply(&call.inner, call.hosted.scope.key, &Known::default(), log).await
}

#[derive(Deserialize)]
struct Subscription {
    #[serde(default)]
    cursor: u64,
    timeout: Option<f64>,
}

/// Waits for the log to grow past the cursor, holding neither a lock nor a connection of the database.
#[handler]
pub(super) async fn subscribe(Params(asked): Params<Subscription>, call: Call) -> Result<Response, Fault> {
    let wait = match asked.timeout.map(Duration::try_from_secs_f64) {
        None => call.inner.subscribe_timeout,
        Some(Ok(wait)) => wait.min(LONGEST_WAIT),
        Some(Err(_)) => {
            return Err(Refusal::new(ErrorType::BadRequest, "timeout must be a number of seconds, 0 or more").into());
        }
    };
    let mut length = call.hosted.length();
    let stopping = call.inner.tasks.stopping();
    tokio::select! {
        // Announcements follow commits, so a log that has grown is seen here sooner or later, never too soon.
        _ = length.wait_for(|length| *length > asked.cursor) => {}
        () = tokio::time::sleep(wait) => {}
        () = stopping.cancelled() => {}
    }
    batch(&call, asked.cursor, None).await
}

/// An extension, described in `docs/push.md`.
#[handler]
pub(super) async fn stream(Resumed(resume): Resumed, call: Call) -> Result<Response, Fault> {
    let stream = push::follow_log(&call.inner, &call.hosted, &call.caller, resume).await?;
    Ok(stream.ok_or_else(unauthorized)?)
}
