//! The only code that speaks HTTP to a task store or a control plane.
//!
//! [`Client`] knows a server and a credential; [`ExperimentClient`] and [`ControlClient`] are its two
//! faces. A client never retries: what a failure means is for the caller to judge ([`ClientError`]).

mod control;
mod error;
mod experiment;
mod push;
mod registry;

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use control::ControlClient;
pub use error::ClientError;
pub use experiment::{ExperimentClient, Listed};
pub use push::{PushEvent, PushStream};

use crate::protocol::{ExperimentId, Principal, Problem};

/// `<principal>:<secret>` (`ch07 §13.1`). Its `Debug` never shows the secret.
#[derive(Debug, Clone)]
pub struct Bearer {
    principal: Principal,
    secret: SecretString,
}

impl Bearer {
    /// The credential of `principal`.
    pub fn new(principal: Principal, secret: SecretString) -> Self {
        Self { principal, secret }
    }

    fn header(&self) -> String {
        format!("Bearer {}:{}", self.principal, self.secret.expose_secret())
    }
}

/// A server and the credential used with it. Cheap to clone; the connection pool is shared.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Arc<str>,
    bearer: Bearer,
}

impl Client {
    /// How long a call may take before it counts as failed.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// The same for calls that carry a whole experiment.
    pub const LONG_TIMEOUT: Duration = Duration::from_secs(3600);

    /// A client of the server at `base`, for instance `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// [`ClientError::Setup`] when the platform offers no HTTP client.
    pub fn new(base: &str, bearer: Bearer) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder()
            .timeout(Self::TIMEOUT)
            .connect_timeout(Duration::from_secs(3))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(ClientError::Setup)?;
        Ok(Self {
            http,
            base: base.trim_end_matches('/').into(),
            bearer,
        })
    }

    /// The same server through another credential.
    pub fn with_bearer(&self, bearer: Bearer) -> Self {
        Self { bearer, ..self.clone() }
    }

    /// The task store's view of one experiment.
    pub fn experiment(&self, id: &ExperimentId) -> ExperimentClient {
        ExperimentClient::new(self.clone(), id.clone())
    }

    /// The control plane.
    pub fn control(&self) -> ControlClient {
        ControlClient::new(self.clone())
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base))
            .header(header::AUTHORIZATION, self.bearer.header())
            .header(header::ACCEPT, "application/json, application/problem+json")
    }
}

/// Sends, and turns every answer that is not a success into a [`ClientError`].
async fn send(request: RequestBuilder) -> Result<Response, ClientError> {
    let response = request.send().await.map_err(ClientError::from_transport)?;
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

async fn fetch<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, ClientError> {
    decode(send(request).await?).await
}

async fn decode<T: DeserializeOwned>(response: Response) -> Result<T, ClientError> {
    let body = response.bytes().await.map_err(ClientError::from_transport)?;
    serde_json::from_slice(&body).map_err(ClientError::Decode)
}

/// For replies whose body carries nothing (`ch07 §5` has integrate answer 200 with zero bytes).
async fn acknowledge(request: RequestBuilder) -> Result<(), ClientError> {
    send(request).await.map(drop)
}

async fn fetch_optional<T: DeserializeOwned>(request: RequestBuilder) -> Result<Option<T>, ClientError> {
    let response = send(request).await?;
    if response.status() == StatusCode::NO_CONTENT {
        return Ok(None);
    }
    decode(response).await.map(Some)
}

fn with_body(request: RequestBuilder, body: &impl Serialize) -> RequestBuilder {
    request.json(body)
}
