//! Reading a registry once for all who want it at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};

use super::roster::Roster;
use crate::access::Scope;
use crate::client::{ClientError, RegistryClient};

/// How long a page waits for a listing.
const PATIENCE: Duration = Duration::from_millis(2500);

type Outcome = Result<Arc<Roster>, Arc<ClientError>>;
type Flight = BoxFuture<'static, Outcome>;

/// The listings under way, at most one a registry. None is kept once it has arrived.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Scope, WeakShared<Flight>>>);

impl Flights {
    /// The workers and groups, of a moment no earlier than the last [`Self::forget`].
    ///
    /// # Errors
    /// Why they cannot be read; [`ClientError::Late`] when they do not arrive within [`PATIENCE`].
    pub async fn read(&self, scope: &Scope, client: &RegistryClient) -> Outcome {
        self.flight(scope, client).await
    }

    /// What is under way is too old for who asks from now on.
    pub fn forget(&self, scope: &Scope) {
        self.flights().remove(scope);
    }

    fn flight(&self, scope: &Scope, client: &RegistryClient) -> Shared<Flight> {
        let mut flights = self.flights();
        // One that has arrived is old by now, even if somebody holds it still.
        let under_way = flights
            .get(scope)
            .and_then(WeakShared::upgrade)
            .filter(|flight| flight.peek().is_none());
        if let Some(flight) = under_way {
            return flight;
        }
        let flight = list(client.clone()).boxed().shared();
        if let Some(weak) = flight.downgrade() {
            flights.insert(scope.clone(), weak);
        }
        flight
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Scope, WeakShared<Flight>>> {
        // The map is whole at every step, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn list(client: RegistryClient) -> Outcome {
    let both = async { futures_util::future::try_join(client.workers(), client.groups()).await };
    match tokio::time::timeout(PATIENCE, both).await {
        Err(_) => Err(Arc::new(ClientError::Late)),
        Ok(Err(error)) => Err(Arc::new(error)),
        Ok(Ok((workers, groups))) => Ok(Arc::new(Roster::new(workers, groups))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Client, Credential};

    #[tokio::test]
    async fn whoever_comes_while_a_listing_is_under_way_waits_for_it() {
        let client = Client::new("http://127.0.0.1:1", Credential::Anonymous).expect("a client");
        let (client, flights) = (client.control().registry(), Flights::default());
        let flight = || flights.flight(&Scope::ControlPlane, &client);
        let (first, second) = (flight(), flight());
        assert!(first.ptr_eq(&second));

        flights.forget(&Scope::ControlPlane);
        let after_a_write = flight();
        assert!(!first.ptr_eq(&after_a_write));

        assert!(after_a_write.clone().await.is_err());
        assert!(
            !flight().ptr_eq(&after_a_write),
            "what has arrived is not handed out again"
        );
        let abandoned = flight();
        drop((first, second, after_a_write));
        let key = abandoned.downgrade().expect("under way");
        drop(abandoned);
        assert!(key.upgrade().is_none() && flight().peek().is_none());
    }
}
