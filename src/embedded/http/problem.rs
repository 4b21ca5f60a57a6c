//! Replies: JSON, and the error envelope (`ch07 §9`).

use poem::error::{MethodNotAllowedError, NotFoundError, ParsePathError, ResponseError};
use poem::http::{StatusCode, header};
use poem::{Body, Request, Response};
use serde::Serialize;
use tokio_util::io::ReaderStream;
use tracing::error;

use super::super::blobs::Draft;
use super::super::storage::StorageError;
use super::super::transition::Refusal;
use crate::protocol::*;

/// Read from a file and sent at once.
const CHUNK: usize = 128 * 1024;

/// Why a handler does not answer with a success.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The wire says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A helper outside `/v0/` says no, in words of its own.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// We failed; the caller learns nothing but that.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What the helpers under `/_reference/` say beside the closed vocabulary.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReferenceError {
    /// A path that no file may have.
    #[error("{0:?} is not a path below the artifacts of the experiment")]
    InvalidPath(String),
    /// A file that is too large for this way of reading it.
    #[error("the file has more than {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    /// Nobody said where the files are.
    #[error("this server was started without --artifacts-dir")]
    ServingDisabled,
}

impl ReferenceError {
    fn status(&self) -> StatusCode {
        match self {
            Self::InvalidPath(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ServingDisabled => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(super) fn slug(&self) -> &'static str {
        match self {
            Self::InvalidPath(_) => "invalid-path",
            Self::TooLarge { .. } => "artifact-too-large",
            Self::ServingDisabled => "artifact-serving-disabled",
        }
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl ResponseError for Fault {
    fn status(&self) -> StatusCode {
        match self {
            Self::Refused(refusal) => {
                StatusCode::from_u16(refusal.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Self::Reference(error) => error.status(),
            Self::Storage(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// The URL exactly as the client addressed it.
pub(super) fn instance(request: &Request) -> String {
    let host = request.header(header::HOST).map(str::to_owned);
    let host = host.or_else(|| request.uri().authority().map(ToString::to_string));
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    format!(
        "{}://{}{path}",
        request.scheme(),
        host.unwrap_or_else(|| "localhost".to_owned())
    )
}

/// Maps any failure to a problem document of the closed vocabulary.
pub(super) fn respond(failure: &poem::Error, instance: String) -> Response {
    let (kind, detail) = match failure.downcast_ref::<Fault>() {
        Some(Fault::Refused(refusal)) => (refusal.kind, refusal.detail.clone()),
        Some(Fault::Reference(error)) => {
            let kind = format!("eden://reference-error/{}", error.slug());
            return problem(error.status(), kind, "Not served", error.to_string(), instance);
        }
        Some(Fault::Storage(fault)) => {
            error!(
                error = fault as &dyn std::error::Error,
                instance, "a request failed in the storage"
            );
            return internal(instance);
        }
        None if failure.is::<NotFoundError>() || failure.is::<ParsePathError>() => {
            (ErrorType::NotFound, "there is nothing at this path".to_owned())
        }
        None if failure.is::<MethodNotAllowedError>() => {
            // The vocabulary has no type for it; the status says what the type cannot.
            let kind = ErrorType::BadRequest;
            let detail = "this path does not take that method".to_owned();
            return problem(
                StatusCode::METHOD_NOT_ALLOWED,
                kind.to_string(),
                kind.title(),
                detail,
                instance,
            );
        }
        None if failure.status().is_client_error() => (ErrorType::BadRequest, failure.to_string()),
        None => {
            error!(error = %failure, instance, "a request failed");
            return internal(instance);
        }
    };
    let status = StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    problem(status, kind.to_string(), kind.title(), detail, instance)
}

fn internal(instance: String) -> Response {
    // The vocabulary is closed and holds no fault of the server: RFC 9457 has a type for "see the status".
    let detail = "the server failed; its log says why".to_owned();
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    problem(
        status,
        "about:blank".to_owned(),
        "Internal server error",
        detail,
        instance,
    )
}

fn problem(status: StatusCode, kind: String, title: &str, detail: String, instance: String) -> Response {
    let document = Problem {
        kind,
        title: title.to_owned(),
        status: status.as_u16(),
        detail: if detail.is_empty() { title.to_owned() } else { detail },
        instance,
    };
    // Five strings and a number always serialise.
    let body = serde_json::to_string(&document).unwrap_or_default();
    Response::builder()
        .status(status)
        .content_type("application/problem+json")
        .body(body)
}

/// Stored or ready-made JSON.
pub(super) fn json_text(text: String) -> Response {
    Response::builder().content_type("application/json").body(text)
}

/// 200 with an entity.
pub(super) fn json(entity: &impl Serialize) -> Result<Response, Fault> {
    Ok(json_text(serde_json::to_string(entity)?))
}

/// 204, or 200 with zero bytes where the wire says so.
pub(super) fn empty(status: StatusCode) -> Response {
    Response::builder().status(status).body(())
}

/// The reply with a finished file as its body, sent as fast as it is taken.
pub(super) async fn spooled(draft: Draft, mut reply: Response) -> Result<Response, StorageError> {
    let size = draft.len();
    let file = tokio::fs::File::from_std(draft.unnamed().await?);
    reply.headers_mut().insert(header::CONTENT_LENGTH, size.into());
    reply.set_body(Body::from_bytes_stream(ReaderStream::with_capacity(file, CHUNK)));
    Ok(reply)
}
