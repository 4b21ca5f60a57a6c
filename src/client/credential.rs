//! How a client authenticates.

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

    /// The value of the header, marked as sensitive so that it is not printed. `None` when the secret has characters
    /// that no header can hold.
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

/// The source of a bearer that may be replaced while it is used. `None` is for requests without a bearer.
pub trait BearerSource: Send + Sync {
    /// The bearer to use now.
    ///
    /// # Errors
    /// [`ClientError::NoCredential`], or why getting it failed.
    fn bearer(&self) -> BoxFuture<'_, Result<Option<Bearer>, ClientError>>;

    /// Another bearer to try once, after the server refused `refused` with 401. `None` in `refused` means that no
    /// bearer was sent.
    ///
    /// # Errors
    /// As for [`BearerSource::bearer`].
    fn renew(&self, refused: Option<Bearer>) -> BoxFuture<'_, Result<Option<Bearer>, ClientError>>;
}

/// What is sent with each request to authenticate it.
#[derive(Clone)]
pub enum Credential {
    /// Always the same bearer.
    Fixed(Bearer),
    /// No bearer, for a server whose authentication is off.
    Anonymous,
    /// The current bearer of the source.
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

    /// Another bearer than the refused one, to try once; `None` when the credential cannot be renewed.
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
