//! Request bodies under a limit. Large ones are streamed to a temporary file, which is removed when the body breaks
//! off.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, stream};
use poem::http::header;
use poem::{Body, FromRequest, Request, RequestBody};
use tokio::time::timeout;

use super::{HttpError, HttpResult};
use crate::embedded::storage::StorageError;
use crate::embedded::{BlobStore, ProtocolError, TempFile};
use crate::protocol::ErrorType;

/// The most bytes of a multipart body beside the file itself: boundaries and the headers of the part.
const MULTIPART_OVERHEAD: u64 = 64 * 1024;
/// How many bytes of a refused body are still read, so that its sender sees the answer and not a broken connection.
const DRAIN_BYTES: u64 = 32 * 1024 * 1024;
/// How long they are read, since the sender may wait for the answer first.
const DRAIN_TIME: Duration = Duration::from_millis(500);
/// A body of which nothing arrives for this long has broken off.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The `Content-Type` of a request, if it has one.
pub(super) struct ContentType(Option<String>);

impl<'a> FromRequest<'a> for ContentType {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self(request.header(header::CONTENT_TYPE).map(str::to_owned)))
    }
}

/// The one part of a form.
pub(super) struct FilePart {
    pub(super) file: TempFile,
    /// As the sender wrote it.
    pub(super) content_type: Option<String>,
}

/// Reads a form of exactly one part, `file`, of at most `cap` bytes (`ch07 §16.1`).
pub(super) async fn single_file(
    blobs: &BlobStore,
    content_type: ContentType,
    body: Body,
    cap: u64,
) -> HttpResult<FilePart> {
    let boundary = content_type.0.and_then(|text| multer::parse_boundary(text).ok());
    let boundary = boundary.ok_or_else(|| bad("the body must be multipart/form-data with a boundary"))?;
    let limit = Arc::new(ByteLimit::default());
    limit.allow(MULTIPART_OVERHEAD);
    let mut form = multer::Multipart::new(limited(body, limit.clone()), boundary);
    let part = one_part(blobs, &mut form, &limit, cap).await;
    if part.is_err() {
        limit.allow(DRAIN_BYTES);
        // The request is refused already, so errors do not matter.
        let rest = async {
            while let Ok(Some(mut field)) = form.next_field().await {
                while let Ok(Some(_)) = field.chunk().await {}
            }
        };
        // The end of the body or the timeout, whichever comes first.
        let _ = timeout(DRAIN_TIME, rest).await;
    }
    part
}

async fn one_part(
    blobs: &BlobStore,
    form: &mut multer::Multipart<'static>,
    limit: &ByteLimit,
    cap: u64,
) -> HttpResult<FilePart> {
    let field = form.next_field().await.map_err(|error| malformed(&error))?;
    let mut field = field.ok_or_else(|| bad("the form has no part: it must have exactly one, named file"))?;
    if field.name() != Some("file") {
        return Err(bad("the form must have exactly one part, named file"));
    }
    let content_type = field.headers().get(header::CONTENT_TYPE.as_str());
    let content_type = content_type.and_then(|value| value.to_str().ok()).map(str::to_owned);
    limit.allow(cap.saturating_add(MULTIPART_OVERHEAD));
    let mut file = blobs.temp_file().await.map_err(StorageError::from)?;
    loop {
        match field.chunk().await {
            Ok(Some(chunk)) if file.len() + size(&chunk) > cap => return Err(too_large(cap, "an artifact")),
            Ok(Some(chunk)) => file.write(&chunk).await.map_err(StorageError::from)?,
            Ok(None) => break,
            Err(_) if limit.is_reached() => return Err(too_large(cap, "an artifact")),
            Err(error) => return Err(malformed(&error)),
        }
    }
    drop(field);
    limit.allow(MULTIPART_OVERHEAD);
    match form.next_field().await {
        Ok(None) => Ok(FilePart { file, content_type }),
        Ok(Some(_)) => Err(bad(
            "the form has more than one part: it must have exactly one, named file",
        )),
        Err(error) => Err(malformed(&error)),
    }
}

