//! List replies. Each is true for one version of its scope and says so, in `Eden-Event-Cursor` and in a validator;
//! who has that version already gets a 304. A long one is read piece by piece from one snapshot into a file, and sent
//! from there: neither its length nor a slow receiver costs memory or holds a connection of the database.

use poem::http::header;
use poem::{Body, Response};

use super::super::Inner;
use super::super::blobs::{Blobs, Draft};
use super::super::storage::{Filter, Position, ScopeKey, Session, StorageError, Table, Version};
use super::problem::{Fault, spooled};
use super::validator::{Known, not_modified};
use crate::protocol::CURSOR_HEADER;

/// Rows that are read at once, if they are not heavy. A list that fits needs no file.
const PIECE: u32 = 256;

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

    async fn piece(&mut self, session: &mut Session) -> Result<Vec<String>, StorageError> {
        let limit = u32::try_from(self.left).unwrap_or(u32::MAX).min(PIECE);
        let page = match &self.list {
            List::Entities { table, filters, .. } => session.page(*table, filters, self.next, limit).await?,
            List::Log { .. } => session.log_after(self.next, limit).await?,
        };
        self.next = page.last;
        let read = u64::try_from(page.rows.len()).unwrap_or(u64::MAX);
        self.left = if page.has_more {
            self.left.saturating_sub(read)
        } else {
            0
        };
        Ok(page.rows)
    }

    /// The whole list, in a file.
    async fn spool(mut self, blobs: &Blobs, session: &mut Session) -> Result<Draft, StorageError> {
        let mut draft = blobs.draft().await?;
        let mut text = std::mem::take(&mut self.open);
        let mut is_first = true;
        while self.left > 0 {
            let rows = self.piece(session).await?;
            if !is_first && !rows.is_empty() {
                text.push(',');
            }
            is_first = false;
            join(&mut text, &rows);
            draft.write(text.as_bytes()).await?;
            text.clear();
        }
        draft.write(self.close.as_bytes()).await?;
        Ok(draft)
    }
}

/// The reply to a list request in one scope.
pub(super) async fn reply(inner: &Inner, scope: ScopeKey, known: &Known, list: List) -> Result<Response, Fault> {
    let is_log = matches!(list, List::Log { .. });
    let head = |version| (!is_log).then(|| Head::new(inner, scope, version));
    let list = {
        let mut session = inner.store.read(scope).await?;
        let version = session.version().await?;
        if let Some(head) = head(version).filter(|head| known.has(&head.tag)) {
            return Ok(not_modified(&head.tag));
        }
        let mut reading = Reading::new(list, version);
        let first = reading.piece(&mut session).await?;
        if reading.left == 0 {
            let mut body = std::mem::take(&mut reading.open);
            join(&mut body, &first);
            body.push_str(&reading.close);
            return Ok(headed(Body::from(body), head(version)));
        }
        reading.list
    };
    // Begun anew where it may take long; the version is that snapshot's.
    let mut session = inner.store.read_long(scope).await?;
    let version = session.version().await?;
    let draft = Reading::new(list, version).spool(&inner.blobs, &mut session).await?;
    drop(session);
    Ok(spooled(draft, headed(Body::empty(), head(version))).await?)
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
