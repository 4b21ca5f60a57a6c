//! Artifacts (`ch07 §16`): opaque bytes, deposited once under a fresh URI and never changed.

use poem::http::{HeaderValue, StatusCode, header};
use poem::{Body, Response, handler};
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use super::super::authority::{ADMINS, Groups};
use super::super::storage::{Artifact, StorageError};
use super::super::transition::Refusal;
use super::extract::{Call, Params};
use super::problem::{Fault, json};
use super::upload::{self, Part};
use crate::protocol::*;

/// The scheme this server issues (`ch08 §5.1`): `eden://artifacts/` and 32 hex digits.
const SCHEME: &str = "eden://artifacts/";
/// What an artifact is when its depositor did not say.
const ANYTHING: &str = "application/octet-stream";
/// Read from disk and sent at once.
const CHUNK: usize = 128 * 1024;

/// Any principal may deposit, and the bearer says which it is.
#[handler]
pub(super) async fn deposit(call: Call, content_type: upload::ContentType, body: Body) -> Result<Response, Fault> {
    let inner = &call.inner;
    let Part { draft, content_type } =
        upload::single_file(&inner.blobs, content_type, body, inner.max_artifact_bytes).await?;
    let artifact = Artifact {
        id: format!("{:032x}", rand::random::<u128>()),
        created_by: call.caller.principal().to_string(),
        content_type: content_type
            .filter(|text| is_media_type(text))
            .unwrap_or_else(|| ANYTHING.to_owned()),
        size_bytes: draft.len(),
    };
    let kept = inner.blobs.keep(draft, &call.hosted.scope.experiment_id, &artifact.id);
    kept.await.map_err(StorageError::from)?;
    let mut write = call.write().await?;
    write.insert_artifact(&artifact, call.now()).await?;
    write.commit(&inner.hub).await?;
    let mut response = json(&DepositReply {
        artifacts_uri: format!("{SCHEME}{}", artifact.id),
        size_bytes: artifact.size_bytes,
        content_type: artifact.content_type,
    })?;
    response.set_status(StatusCode::CREATED);
    Ok(response)
}

/// Whether a text may be sent back as a `Content-Type`: a type and a subtype, and printable ASCII after them.
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
struct Wanted {
    uri: Option<String>,
}

#[handler]
pub(super) async fn fetch(Params(wanted): Params<Wanted>, call: Call) -> Result<Response, Fault> {
    let uri = wanted.uri.filter(|uri| !uri.is_empty());
    let uri = uri.ok_or_else(|| Refusal::new(ErrorType::BadRequest, "say which artifact: ?uri=<its artifacts_uri>"))?;
    let unknown = || Refusal::unknown("artifact", &uri);
    let id = uri.strip_prefix(SCHEME).ok_or_else(unknown)?;
    let mut session = call.read().await?;
    let artifact = session.artifact(id).await?.ok_or_else(unknown)?;
    if call.caller.principal().to_string() != artifact.created_by && call.caller.admin().is_err() {
        let groups = Groups::new(session.groups().await?);
        call.caller.member(&groups, &[ADMINS])?;
    }
    drop(session);
    let file = call.inner.blobs.read(&call.hosted.scope.experiment_id, id).await;
    let file = file.map_err(StorageError::from)?;
    let bytes = ReaderStream::with_capacity(file.take(artifact.size_bytes), CHUNK);
    let mut response = Response::builder().body(Body::from_bytes_stream(bytes));
    let headers = response.headers_mut();
    // Nothing but media types is stored, and ids are hex.
    let content_type = HeaderValue::from_str(&artifact.content_type);
    headers.insert(
        header::CONTENT_TYPE,
        content_type.unwrap_or_else(|_| HeaderValue::from_static(ANYTHING)),
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
    fn only_media_types_are_sent_back() {
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
