//! The bearers in use, one a scope.

use std::future::Future;
use std::sync::Arc;

use quick_cache::sync::Cache;

use super::Scope;
use crate::client::{Bearer, ClientError};

/// More scopes than this are bootstrapped again when they are looked at again.
const SCOPES: usize = 1024;

/// What came of a bootstrap. A failure is shared by those who waited for it, and not kept for those who come later.
#[derive(Clone)]
enum Held {
    /// `None`: the server asks for no credential.
    Bearer(Option<Bearer>),
    Failed(Arc<ClientError>),
}

/// The cache of bearers: one bootstrap at a time a scope, however many wait for it.
pub(super) struct BearerCache {
    held: Cache<Scope, Held>,
}

impl BearerCache {
    pub(super) fn new() -> Self {
        Self {
            held: Cache::new(SCOPES),
        }
    }

    /// The bearer of a scope, made by `bootstrap` unless it is held.
    pub(super) async fn get<F>(&self, scope: &Scope, bootstrap: F) -> Result<Option<Bearer>, ClientError>
    where
        F: Future<Output = Result<Option<Bearer>, ClientError>>,
    {
        let guard = match self.held.get_value_or_guard_async(scope).await {
            Ok(held) => return outcome(held),
            Err(guard) => guard,
        };
        let held = match bootstrap.await {
            Ok(bearer) => Held::Bearer(bearer),
            Err(error) => Held::Failed(Arc::new(error)),
        };
        // It is refused only when the scope was evicted meanwhile; this caller's answer is no worse for it.
        let _ = guard.insert(held.clone());
        self.held.remove_if(scope, |held| matches!(held, Held::Failed(_)));
        outcome(held)
    }

    /// Whether a bearer is held.
    pub(super) fn has(&self, scope: &Scope) -> bool {
        matches!(self.held.peek(scope), Some(Held::Bearer(_)))
    }

    /// Whose bearer is held.
    pub(super) fn held(&self, scope: &Scope) -> Option<Bearer> {
        match self.held.peek(scope)? {
            Held::Bearer(bearer) => bearer,
            Held::Failed(_) => None,
        }
    }

    /// Forgets a bearer that was refused, unless another has taken its place by now.
    pub(super) fn refused(&self, scope: &Scope, refused: Option<&Bearer>) {
        self.held.remove_if(
            scope,
            |held| matches!(held, Held::Bearer(held) if held.as_ref() == refused),
        );
    }

    /// Forgets whatever is held of a scope.
    pub(super) fn evict(&self, scope: &Scope) {
        self.held.remove(scope);
    }
}

fn outcome(held: Held) -> Result<Option<Bearer>, ClientError> {
    match held {
        Held::Bearer(bearer) => Ok(bearer),
        Held::Failed(error) => Err(ClientError::Shared(error)),
    }
}
