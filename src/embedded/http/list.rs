//! List replies. Each is true for one version of its scope, which is in `Eden-Event-Cursor` and in the validator. A
//! caller that has that version gets a 304. A long list is read page by page from one snapshot into a file, and sent
//! from there: neither its length nor a slow receiver costs memory or holds a database connection.

use poem::{IntoResponse, Response};

use super::if_none_match::{not_modified, with_tag};
use super::{IfNoneMatch, Reply, json_text, with_file};
use crate::embedded::storage::{Filter, Position, ScopeVersion, Session, StorageResult, Table};
use crate::embedded::{BackendState, BlobStore, ScopeKey, TempFile};
use crate::protocol::CURSOR_HEADER;

/// The most rows of a page. A list of one page needs no file.
const PAGE: u32 = 256;

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

/// What is around the entities (`ch07 §2`, `§6`).
#[derive(Debug, Clone, Copy)]
pub(super) enum Wrapper {
    Array,
    Object(&'static str),
}

/// A list that is being read from one version of its scope.
struct ListReader {
    list: List,
    next: Position,
    /// How many rows are left at most; 0 at the end.
    left: u64,
    open: String,
    close: String,
}

impl ListReader {
    fn new(list: List, version: ScopeVersion) -> Self {
        let (next, left, open, close) = match &list {
            List::Entities { wrapper, .. } => {
                let (open, close) = match wrapper {
                    Wrapper::Array => ("[".to_owned(), "]"),
                    Wrapper::Object(key) => (format!("{{\"{key}\":["), "]}"),
                };
                (Position::default(), u64::MAX, open, close.to_owned())
            }
            List::Log { cursor, limit } => {
                // A cursor past the end is returned as it is, for readers that are ahead of a restored log.
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

    async fn next_page(&mut self, session: &mut Session) -> StorageResult<Vec<String>> {
        let limit = u32::try_from(self.left).unwrap_or(u32::MAX).min(PAGE);
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

    /// Writes the whole list to a file.
    async fn spool(mut self, blobs: &BlobStore, session: &mut Session) -> StorageResult<TempFile> {
        let mut file = blobs.temp_file().await?;
        let mut text = std::mem::take(&mut self.open);
        let mut is_first = true;
        while self.left > 0 {
            let rows = self.next_page(session).await?;
            if !is_first && !rows.is_empty() {
                text.push(',');
            }
            is_first = false;
            join(&mut text, &rows);
            file.write(text.as_bytes()).await?;
            text.clear();
        }
        file.write(self.close.as_bytes()).await?;
        Ok(file)
    }
}

/// The reply to a list request in one scope.
pub(super) async fn reply(backend: &BackendState, scope: ScopeKey, known: &IfNoneMatch, list: List) -> Reply {
    let is_log = matches!(list, List::Log { .. });
    let headers = |version| (!is_log).then(|| ListHeaders::new(backend, scope, version));
    let list = {
        let mut session = backend.store.read(scope).await?;
        let version = session.version().await?;
        if let Some(headers) = headers(version).filter(|headers| known.contains(&headers.tag)) {
            return Ok(not_modified(&headers.tag));
        }
        let mut reader = ListReader::new(list, version);
        let first = reader.next_page(&mut session).await?;
        if reader.left == 0 {
            let mut body = std::mem::take(&mut reader.open);
            join(&mut body, &first);
            body.push_str(&reader.close);
            return Ok(with_headers(json_text(body), headers(version)));
        }
        reader.list
    };
    // Started again on a connection for long reads, with the version of that snapshot.
    let mut session = backend.store.read_long(scope).await?;
    let version = session.version().await?;
    let file = ListReader::new(list, version)
        .spool(&backend.blobs, &mut session)
        .await?;
    drop(session);
    let reply = Response::builder().content_type("application/json").body(());
    Ok(with_file(file, with_headers(reply, headers(version))).await?)
}

/// The headers that say for which version a list is true.
struct ListHeaders {
    /// Where a watch starts: in the log, or in the revisions of the deployment, which has no log.
    cursor: u64,
    tag: String,
}

impl ListHeaders {
    fn new(backend: &BackendState, scope: ScopeKey, version: ScopeVersion) -> Self {
        Self {
            cursor: match scope {
                ScopeKey::DEPLOYMENT => version.revision,
                _ => version.cursor,
            },
            tag: backend.validator(version),
        }
    }
}

fn with_headers(reply: Response, headers: Option<ListHeaders>) -> Response {
    match headers {
        Some(headers) => with_tag(reply, &headers.tag)
            .with_header(CURSOR_HEADER, headers.cursor)
            .into_response(),
        None => reply,
    }
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
