//! What a client shows of itself.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::ClientError;
use crate::protocol::{Actor, Principal};

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

    /// Whose it is.
    pub fn principal(&self) -> &Actor {
        &self.principal
    }

    pub(super) fn header(&self) -> String {
        format!("Bearer {}:{}", self.principal, self.secret.expose_secret())
    }

    /// The header's value, marked so that nothing prints it. None when the secret cannot stand in a header.
    pub(super) fn header_value(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::try_from(self.header()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl PartialEq for Bearer {
    fn eq(&self, other: &Self) -> bool {
        self.principal == other.principal && self.secret.expose_secret() == other.secret.expose_secret()
    }
}

impl Eq for Bearer {}

/// Where a bearer comes from that may be replaced while it is used. `None` stands for no bearer at all.
pub trait BearerSource: Send + Sync {
    /// The bearer to use now.
    ///
    /// # Errors
    /// [`ClientError::NoCredential`], or why it could not be had.
    fn bearer(&self) -> BoxFuture<'_, Result<Option<Bearer>, ClientError>>;

    /// The server refused `refused` with 401: another one to try once. `None` in `refused` means that no bearer was
    /// shown.
    ///
    /// # Errors
    /// As for [`BearerSource::bearer`].
    fn renew(&self, refused: Option<Bearer>) -> BoxFuture<'_, Result<Option<Bearer>, ClientError>>;
}

/// What goes with each request.
#[derive(Clone)]
pub enum Credential {
    /// Always the same.
    Fixed(Bearer),
    /// Nothing, for a server whose authentication is off.
    Anonymous,
    /// Whatever the source holds by then.
    Renewable(Arc<dyn BearerSource>),
}

impl Credential {
    pub(super) async fn bearer(&self) -> Result<Option<Bearer>, ClientError> {
        match self {
            Self::Fixed(bearer) => Ok(Some(bearer.clone())),
            Self::Anonymous => Ok(None),
            Self::Renewable(source) => source.bearer().await.map_err(bootstrap_failed),
        }
    }

    /// Another bearer than the refused one, to try once; none when there is no other.
    pub(super) async fn renew(&self, refused: Option<Bearer>) -> Result<Option<Option<Bearer>>, ClientError> {
        match self {
            Self::Renewable(source) => source.renew(refused).await.map(Some).map_err(bootstrap_failed),
            Self::Fixed(_) | Self::Anonymous => Ok(None),
        }
    }
}

fn bootstrap_failed(error: ClientError) -> ClientError {
    ClientError::Bootstrap(Box::new(error))
}

impl From<Bearer> for Credential {
    fn from(bearer: Bearer) -> Self {
        Self::Fixed(bearer)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(bearer) => write!(f, "Fixed({})", bearer.principal),
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Renewable(_) => f.write_str("Renewable"),
        }
    }
}
