//! The sources of bearers that may be replaced while a client uses them.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::credentials::Credentials;
use super::{CredentialError, Scope};
use crate::client::{Bearer, BearerSource, ClientError};

/// The bearer of the console's worker in one scope.
pub(super) struct ScopeBearer {
    pub credentials: Arc<Credentials>,
    pub scope: Scope,
}

impl BearerSource for ScopeBearer {
    fn bearer(&self) -> BoxFuture<'_, Result<Option<Bearer>, ClientError>> {
        self.credentials.bearer(&self.scope).boxed()
    }

    fn renew(&self, refused: Option<Bearer>) -> BoxFuture<'_, Result<Option<Bearer>, ClientError>> {
        async move {
            self.credentials.refused(&self.scope, refused.as_ref());
            self.credentials.bearer(&self.scope).await
        }
        .boxed()
    }
}

/// The admin's bearer. When it is refused, the bearer of the console's worker, if there is one: a wrong admin token
/// must not hide what can be read without it.
pub(super) struct AdminBearer {
    pub credentials: Arc<Credentials>,
    pub scope: Scope,
    pub admin: Bearer,
}

impl BearerSource for AdminBearer {
    fn bearer(&self) -> BoxFuture<'_, Result<Option<Bearer>, ClientError>> {
        async { Ok(Some(self.admin.clone())) }.boxed()
    }

    fn renew(&self, _refused: Option<Bearer>) -> BoxFuture<'_, Result<Option<Bearer>, ClientError>> {
        async {
            match self.credentials.has_own(&self.scope) {
                true => self.credentials.bearer(&self.scope).await,
                false => Err(CredentialError::AdminTokenRefused {
                    scope: self.scope.clone(),
                }
                .into()),
            }
        }
        .boxed()
    }
}
