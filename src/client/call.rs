//! One request. It gets its bearer only when it is sent.

use std::time::Duration;

use reqwest::{RequestBuilder, Response, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Bearer, ClientError, Credential};
use crate::protocol::Problem;

/// A request without its bearer.
pub(super) struct Call {
    request: RequestBuilder,
    credential: Credential,
}

impl Call {
    pub(super) fn new(request: RequestBuilder, credential: Credential) -> Self {
        Self { request, credential }
    }

    /// Customizes the request.
    pub(super) fn with(self, change: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Self {
        Self {
            request: change(self.request),
            ..self
        }
    }

    pub(super) fn body(self, body: &impl Serialize) -> Self {
        self.with(|request| request.json(body))
    }

    pub(super) fn timeout(self, timeout: Duration) -> Self {
        self.with(|request| request.timeout(timeout))
    }

    pub(super) fn query(self, name: &str, value: impl Serialize) -> Self {
        self.with(|request| request.query(&[(name, value)]))
    }

    /// Sends the request. Every response that is not a success is a [`ClientError`].
    pub(super) async fn send(self) -> Result<Response, ClientError> {
        check_status(self.send_unchecked().await?).await
    }

    /// Sends the request, and returns the response whatever its status. After a 401 it is sent once more if the
    /// credential can be renewed.
    async fn send_unchecked(self) -> Result<Response, ClientError> {
        let bearer = self.credential.bearer().await?;
        // `None` for a body that streams, which cannot be sent twice: such a call fails with the 401.
        let retry = self.request.try_clone();
        let response = send(self.request, bearer.as_ref()).await?;
        let (StatusCode::UNAUTHORIZED, Some(retry)) = (response.status(), retry) else {
            return Ok(response);
        };
        match self.credential.renew(bearer).await? {
            Some(renewed) => send(retry, renewed.as_ref()).await,
            None => Ok(response),
        }
    }

    pub(super) async fn fetch<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        decode(self.send().await?).await
    }

    /// The entity and its ETag, or `None` when its ETag is still `known` (RFC 9110 §13).
    pub(super) async fn fetch_if_changed<T: DeserializeOwned>(
        self,
        known: Option<&str>,
    ) -> Result<Option<(T, Option<String>)>, ClientError> {
        let call = match known {
            Some(tag) => self.with(|request| request.header(header::IF_NONE_MATCH, tag)),
            None => self,
        };
        let response = call.send_unchecked().await?;
        if known.is_some() && response.status() == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        let response = check_status(response).await?;
        let tag = response.headers().get(header::ETAG);
        let tag = tag.and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        Ok(Some((decode(response).await?, tag)))
    }

    /// Sends the request, for responses with no content (`ch07 §5` has integrate answer 200 with zero bytes).
    pub(super) async fn acknowledge(self) -> Result<(), ClientError> {
        self.send().await.map(drop)
    }

    pub(super) async fn fetch_optional<T: DeserializeOwned>(self) -> Result<Option<T>, ClientError> {
        let response = self.send().await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        decode(response).await.map(Some)
    }
}

async fn send(request: RequestBuilder, bearer: Option<&Bearer>) -> Result<Response, ClientError> {
    let request = match bearer {
        Some(bearer) => {
            let value = bearer.header_value().ok_or(ClientError::UnusableSecret)?;
            request.header(header::AUTHORIZATION, value)
        }
        None => request,
    };
    request.send().await.map_err(ClientError::from_transport)
}

async fn check_status(response: Response) -> Result<Response, ClientError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.bytes().await.map_err(ClientError::from_transport)?;
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => Err(ClientError::Refused(Box::new(problem))),
        Err(_) => Err(ClientError::UnexpectedStatus(status.as_u16())),
    }
}

pub(super) async fn decode<T: DeserializeOwned>(response: Response) -> Result<T, ClientError> {
    let body = response.bytes().await.map_err(ClientError::from_transport)?;
    serde_json::from_slice(&body).map_err(ClientError::Decode)
}
