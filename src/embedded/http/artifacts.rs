//! Artifacts (`ch07 §16`): opaque bytes, deposited once under a new URI and never changed.

use poem::http::{HeaderValue, header};
use poem::{Body, Response, handler};
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use super::reply::CHUNK;
use super::upload::{self, FilePart};
use super::{ExperimentCall, Params, Reply, created};
use crate::embedded::ProtocolError;
use crate::embedded::groups::ADMINS;
use crate::embedded::storage::{Artifact, StorageError};
use crate::protocol::*;

/// Artifact URIs of this server are this and 32 hex digits (`ch08 §5.1`).
const SCHEME: &str = "eden://artifacts/";
/// The media type of an artifact whose depositor gave none.
const DEFAULT_MEDIA_TYPE: &str = "application/octet-stream";

/// Any principal may deposit. `created_by` comes from the bearer.
#[handler]
pub(super) async fn deposit(call: ExperimentCall, content_type: upload::ContentType, body: Body) -> Reply {
    let backend = &call.backend;
    let FilePart { file, content_type } =
        upload::single_file(&backend.blobs, content_type, body, backend.max_artifact_bytes).await?;
    let artifact = Artifact {
        id: format!("{:032x}", rand::random::<u128>()),
        created_by: call.caller.principal().to_string(),
        content_type: content_type
            .filter(|text| is_media_type(text))
            .unwrap_or_else(|| DEFAULT_MEDIA_TYPE.to_owned()),
        size_bytes: file.len(),
    };
    let persisted = backend
        .blobs
        .persist(file, &call.hosted.scope.experiment_id, &artifact.id);
    persisted.await.map_err(StorageError::from)?;
    let mut write = call.write().await?;
    write.insert_artifact(&artifact, call.now()).await?;
    write.commit().await?;
    created(&DepositReply {
        artifacts_uri: format!("{SCHEME}{}", artifact.id),
        size_bytes: artifact.size_bytes,
        content_type: artifact.content_type,
    })
}

/// Whether a text may be sent as a `Content-Type`: a type and a subtype, and printable ASCII after them.
fn is_media_type(text: &str) -> bool {
    let token = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    let essence = text.split(';').next().unwrap_or_default().trim_end();
    text.len() <= 255
        && text.bytes().all(|b| (b' '..=b'~').contains(&b))
        && essence
            .split_once('/')
            .is_some_and(|(kind, sub)| token(kind) && token(sub))
}

#[derive(Deserialize)]
struct FetchParams {
    uri: Option<String>,
}

#[handler]
pub(super) async fn fetch(Params(params): Params<FetchParams>, call: ExperimentCall) -> Reply {
    let uri = params.uri.filter(|uri| !uri.is_empty());
    let uri = uri.ok_or_else(|| ProtocolError::bad_request("say which artifact: ?uri=<its artifacts_uri>"))?;
    let unknown = || ProtocolError::not_found("artifact", &uri);
    let id = uri.strip_prefix(SCHEME).ok_or_else(unknown)?;
    let mut session = call.read().await?;
    let artifact = session.artifact(id).await?.ok_or_else(unknown)?;
    if call.caller.principal().to_string() != artifact.created_by && call.caller.require_admin().is_err() {
        call.require_member(&mut session, &[ADMINS]).await?;
    }
    drop(session);
    let file = call.backend.blobs.read(&call.hosted.scope.experiment_id, id).await;
    let file = file.map_err(StorageError::from)?;
    let bytes = ReaderStream::with_capacity(file.take(artifact.size_bytes), CHUNK);
    let mut response = Response::builder().body(Body::from_bytes_stream(bytes));
    let headers = response.headers_mut();
    // Both parse: only media types are stored, and ids are hex.
    let content_type = HeaderValue::from_str(&artifact.content_type);
    headers.insert(
        header::CONTENT_TYPE,
        content_type.unwrap_or_else(|_| HeaderValue::from_static(DEFAULT_MEDIA_TYPE)),
    );
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", artifact.id));
    headers.insert(
        header::CONTENT_DISPOSITION,
        disposition.unwrap_or_else(|_| HeaderValue::from_static("attachment")),
    );
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_LENGTH, artifact.size_bytes.into());
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_media_types_are_stored_as_content_types() {
        for good in [
            "text/plain",
            "application/gzip",
            "text/html; charset=utf-8",
            "image/svg+xml ;x=\"y\"",
        ] {
            assert!(is_media_type(good), "{good}");
        }
        for bad in [
            "",
            "text",
            "text/",
            "/plain",
            "text/pl ain",
            "text/plain\r\nx: y",
            "text/pläin",
            "a,b/c",
        ] {
            assert!(!is_media_type(bad), "{bad}");
        }
        assert!(!is_media_type(&format!("a/{}", "b".repeat(300))));
    }
}
