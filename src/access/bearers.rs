//! The bearers in use, one a scope.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::sync::Cache;
use tokio::sync::watch;

use super::{CredentialError, Scope};
use crate::client::{Bearer, ClientError};
use crate::lifecycle::Tasks;

/// More scopes than this are bootstrapped again when they are looked at again.
const SCOPES: usize = 1024;

/// What came of a bootstrap: `None` stands for a server that asks for no credential. A failure is shared by those who
/// waited for it, and not kept for those who come later.
type Outcome = Result<Option<Bearer>, Arc<ClientError>>;

/// A bootstrap under way; it holds what came of it once it is over.
type Flight = watch::Receiver<Option<Outcome>>;

/// The cache of bearers: one bootstrap at a time a scope, however many wait for it. It is a task of its own, so that
/// nobody who stops waiting breaks it off between a new secret and the disk.
pub(super) struct BearerCache {
    held: Cache<Scope, Option<Bearer>>,
    flights: Mutex<HashMap<Scope, Flight>>,
    tasks: Tasks,
}

impl BearerCache {
    pub(super) fn new(tasks: Tasks) -> Self {
        Self {
            held: Cache::new(SCOPES),
            flights: Mutex::default(),
            tasks,
        }
    }

    /// The bearer of a scope, made by `bootstrap` unless it is held or somebody is at it.
    pub(super) async fn get<F>(
        self: &Arc<Self>,
        scope: &Scope,
        bootstrap: impl FnOnce() -> F,
    ) -> Result<Option<Bearer>, ClientError>
    where
        F: Future<Output = Result<Option<Bearer>, ClientError>> + Send + 'static,
    {
        let (mut flight, over) = {
            let mut flights = self.flights();
            // A flight lands with this lock held, so none is missed between the two looks.
            if let Some(held) = self.held.get(scope) {
                return Ok(held);
            }
            match flights.get(scope) {
                Some(flight) => (flight.clone(), None),
                None => {
                    let (over, flight) = watch::channel(None);
                    flights.insert(scope.clone(), flight.clone());
                    (flight, Some(over))
                }
            }
        };
        // Without the lock: a task that cannot be started lands at once.
        if let Some(over) = over {
            self.start(scope, over, bootstrap());
        }
        let landed = flight.wait_for(Option::is_some).await;
        match landed.ok().and_then(|outcome| outcome.clone()) {
            Some(outcome) => outcome.map_err(ClientError::Shared),
            None => Err(CredentialError::Interrupted.into()),
        }
    }

    fn start(
        self: &Arc<Self>,
        scope: &Scope,
        over: watch::Sender<Option<Outcome>>,
        bootstrap: impl Future<Output = Result<Option<Bearer>, ClientError>> + Send + 'static,
    ) {
        let landing = Landing {
            cache: self.clone(),
            scope: scope.clone(),
            outcome: None,
            over,
        };
        self.tasks.spawn("credential", async move {
            // The whole of it, so that it lands when the task is dropped.
            let mut landing = landing;
            landing.outcome = Some(bootstrap.await.map_err(Arc::new));
        });
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Scope, Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a bearer is held.
    pub(super) fn has(&self, scope: &Scope) -> bool {
        self.held.peek(scope).is_some()
    }

    /// Whose bearer is held.
    pub(super) fn held(&self, scope: &Scope) -> Option<Bearer> {
        self.held.peek(scope)?
    }

    /// Forgets a bearer that was refused, unless another has taken its place by now.
    pub(super) fn refused(&self, scope: &Scope, refused: Option<&Bearer>) {
        self.held.remove_if(scope, |held| held.as_ref() == refused);
    }

    /// Forgets whatever is held of a scope.
    pub(super) fn evict(&self, scope: &Scope) {
        self.held.remove(scope);
    }
}

/// Says what came of a bootstrap, also if it panicked.
struct Landing {
    cache: Arc<BearerCache>,
    scope: Scope,
    outcome: Option<Outcome>,
    over: watch::Sender<Option<Outcome>>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut flights = self.cache.flights();
        if let Some(Ok(bearer)) = &self.outcome {
            self.cache.held.insert(self.scope.clone(), bearer.clone());
        }
        flights.remove(&self.scope);
        self.over.send_replace(self.outcome.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Actor;

    #[tokio::test]
    async fn a_bootstrap_goes_on_without_whoever_asked_for_it() {
        let cache = Arc::new(BearerCache::new(Tasks::new()));
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
        let cache = Arc::new(BearerCache::new(Tasks::new()));
        let panicked = cache.get(&Scope::ControlPlane, || async { panic!("on purpose") }).await;
        assert!(panicked.expect_err("broken off").is_without_credential());
        let late = cache
            .get(&Scope::ControlPlane, || async { Err(ClientError::Late) })
            .await;
        assert!(late.expect_err("failed").is_unreachable());
        let open = cache.get(&Scope::ControlPlane, || async { Ok(None) }).await;
        assert_eq!(open.expect("had"), None);
    }
}
