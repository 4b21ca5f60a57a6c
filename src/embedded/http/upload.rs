//! Bodies that are too large for memory: streamed to a file, under a cap, leaving nothing behind when they break off.

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

use super::super::blobs::{Blobs, Draft};
use super::super::storage::StorageError;
use super::super::transition::Refusal;
use super::problem::Fault;
use crate::protocol::ErrorType;

/// What a multipart body may hold beside the file itself: boundaries and the headers of the part.
const ENVELOPE: u64 = 64 * 1024;
/// How much of a refused body is still read, so that its sender sees the answer and not a broken connection.
const COURTESY: u64 = 32 * 1024 * 1024;
/// How long that is done at most, since the sender may be waiting for the answer itself.
const COURTESY_TIME: Duration = Duration::from_millis(500);
/// A sender that sends nothing for so long has broken off.
const PATIENCE: Duration = Duration::from_secs(30);

/// The `Content-Type` of a request, if it has one.
pub(super) struct ContentType(Option<String>);

impl<'a> FromRequest<'a> for ContentType {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self(request.header(header::CONTENT_TYPE).map(str::to_owned)))
    }
}

/// The one part of a form.
pub(super) struct Part {
    pub(super) draft: Draft,
    /// Verbatim.
    pub(super) content_type: Option<String>,
}

/// Reads a form of exactly one part, `file`, of at most `cap` bytes (`ch07 §16.1`).
pub(super) async fn single_file(blobs: &Blobs, content_type: ContentType, body: Body, cap: u64) -> Result<Part, Fault> {
    let boundary = content_type.0.and_then(|text| multer::parse_boundary(text).ok());
    let boundary = boundary.ok_or_else(|| bad("the body must be multipart/form-data with a boundary"))?;
    let meter = Arc::new(Meter::default());
    meter.allow(ENVELOPE);
    let mut form = multer::Multipart::new(metered(body, meter.clone()), boundary);
    let outcome = one_part(blobs, &mut form, &meter, cap).await;
    if outcome.is_err() {
        meter.allow(COURTESY);
        // Whatever it holds, it is refused already.
        let rest = async {
            while let Ok(Some(mut field)) = form.next_field().await {
                while let Ok(Some(_)) = field.chunk().await {}
            }
        };
        // Enough was heard, whichever end came first.
        let _ = timeout(COURTESY_TIME, rest).await;
    }
    outcome
}

async fn one_part(
    blobs: &Blobs,
    form: &mut multer::Multipart<'static>,
    meter: &Meter,
    cap: u64,
) -> Result<Part, Fault> {
    let field = form.next_field().await.map_err(|error| malformed(&error))?;
    let mut field = field.ok_or_else(|| bad("the form has no part: it must have exactly one, named file"))?;
    if field.name() != Some("file") {
        return Err(bad("the form must have exactly one part, named file"));
    }
    let content_type = field.headers().get(header::CONTENT_TYPE.as_str());
    let content_type = content_type.and_then(|value| value.to_str().ok()).map(str::to_owned);
    meter.allow(cap.saturating_add(ENVELOPE));
    let mut draft = blobs.draft().await.map_err(StorageError::from)?;
    loop {
        match field.chunk().await {
            Ok(Some(chunk)) if draft.len() + size(&chunk) > cap => return Err(too_large(cap, "an artifact")),
            Ok(Some(chunk)) => draft.write(&chunk).await.map_err(StorageError::from)?,
            Ok(None) => break,
            Err(_) if meter.is_spent() => return Err(too_large(cap, "an artifact")),
            Err(error) => return Err(malformed(&error)),
        }
    }
    drop(field);
    meter.allow(ENVELOPE);
    match form.next_field().await {
        Ok(None) => Ok(Part { draft, content_type }),
        Ok(Some(_)) => Err(bad(
            "the form has more than one part: it must have exactly one, named file",
        )),
        Err(error) => Err(malformed(&error)),
    }
}

