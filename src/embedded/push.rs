//! The two push streams (`docs/push.md`). Both are pulled by the connection: for a slow reader the log is read later
//! and in larger batches, and no queue grows.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use poem::http::header;
use poem::{Body, Response};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::storage::{Page, StorageResult, Store};
use super::{Authenticator, Caller, HostedExperiment, Scope, ScopeKey};
use crate::lifecycle::Tasks;
use crate::protocol::{Notice, WorkerId};

/// Where a reader wants a stream to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResumeFrom {
    /// With what happens from now on.
    Now,
    /// After this cursor.
    After(u64),
    /// The cursor it sent is invalid.
    Invalid,
}

/// How many log entries are read at once.
const BATCH: u32 = 256;

/// Sent at once, so that the reader knows that the connection works before anything happens.
const OPENING: &str = ": open\n\n";
const HEARTBEAT: &str = ": heartbeat\n\n";

fn resync(id: u64) -> String {
    format!("event: resync\nid: {id}\ndata: {{}}\n\n")
}

fn notice_frame(notice: &Notice, id: Option<u64>) -> Option<String> {
    let data = serde_json::to_string(notice).ok()?;
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    Some(format!("event: notice\n{id}data: {data}\n\n"))
}

/// Opens push streams.
pub(super) struct PushStreams {
    store: Store,
    auth: Arc<Authenticator>,
    tasks: Tasks,
    heartbeat: Duration,
}

impl PushStreams {
    pub(super) fn new(store: Store, auth: Arc<Authenticator>, tasks: Tasks, heartbeat: Duration) -> Self {
        Self {
            store,
            auth,
            tasks,
            heartbeat,
        }
    }

    /// The log of an experiment, with notices about its workers and groups between the entries. `None` when the
    /// caller's secret was reissued meanwhile.
    pub(super) async fn follow_log(
        &self,
        hosted: &HostedExperiment,
        caller: &Caller,
        resume: ResumeFrom,
    ) -> StorageResult<Option<Response>> {
        // Subscribe first, read then: what is committed in between is seen twice, and the cursor drops the second.
        let log_length = hosted.log_length();
        let notices = hosted.scope.notices();
        let scope = hosted.scope.key;
        if !self.auth.is_current(scope, caller) {
            return Ok(None);
        }
        let stored = self.store.read(scope).await?.log_length().await?;
        let (cursor, opening) = match resume {
            ResumeFrom::Now => (stored, OPENING.to_owned()),
            ResumeFrom::After(cursor) if cursor <= stored => (cursor, OPENING.to_owned()),
            ResumeFrom::After(_) | ResumeFrom::Invalid => (stored, resync(stored)),
        };
        let state = LogStream {
            store: self.store.clone(),
            scope,
            log_length,
            cursor,
            opening: Some(opening),
            source: self.source(notices, caller),
        };
        Ok(Some(respond(stream::unfold(state, |mut state| async move {
            let frame = state.next().await?;
            Some((Ok::<_, io::Error>(frame), state))
        }))))
    }

    /// Changes of the registry of experiments and of the deployment's workers and groups. There is no history to
    /// replay: a reader that missed a revision is told to list again. `None` when the caller's secret was reissued
    /// meanwhile.
    pub(super) async fn follow_deployment(
        &self,
        deployment: &Scope,
        caller: &Caller,
        resume: ResumeFrom,
    ) -> StorageResult<Option<Response>> {
        let notices = deployment.notices();
        if !self.auth.is_current(deployment.key, caller) {
            return Ok(None);
        }
        let revision = self.store.read(deployment.key).await?.revision().await?;
        let opening = match resume {
            ResumeFrom::Now => OPENING.to_owned(),
            ResumeFrom::After(seen) if seen == revision => OPENING.to_owned(),
            ResumeFrom::After(_) | ResumeFrom::Invalid => resync(revision),
        };
        let state = DeploymentStream {
            revision,
            opening: Some(opening),
            source: self.source(notices, caller),
        };
        Ok(Some(respond(stream::unfold(state, |mut state| async move {
            let frame = state.next().await?;
            Some((Ok::<_, io::Error>(frame), state))
        }))))
    }

