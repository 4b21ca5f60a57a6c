//! What a handler reads from a request: its body, its query, and where a stream starts.

use poem::{FromRequest, Request, RequestBody};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{HttpError, upload};
use crate::embedded::push::ResumeFrom;
use crate::embedded::{ProtocolError, ProtocolResult, strict_json};

/// Larger bodies are 413. Artifacts and checkpoints have limits of their own.
const MAX_BODY: u64 = 1024 * 1024;

/// A JSON body, read strictly.
pub(super) struct Body<T>(pub(super) T);

impl<'a, T: DeserializeOwned + Serialize + Send> FromRequest<'a> for Body<T> {
    async fn from_request(_: &'a Request, body: &mut RequestBody) -> poem::Result<Self> {
        let bytes = upload::small_body(body.take()?, MAX_BODY)
            .await
            .map_err(poem::Error::from)?;
        let raw = serde_json::from_slice(&bytes).map_err(|error| HttpError::from(malformed(&error)))?;
        Ok(Self(from_body(raw).map_err(HttpError::from)?))
    }
}

fn malformed(fault: &dyn std::fmt::Display) -> ProtocolError {
    ProtocolError::bad_request(format!("the body is not what it must be: {fault}"))
}

/// Reads a body that was taken as free JSON first.
pub(super) fn from_body<T: DeserializeOwned + Serialize>(raw: Value) -> ProtocolResult<T> {
    strict_json::from_value(&raw).map_err(|fault| malformed(&fault))
}

/// The query string. Unknown members are ignored.
pub(super) struct Params<T>(pub(super) T);

impl<'a, T: DeserializeOwned> FromRequest<'a> for Params<T> {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let query = request.uri().query().unwrap_or_default();
        match serde_urlencoded::from_str(query) {
            Ok(params) => Ok(Self(params)),
            Err(error) => Err(HttpError::from(ProtocolError::bad_request(format!("query: {error}"))).into()),
        }
    }
}

/// The query of a list of named things.
#[derive(Deserialize)]
pub(super) struct ByName {
    pub(super) name: Option<String>,
}

/// Where a push stream starts: `Last-Event-ID`, else `?cursor=`, else now.
pub(super) struct Resume(pub(super) ResumeFrom);

impl<'a> FromRequest<'a> for Resume {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> poem::Result<Self> {
        #[derive(Deserialize)]
        struct Cursor {
            cursor: Option<String>,
        }
        let Params(Cursor { cursor }) = Params::from_request(request, body).await?;
        let header = request.headers().get("last-event-id");
        let given = header
            .map(|value| value.to_str().unwrap_or_default().to_owned())
            .or(cursor);
        Ok(Self(match given.map(|text| text.parse()) {
            None => ResumeFrom::Now,
            Some(Ok(cursor)) => ResumeFrom::After(cursor),
            Some(Err(_)) => ResumeFrom::Invalid,
        }))
    }
}