/// Reads a body of at most `cap` bytes into a file.
pub(super) async fn whole_body(blobs: &Blobs, body: Body, cap: u64) -> Result<Draft, Fault> {
    let mut draft = blobs.draft().await.map_err(StorageError::from)?;
    let mut chunks = patient(body);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| bad(format!("the body broke off: {error}")))?;
        if draft.len() + size(&chunk) > cap {
            hear_out(chunks).await;
            return Err(too_large(cap, "a checkpoint"));
        }
        draft.write(&chunk).await.map_err(StorageError::from)?;
    }
    Ok(draft)
}

/// Reads a body of at most `cap` bytes into memory.
pub(super) async fn small_body(body: Body, cap: u64) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let mut chunks = patient(body);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| bad(format!("the body broke off: {error}")))?;
        bytes.extend_from_slice(&chunk);
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > cap {
            hear_out(chunks).await;
            return Err(too_large(cap, "a body"));
        }
    }
    Ok(bytes)
}

/// Reads on for a while though all is said.
async fn hear_out(mut chunks: Chunks) {
    let rest = async {
        let mut rest = 0;
        while rest <= COURTESY
            && let Some(Ok(chunk)) = chunks.next().await
        {
            rest += size(&chunk);
        }
    };
    // Enough was heard, whichever end came first.
    let _ = timeout(COURTESY_TIME, rest).await;
}

type Chunks = BoxStream<'static, io::Result<Bytes>>;

/// The chunks of a body, until its sender falls silent.
fn patient(body: Body) -> Chunks {
    let chunks = Some(body.into_bytes_stream().boxed());
    stream::unfold(chunks, |chunks| async move {
        let mut chunks = chunks?;
        match timeout(PATIENCE, chunks.next()).await {
            Ok(chunk) => Some((chunk?, Some(chunks))),
            Err(_) => {
                let silence = format!("nothing came for {} s", PATIENCE.as_secs());
                Some((Err(io::Error::new(io::ErrorKind::TimedOut, silence)), None))
            }
        }
    })
    .boxed()
}

fn bad(detail: impl Into<String>) -> Fault {
    Refusal::new(ErrorType::BadRequest, detail).into()
}

fn malformed(error: &multer::Error) -> Fault {
    bad(format!("the form cannot be read: {error}"))
}

fn too_large(cap: u64, what: &str) -> Fault {
    Refusal::new(
        ErrorType::PayloadTooLarge,
        format!("{what} may have at most {cap} bytes here"),
    )
    .into()
}

fn size(chunk: &Bytes) -> u64 {
    u64::try_from(chunk.len()).unwrap_or(u64::MAX)
}

/// How much of a body was read and how much may be.
#[derive(Default)]
struct Meter {
    read: AtomicU64,
    limit: AtomicU64,
}

impl Meter {
    /// Lets this much more pass, counted from here.
    fn allow(&self, more: u64) {
        let limit = self.read.load(Ordering::Relaxed).saturating_add(more);
        self.limit.store(limit, Ordering::Relaxed);
    }

    fn is_spent(&self) -> bool {
        self.read.load(Ordering::Relaxed) >= self.limit.load(Ordering::Relaxed)
    }
}

/// The chunks of a body, one a poll: the form's parser keeps all it is handed, and asks until there is none, so a
/// sender on the same machine would have it hold the whole file.
fn metered(body: Body, meter: Arc<Meter>) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let mut chunks = patient(body);
    let mut is_due = false;
    stream::poll_fn(move |context| {
        if std::mem::take(&mut is_due) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if meter.is_spent() {
            return Poll::Ready(Some(Err(io::Error::other("the body is too large"))));
        }
        let polled = chunks.poll_next_unpin(context);
        if let Poll::Ready(Some(Ok(chunk))) = &polled {
            meter.read.fetch_add(size(chunk), Ordering::Relaxed);
            is_due = true;
        }
        polled
    })
}
