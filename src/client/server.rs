//! A server: its address, a connection pool, and the credential used with it.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, header};

use super::call::Call;
use super::credential::Credential;
use super::error::ClientError;

/// A server and the credential used with it. Cheap to clone; the connection pool is shared.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    pub(super) base: Arc<str>,
    pub(super) credential: Credential,
}

impl Client {
    /// The timeout of a call.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// The timeout of a call that transfers a whole experiment or an artifact.
    pub const LONG_TIMEOUT: Duration = Duration::from_secs(3600);

    /// A client of the server at `base`, for instance `http://127.0.0.1:8080`, with a connection pool of its own.
    ///
    /// # Errors
    /// [`ClientError::Setup`] when the platform offers no HTTP client.
    pub fn new(base: &str, credential: impl Into<Credential>) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder()
            .timeout(Self::TIMEOUT)
            .connect_timeout(Duration::from_secs(3))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(ClientError::Setup)?;
        Ok(Self {
            http,
            base: without_trailing_slash(base),
            credential: credential.into(),
        })
    }

    /// A client of another server, with the same connection pool.
    pub fn at(&self, base: &str, credential: impl Into<Credential>) -> Self {
        Self {
            http: self.http.clone(),
            base: without_trailing_slash(base),
            credential: credential.into(),
        }
    }

    /// A client of the same server, with another credential.
    pub fn with_credential(&self, credential: impl Into<Credential>) -> Self {
        Self {
            credential: credential.into(),
            ..self.clone()
        }
    }

    pub(super) fn call(&self, method: Method, path: &str) -> Call {
        let request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .header(header::ACCEPT, "application/json, application/problem+json");
        Call::new(request, self.credential.clone())
    }
}

fn without_trailing_slash(base: &str) -> Arc<str> {
    base.trim_end_matches('/').into()
}
