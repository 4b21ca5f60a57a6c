//! List replies. Each is true for one version of its scope and says so, in `Eden-Event-Cursor` and in a validator;
//! who has that version already gets a 304. A long one is read and sent piece by piece from one snapshot.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use poem::http::header;
use poem::{Body, Response};
use tokio::sync::mpsc;
use tracing::warn;

use super::super::Inner;
use super::super::storage::{Filter, Page, Position, ScopeKey, Session, StorageError, Table, Version};
use super::problem::Fault;
use super::validator::{Known, not_modified};
use crate::protocol::CURSOR_HEADER;

/// Rows that are read, and sent, at once. A list that fits is one reply of known length.
const PIECE: u32 = 256;
/// Pieces that wait for a receiver who is slower than the disk.
const AHEAD: usize = 2;
/// A receiver that takes nothing for so long is cut off, since its snapshot keeps the database from tidying up.
const STALL: Duration = Duration::from_secs(30);

/// What to list.
#[derive(Debug)]
pub(super) enum List {
    /// Entities in the order of insertion, as an array or wrapped in an object.
    Entities {
        table: Table,
        filters: Vec<Filter>,
        wrapper: Wrapper,
    },
    /// The log after a cursor.
    Log { cursor: u64, limit: u64 },
}

/// What stands around the entities (`ch07 §2`, `§6`).
#[derive(Debug, Clone, Copy)]
pub(super) enum Wrapper {
    Array,
    Object(&'static str),
}

/// A list, and where it begins and ends in one version of its scope.
struct Reading {
    list: List,
    next: Position,
    /// Rows still to come, if that is bounded.
    left: u64,
    open: String,
    close: String,
}

impl Reading {
    fn new(list: List, version: Version) -> Self {
        let (next, left, open, close) = match &list {
            List::Entities { wrapper, .. } => {
                let (open, close) = match wrapper {
                    Wrapper::Array => ("[".to_owned(), "]"),
                    Wrapper::Object(key) => (format!("{{\"{key}\":["), "]}"),
                };
                (Position::default(), u64::MAX, open, close.to_owned())
            }
            List::Log { cursor, limit } => {
                // A cursor past the end is echoed, so that a reader who is ahead of a restored log notices nothing odd.
                let left = version.cursor.saturating_sub(*cursor).min(*limit);
                let end = cursor.saturating_add(left);
                let close = format!("],\"cursor\":{end}}}");
                ((*cursor).into(), left, "{\"events\":[".to_owned(), close)
            }
        };
        Self {
            list,
            next,
            left,
            open,
            close,
        }
    }

    async fn piece(&mut self, session: &mut Session) -> Result<Page, StorageError> {
        let limit = u32::try_from(self.left).unwrap_or(u32::MAX).min(PIECE);
        let page = match &self.list {
            List::Entities { table, filters, .. } => session.page(*table, filters, self.next, limit).await?,
            List::Log { .. } => session.log_after(self.next, limit).await?,
        };
        self.next = page.last;
        self.left = self
            .left
            .saturating_sub(u64::try_from(page.rows.len()).unwrap_or(u64::MAX));
        // Fewer than asked for means that there are no more.
        if page.rows.len() < usize::try_from(limit).unwrap_or(usize::MAX) {
            self.left = 0;
        }
        Ok(page)
    }
}

/// The reply to a list request in one scope.
pub(super) async fn reply(inner: &Arc<Inner>, scope: ScopeKey, known: &Known, list: List) -> Result<Response, Fault> {
    let mut session = inner.store.read(scope).await?;
    let version = session.version().await?;
    let is_log = matches!(list, List::Log { .. });
    let head = |version| (!is_log).then(|| Head::new(inner, scope, version));
    if let Some(head) = head(version).filter(|head| known.has(&head.tag)) {
        return Ok(not_modified(&head.tag));
    }
    let mut reading = Reading::new(list, version);
    let first = reading.piece(&mut session).await?;
    if reading.left == 0 {
        let mut body = std::mem::take(&mut reading.open);
        join(&mut body, &first.rows);
        body.push_str(&reading.close);
        return Ok(headed(Body::from(body), head(version)));
    }
    // Begun anew where a snapshot may be held for long; the version is that one's.
    drop(session);
    let mut session = inner.store.read_slowly(scope).await?;
    let version = session.version().await?;
    let reading = Reading::new(reading.list, version);
    let (pieces, taken) = mpsc::channel(AHEAD);
    let stopping = inner.tasks.stopping();
    inner.tasks.spawn("list", async move {
        let sent = tokio::select! {
            sent = send(reading, &mut session, &pieces) => sent,
            () = stopping.cancelled() => Ok(()),
        };
        if let Err(error) = sent {
            warn!(error = &error as &dyn std::error::Error, "a list was cut off");
        }
    });
    Ok(headed(until_whole(taken), head(version)))
}

/// What the header of a list says about the version it is true for.
struct Head {
    /// Where a watcher goes on from: in the log, or in the revisions of the deployment's registry, which has no log.
    cursor: u64,
    tag: String,
}

impl Head {
    fn new(inner: &Inner, scope: ScopeKey, version: Version) -> Self {
        Self {
            cursor: match scope {
                ScopeKey::DEPLOYMENT => version.revision,
                _ => version.cursor,
            },
            tag: inner.validator(version),
        }
    }
}

fn headed(body: Body, head: Option<Head>) -> Response {
    let reply = Response::builder().content_type("application/json");
    let reply = match head {
        Some(head) => reply.header(CURSOR_HEADER, head.cursor).header(header::ETAG, head.tag),
        None => reply,
    };
    reply.body(body)
}

fn join(into: &mut String, rows: &[String]) {
    into.reserve(rows.iter().map(|row| row.len() + 1).sum());
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            into.push(',');
        }
        into.push_str(row);
    }
}

/// A piece of the body, or the word that it is whole.
enum Piece {
    Bytes(Bytes),
    End,
}

/// Why a list did not reach its receiver whole.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("its receiver took nothing for {} s", STALL.as_secs())]
    Stalled,
    #[error("it could not be read")]
    Storage(#[from] StorageError),
}

async fn send(mut reading: Reading, session: &mut Session, pieces: &mpsc::Sender<Piece>) -> Result<(), Cut> {
    let mut text = std::mem::take(&mut reading.open);
    let mut is_first = true;
    while reading.left > 0 {
        let page = reading.piece(session).await?;
        if !is_first && !page.rows.is_empty() {
            text.push(',');
        }
        is_first = false;
        join(&mut text, &page.rows);
        if reading.left == 0 {
            text.push_str(&reading.close);
        }
        match pieces
            .send_timeout(Piece::Bytes(std::mem::take(&mut text).into()), STALL)
            .await
        {
            Ok(()) => {}
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => return Err(Cut::Stalled),
            // The receiver went away, which is its right.
            Err(mpsc::error::SendTimeoutError::Closed(_)) => return Ok(()),
        }
    }
    // Closed is fine here too.
    let _ = pieces.send_timeout(Piece::End, STALL).await;
    Ok(())
}

/// A body that fails, and so breaks the connection, unless it was told that it is whole.
fn until_whole(pieces: mpsc::Receiver<Piece>) -> Body {
    Body::from_bytes_stream(stream::unfold(Some(pieces), |pieces| async move {
        let mut pieces = pieces?;
        match pieces.recv().await {
            Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(pieces))),
            Some(Piece::End) => None,
            None => Some((Err(io::Error::other("the list was cut off")), None)),
        }
    }))
}
