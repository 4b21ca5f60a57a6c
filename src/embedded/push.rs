//! The two push streams (`docs/push.md`). Both are pulled by the connection: a slow reader makes the stream read
//! the log later, in batches, and never makes a queue grow.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use futures_util::stream;
use poem::http::header;
use poem::{Body, Response};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::Inner;
use super::authority::Caller;
use super::hub::Hosted;
use super::storage::{Page, StorageError};
use crate::protocol::{Notice, WorkerId};

/// Where a reader wants to go on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resume {
    /// It has nothing yet: begin with what happens from now on.
    Present,
    /// It has everything up to here.
    After(u64),
    /// It said something that is no cursor.
    Unintelligible,
}

/// How many log entries are read at once.
const BATCH: u32 = 256;

/// Sent at once, so that the reader knows the connection stands before anything happens.
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

/// The log of an experiment, with notices about its workers and groups between the entries.
pub(super) async fn follow_log(
    inner: &Arc<Inner>,
    hosted: &Arc<Hosted>,
    reader: &Caller,
    resume: Resume,
) -> Result<Option<Response>, StorageError> {
    // Listen first and look then: what is committed in between is seen twice, and the cursor drops it.
    let length = hosted.length();
    let notices = hosted.scope.notices();
    if !inner.auth.still_holds(hosted.scope.key, reader) {
        return Ok(None);
    }
    let stored = inner.store.read(hosted.scope.key).await?.log_length().await?;
    let (cursor, opening) = match resume {
        Resume::Present => (stored, OPENING.to_owned()),
        Resume::After(cursor) if cursor <= stored => (cursor, OPENING.to_owned()),
        Resume::After(_) | Resume::Unintelligible => (stored, resync(stored)),
    };
    let state = LogStream {
        inner: inner.clone(),
        hosted: hosted.clone(),
        reader: Reader::new(reader),
        length,
        notices,
        cursor,
        opening: Some(opening),
        beat: Beat::new(inner),
    };
    Ok(Some(respond(stream::unfold(state, |mut state| async move {
        let frame = state.next().await?;
        Some((Ok::<_, io::Error>(frame), state))
    }))))
}

struct LogStream {
    inner: Arc<Inner>,
    hosted: Arc<Hosted>,
    reader: Reader,
    length: watch::Receiver<u64>,
    notices: broadcast::Receiver<Notice>,
    cursor: u64,
    opening: Option<String>,
    beat: Beat,
}

impl LogStream {
    /// The next bytes, or nothing when the stream is over.
    async fn next(&mut self) -> Option<String> {
        if let Some(opening) = self.opening.take() {
            return Some(opening);
        }
        loop {
            if self.beat.stopping.is_cancelled() {
                return None;
            }
            if *self.length.borrow_and_update() > self.cursor {
                return self.batch().await;
            }
            tokio::select! {
                biased;
                () = self.beat.stopping.cancelled() => return None,
                changed = self.length.changed() => changed.ok()?,
                notice = self.notices.recv() => return match notice {
                    Ok(notice) if self.reader.is_revoked_by(&notice) => None,
                    Ok(notice) => notice_frame(&notice, None),
                    Err(RecvError::Lagged(_)) if self.reader.may_be_revoked() => None,
                    Err(RecvError::Lagged(_)) => Some(resync(self.cursor)),
                    Err(RecvError::Closed) => None,
                },
                _ = self.beat.interval.tick() => return Some(HEARTBEAT.to_owned()),
            }
        }
    }

    async fn batch(&mut self) -> Option<String> {
        let entries = match self.read().await {
            Ok(entries) => entries,
            Err(error) => {
                // The reader comes back with its cursor, so ending here loses nothing.
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

    async fn read(&self) -> Result<Page, StorageError> {
        let mut session = self.inner.store.read(self.hosted.scope.key).await?;
        session.log_after(self.cursor.into(), BATCH).await
    }
}

/// Changes of the registry of experiments and of the deployment's workers and groups. There is no history to
/// replay: whoever missed a revision is told to list again.
pub(super) async fn follow_registry(
    inner: &Arc<Inner>,
    reader: &Caller,
    resume: Resume,
) -> Result<Option<Response>, StorageError> {
    let notices = inner.hub.deployment.notices();
    if !inner.auth.still_holds(inner.hub.deployment.key, reader) {
        return Ok(None);
    }
    let revision = inner.store.read(inner.hub.deployment.key).await?.revision().await?;
    let opening = match resume {
        Resume::Present => OPENING.to_owned(),
        Resume::After(seen) if seen == revision => OPENING.to_owned(),
        Resume::After(_) | Resume::Unintelligible => resync(revision),
    };
    let state = RegistryStream {
        reader: Reader::new(reader),
        notices,
        revision,
        opening: Some(opening),
        beat: Beat::new(inner),
    };
    Ok(Some(respond(stream::unfold(state, |mut state| async move {
        let frame = state.next().await?;
        Some((Ok::<_, io::Error>(frame), state))
    }))))
}

struct RegistryStream {
    reader: Reader,
    notices: broadcast::Receiver<Notice>,
    /// The reader knows everything up to here.
    revision: u64,
    opening: Option<String>,
    beat: Beat,
}

impl RegistryStream {
    async fn next(&mut self) -> Option<String> {
        if let Some(opening) = self.opening.take() {
            return Some(opening);
        }
        loop {
            tokio::select! {
                biased;
                () = self.beat.stopping.cancelled() => return None,
                notice = self.notices.recv() => match notice {
                    Ok(notice) if self.reader.is_revoked_by(&notice) => return None,
                    Ok(notice) if notice.revision <= self.revision => {}
                    Ok(notice) => {
                        self.revision = notice.revision;
                        return notice_frame(&notice, Some(notice.revision));
                    }
                    Err(RecvError::Lagged(_)) if self.reader.may_be_revoked() => return None,
                    Err(RecvError::Lagged(_)) => return Some(resync(self.revision)),
                    Err(RecvError::Closed) => return None,
                },
                _ = self.beat.interval.tick() => return Some(HEARTBEAT.to_owned()),
            }
        }
    }
}

/// The worker that reads, unless it is the admin. The old secret is worthless from the reissue on, for streams that it
/// opened too (`ch07 §13`).
struct Reader(Option<WorkerId>);

impl Reader {
    fn new(caller: &Caller) -> Self {
        Self(caller.principal().worker().cloned())
    }

    fn is_revoked_by(&self, notice: &Notice) -> bool {
        let reader = self.0.as_ref().map(WorkerId::as_str);
        notice.kind == "worker.credential_reissued" && reader == Some(notice.id.as_str())
    }

    /// Whether its own reissue may be among notices that were lost; coming back shows whether it may read on.
    fn may_be_revoked(&self) -> bool {
        self.0.is_some()
    }
}

struct Beat {
    interval: Interval,
    stopping: CancellationToken,
}

impl Beat {
    fn new(inner: &Inner) -> Self {
        // The first beat comes as soon as there is nothing else to say, which tells the reader that it has caught up.
        let mut interval = interval_at(Instant::now(), inner.heartbeat);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            interval,
            stopping: inner.tasks.stopping(),
        }
    }
}

fn respond(frames: impl futures_util::Stream<Item = io::Result<String>> + Send + 'static) -> Response {
    Response::builder()
        .header(header::CONTENT_TYPE, "text/event-stream")
        .header(header::CACHE_CONTROL, "no-cache")
        .header("X-Accel-Buffering", "no")
        .body(Body::from_bytes_stream(frames))
}