    fn source(&self, notices: broadcast::Receiver<Notice>, caller: &Caller) -> Source {
        // The first heartbeat comes as soon as there is nothing else to send. It tells the reader that it has caught up.
        let mut heartbeat = interval_at(Instant::now(), self.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Source {
            reader: Reader::new(caller),
            notices,
            heartbeat,
            stopping: self.tasks.stopping(),
        }
    }
}

/// What both streams wait for beside the log.
struct Source {
    reader: Reader,
    notices: broadcast::Receiver<Notice>,
    heartbeat: Interval,
    stopping: CancellationToken,
}

/// What a [`Source`] brought.
enum Received {
    Notice(Notice),
    /// Notices were lost.
    Lagged,
    Heartbeat,
}

impl Source {
    /// The next thing to tell the reader, or `None` when the stream must end.
    async fn next(&mut self) -> Option<Received> {
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => None,
            notice = self.notices.recv() => match notice {
                Ok(notice) => (!self.reader.is_revoked_by(&notice)).then_some(Received::Notice(notice)),
                Err(RecvError::Lagged(_)) => (!self.reader.may_be_revoked()).then_some(Received::Lagged),
                Err(RecvError::Closed) => None,
            },
            _ = self.heartbeat.tick() => Some(Received::Heartbeat),
        }
    }
}

struct LogStream {
    store: Store,
    scope: ScopeKey,
    log_length: watch::Receiver<u64>,
    /// The reader has the log up to here.
    cursor: u64,
    opening: Option<String>,
    source: Source,
}

impl LogStream {
    /// The next bytes, or nothing when the stream ends.
    async fn next(&mut self) -> Option<String> {
        if let Some(opening) = self.opening.take() {
            return Some(opening);
        }
        loop {
            if self.source.stopping.is_cancelled() {
                return None;
            }
            if *self.log_length.borrow_and_update() > self.cursor {
                return self.next_batch().await;
            }
            tokio::select! {
                biased;
                changed = self.log_length.changed() => changed.ok()?,
                received = self.source.next() => return match received? {
                    Received::Notice(notice) => notice_frame(&notice, None),
                    Received::Lagged => Some(resync(self.cursor)),
                    Received::Heartbeat => Some(HEARTBEAT.to_owned()),
                },
            }
        }
    }

    async fn next_batch(&mut self) -> Option<String> {
        let entries = match self.read().await {
            Ok(entries) => entries,
            Err(error) => {
                // The reader comes back with its cursor, so ending the stream loses nothing.
                error!(
                    error = &error as &dyn std::error::Error,
                    "a push stream cannot read the log"
                );
                return None;
            }
        };
        let mut frames = String::with_capacity(entries.rows.iter().map(|entry| entry.len() + 48).sum());
        for entry in entries.rows {
            self.cursor += 1;
            // Writing to a String cannot fail.
            let _ = write!(frames, "event: event\nid: {}\ndata: {entry}\n\n", self.cursor);
        }
        Some(frames)
    }

    async fn read(&self) -> StorageResult<Page> {
        let mut session = self.store.read(self.scope).await?;
        session.log_after(self.cursor.into(), BATCH).await
    }
}

struct DeploymentStream {
    /// The reader has everything up to here.
    revision: u64,
    opening: Option<String>,
    source: Source,
}

impl DeploymentStream {
    /// The next bytes, or nothing when the stream ends.
    async fn next(&mut self) -> Option<String> {
        if let Some(opening) = self.opening.take() {
            return Some(opening);
        }
        loop {
            match self.source.next().await? {
                Received::Notice(notice) if notice.revision <= self.revision => {}
                Received::Notice(notice) => {
                    self.revision = notice.revision;
                    return notice_frame(&notice, Some(notice.revision));
                }
                Received::Lagged => return Some(resync(self.revision)),
                Received::Heartbeat => return Some(HEARTBEAT.to_owned()),
            }
        }
    }
}

/// The worker that reads a stream, or `None` for the admin. Once its secret is reissued the old one is worthless, for
/// streams that were opened with it too (`ch07 §13`).
struct Reader(Option<WorkerId>);

impl Reader {
    fn new(caller: &Caller) -> Self {
        Self(caller.principal().worker().cloned())
    }

    fn is_revoked_by(&self, notice: &Notice) -> bool {
        let reader = self.0.as_ref().map(WorkerId::as_str);
        notice.kind == "worker.credential_reissued" && reader == Some(notice.id.as_str())
    }

    /// Whether the reissue of its own secret may be among notices that were lost. The stream ends then, and the
    /// reader's next request shows whether its secret is still good.
    fn may_be_revoked(&self) -> bool {
        self.0.is_some()
    }
}

fn respond(frames: impl futures_util::Stream<Item = io::Result<String>> + Send + 'static) -> Response {
    Response::builder()
        .header(header::CONTENT_TYPE, "text/event-stream")
        .header(header::CACHE_CONTROL, "no-cache")
        .header("X-Accel-Buffering", "no")
        .body(Body::from_bytes_stream(frames))
}
