//! The cache of bearers: one for each scope, made by one bootstrap at a time.

use std::future::Future;
use std::sync::Arc;

use quick_cache::sync::Cache;

use super::{CredentialError, Scope};
use crate::client::{Bearer, ClientError};
use crate::lifecycle::Tasks;
use crate::singleflight::{Interrupted, SingleFlight};

/// How many scopes are kept. Beyond that, one that is used again is bootstrapped again.
const SCOPES: usize = 1024;

/// The result of a bootstrap. `None` is for a server that asks for no credential. A failure goes to all callers that
/// waited for it, and is not kept for later ones.
type Outcome = Result<Option<Bearer>, Arc<ClientError>>;

/// The bearers in use. A bootstrap runs as a task of its own: a caller that stops waiting must not cancel it between a
/// new secret and the disk.
pub(super) struct BearerCache {
    held: Arc<Cache<Scope, Option<Bearer>>>,
    bootstraps: SingleFlight<Scope, Outcome>,
}

impl BearerCache {
    pub(super) fn new(tasks: Tasks) -> Self {
        Self {
            held: Arc::new(Cache::new(SCOPES)),
            bootstraps: SingleFlight::new("credential", tasks),
        }
    }

    /// The bearer of a scope: the one that is held, or that of the bootstrap under way, or of this one.
    pub(super) async fn get<F>(
        &self,
        scope: &Scope,
        bootstrap: impl FnOnce() -> F,
    ) -> Result<Option<Bearer>, ClientError>
    where
        F: Future<Output = Result<Option<Bearer>, ClientError>> + Send + 'static,
    {
        let cached = || self.held.get(scope).map(Ok);
        let work = || {
            let bootstrap = bootstrap();
            async { bootstrap.await.map_err(Arc::new) }
        };
        let (held, key) = (self.held.clone(), scope.clone());
        let store = move |outcome: Option<&Outcome>| {
            if let Some(Ok(bearer)) = outcome {
                held.insert(key, bearer.clone());
            }
        };
        match self.bootstraps.run(scope.clone(), cached, work, store).await {
            Ok(outcome) => outcome.map_err(ClientError::Shared),
            Err(Interrupted) => Err(CredentialError::Interrupted.into()),
        }
    }

    /// Whether a bearer is held.
    pub(super) fn has(&self, scope: &Scope) -> bool {
        self.held.peek(scope).is_some()
    }

    /// The bearer that is held.
    pub(super) fn held(&self, scope: &Scope) -> Option<Bearer> {
        self.held.peek(scope)?
    }

    /// Evicts a bearer that was refused, unless another has replaced it by now.
    pub(super) fn evict_refused(&self, scope: &Scope, refused: Option<&Bearer>) {
        self.held.remove_if(scope, |held| held.as_ref() == refused);
    }

    /// Evicts the bearer of a scope.
    pub(super) fn evict(&self, scope: &Scope) {
        self.held.remove(scope);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Actor;

    #[tokio::test]
    async fn a_bootstrap_goes_on_when_its_caller_stops_waiting() {
        let cache = BearerCache::new(Tasks::new());
        let (begin, begun) = tokio::sync::oneshot::channel();
        let bearer = Bearer::new(Actor::Admin, "secret".into());
        let made = bearer.clone();
        let mut first = Box::pin(cache.get(&Scope::ControlPlane, || async move {
            begun.await.expect("told to go on");
            Ok(Some(made))
        }));
        assert!(futures_util::poll!(&mut first).is_pending());
        drop(first);
        let second = cache.get(&Scope::ControlPlane, || async { panic!("one at a time") });
        let mut second = Box::pin(second);
        assert!(futures_util::poll!(&mut second).is_pending());
        begin.send(()).expect("still under way");
        assert_eq!(second.await.expect("made"), Some(bearer));
        assert!(cache.has(&Scope::ControlPlane));
    }

    #[tokio::test]
    async fn a_failure_is_not_kept_and_a_panic_hangs_nobody() {
        let cache = BearerCache::new(Tasks::new());
        let panicked = cache.get(&Scope::ControlPlane, || async { panic!("on purpose") }).await;
        assert!(panicked.expect_err("broken off").is_without_credential());
        let late = cache
            .get(&Scope::ControlPlane, || async { Err(ClientError::TimedOut) })
            .await;
        assert!(late.expect_err("failed").is_unreachable());
        let open = cache.get(&Scope::ControlPlane, || async { Ok(None) }).await;
        assert_eq!(open.expect("had"), None);
    }
}
