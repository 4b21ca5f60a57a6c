//! Successful replies.

use poem::http::{StatusCode, header};
use poem::{Body, Response};
use serde::Serialize;
use tokio_util::io::ReaderStream;

use super::Reply;
use super::coding::WholeJson;
use crate::embedded::storage::StorageResult;
use crate::embedded::{ProtocolError, TempFile};

/// Bytes of a file that are read and sent at once.
pub(super) const CHUNK: usize = 128 * 1024;

/// 200 with stored or ready-made JSON.
pub(super) fn json_text(text: String) -> Response {
    let reply = Response::builder().content_type("application/json");
    reply.extension(WholeJson).body(text)
}

/// 200 with the stored JSON of an entity, or 404 when there is none.
pub(super) fn entity(what: &str, id: &str, text: Option<String>) -> Reply {
    match text {
        Some(text) => Ok(json_text(text)),
        None => Err(ProtocolError::not_found(what, id).into()),
    }
}

/// 200 with an entity.
pub(super) fn json(entity: &impl Serialize) -> Reply {
    Ok(json_text(serde_json::to_string(entity)?))
}

/// 201 with an entity.
pub(super) fn created(entity: &impl Serialize) -> Reply {
    let mut response = json(entity)?;
    response.set_status(StatusCode::CREATED);
    Ok(response)
}

/// 204.
pub(super) fn no_content() -> Response {
    Response::builder().status(StatusCode::NO_CONTENT).body(())
}

/// The reply with a finished file as its body.
pub(super) async fn with_file(file: TempFile, mut reply: Response) -> StorageResult<Response> {
    let size = file.len();
    let file = tokio::fs::File::from_std(file.into_unlinked().await?);
    reply.headers_mut().insert(header::CONTENT_LENGTH, size.into());
    reply.set_body(Body::from_bytes_stream(ReaderStream::with_capacity(file, CHUNK)));
    Ok(reply)
}