/// Reads a body of at most `cap` bytes into a file.
pub(super) async fn whole_body(blobs: &BlobStore, body: Body, cap: u64) -> HttpResult<TempFile> {
    let mut file = blobs.temp_file().await.map_err(StorageError::from)?;
    let mut chunks = with_timeout(body);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| bad(format!("the body broke off: {error}")))?;
        if file.len() + size(&chunk) > cap {
            drain(chunks).await;
            return Err(too_large(cap, "a checkpoint"));
        }
        file.write(&chunk).await.map_err(StorageError::from)?;
    }
    Ok(file)
}

/// Reads a body of at most `cap` bytes into memory.
pub(super) async fn small_body(body: Body, cap: u64) -> HttpResult<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut chunks = with_timeout(body);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| bad(format!("the body broke off: {error}")))?;
        bytes.extend_from_slice(&chunk);
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > cap {
            drain(chunks).await;
            return Err(too_large(cap, "a body"));
        }
    }
    Ok(bytes)
}

/// Reads the rest of a refused body for a while.
async fn drain(mut chunks: Chunks) {
    let rest = async {
        let mut rest = 0;
        while rest <= DRAIN_BYTES
            && let Some(Ok(chunk)) = chunks.next().await
        {
            rest += size(&chunk);
        }
    };
    // The end of the body or the timeout, whichever comes first.
    let _ = timeout(DRAIN_TIME, rest).await;
}

type Chunks = BoxStream<'static, io::Result<Bytes>>;

/// The chunks of a body. It ends with an error when nothing arrives for a while.
fn with_timeout(body: Body) -> Chunks {
    let chunks = Some(body.into_bytes_stream().boxed());
    stream::unfold(chunks, |chunks| async move {
        let mut chunks = chunks?;
        match timeout(READ_TIMEOUT, chunks.next()).await {
            Ok(chunk) => Some((chunk?, Some(chunks))),
            Err(_) => {
                let detail = format!("nothing came for {} s", READ_TIMEOUT.as_secs());
                Some((Err(io::Error::new(io::ErrorKind::TimedOut, detail)), None))
            }
        }
    })
    .boxed()
}

fn bad(detail: impl Into<String>) -> HttpError {
    ProtocolError::bad_request(detail).into()
}

fn malformed(error: &multer::Error) -> HttpError {
    bad(format!("the form cannot be read: {error}"))
}

fn too_large(cap: u64, what: &str) -> HttpError {
    ProtocolError::new(
        ErrorType::PayloadTooLarge,
        format!("{what} may have at most {cap} bytes here"),
    )
    .into()
}

fn size(chunk: &Bytes) -> u64 {
    u64::try_from(chunk.len()).unwrap_or(u64::MAX)
}

/// How many bytes of a body were read, and how many may be.
#[derive(Default)]
struct ByteLimit {
    read: AtomicU64,
    limit: AtomicU64,
}

impl ByteLimit {
    /// Allows this many more bytes, counted from now.
    fn allow(&self, more: u64) {
        let limit = self.read.load(Ordering::Relaxed).saturating_add(more);
        self.limit.store(limit, Ordering::Relaxed);
    }

    fn is_reached(&self) -> bool {
        self.read.load(Ordering::Relaxed) >= self.limit.load(Ordering::Relaxed)
    }
}

/// The chunks of a body, one per poll. The form's parser reads until nothing is ready and keeps all of it in memory.
/// With a fast sender that would be the whole file.
fn limited(body: Body, limit: Arc<ByteLimit>) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let mut chunks = with_timeout(body);
    let mut must_yield = false;
    stream::poll_fn(move |context| {
        if std::mem::take(&mut must_yield) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if limit.is_reached() {
            return Poll::Ready(Some(Err(io::Error::other("the body is too large"))));
        }
        let polled = chunks.poll_next_unpin(context);
        if let Poll::Ready(Some(Ok(chunk))) = &polled {
            limit.read.fetch_add(size(chunk), Ordering::Relaxed);
            must_yield = true;
        }
        polled
    })
}
