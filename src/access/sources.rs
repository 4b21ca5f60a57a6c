//! Where the bearers of requests come from.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::factory::Inner;
use super::{CredentialError, Scope};
use crate::client::{Bearer, BearerSource, ClientError};

/// The bearer of one scope, whatever it is by then.
pub(super) struct ScopeBearer {
    pub inner: Arc<Inner>,
    pub scope: Scope,
}

impl BearerSource for ScopeBearer {
    fn bearer(&self) -> BoxFuture<'_, Result<Option<Bearer>, ClientError>> {
        self.inner.bearer(&self.scope).boxed()
    }

    fn renewed(&self, refused: Option<Bearer>) -> BoxFuture<'_, Result<Option<Bearer>, ClientError>> {
        async move {
            self.inner.refused(&self.scope, refused.as_ref());
            self.inner.bearer(&self.scope).await
        }
        .boxed()
    }
}

/// The admin's bearer, and where it is refused that of the console's worker, if there is one: a wrong admin token must
/// not hide what can be read without it.
pub(super) struct AdminBearer {
    pub inner: Arc<Inner>,
    pub scope: Scope,
    pub admin: Bearer,
}

impl BearerSource for AdminBearer {
    fn bearer(&self) -> BoxFuture<'_, Result<Option<Bearer>, ClientError>> {
        async { Ok(Some(self.admin.clone())) }.boxed()
    }

    fn renewed(&self, _refused: Option<Bearer>) -> BoxFuture<'_, Result<Option<Bearer>, ClientError>> {
        async {
            match self.inner.has_own(&self.scope) {
                true => self.inner.bearer(&self.scope).await,
                false => Err(CredentialError::AdminTokenRefused {
                    scope: self.scope.clone(),
                }
                .into()),
            }
        }
        .boxed()
    }
}
