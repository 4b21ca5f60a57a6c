//! Reading a registry once for all who want it at the same time, and for all who come until it changes, where somebody
//! would tell.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};

use super::roster::Roster;
use crate::access::Scope;
use crate::client::{ClientError, RegistryClient};
use crate::clock::Clock;
use crate::protocol::Timestamp;

/// How long a page waits for a listing.
const PATIENCE: Duration = Duration::from_millis(2500);

type Outcome = Result<Arc<Roster>, Arc<ClientError>>;
type Flight = BoxFuture<'static, Outcome>;

/// The last listing of each registry.
#[derive(Default)]
pub(super) struct Flights {
    last: Mutex<HashMap<Scope, Last>>,
    /// The last that arrived, and when, for as long as the next ones do not.
    seen: Mutex<HashMap<Scope, Seen>>,
}

/// A listing as old as it says.
pub(super) type Seen = (Arc<Roster>, Timestamp);

/// A listing that is under way, or has arrived.
struct Last {
    /// What stood for the registry's state before the listing began, if anything did.
    position: Option<u64>,
    flight: WeakShared<Flight>,
    arrived: Option<Arc<Roster>>,
}

impl Flights {
    /// The workers and groups, of a moment no earlier than the last [`Self::forget`]. What has arrived is used again for
    /// as long as `position` is some and stays what it was.
    ///
    /// # Errors
    /// Why they cannot be read; [`ClientError::TimedOut`] when they do not arrive within [`PATIENCE`].
    pub async fn read(&self, scope: &Scope, client: &RegistryClient, position: Option<u64>, clock: &Clock) -> Outcome {
        if let Some(roster) = self.kept(scope, position) {
            return Ok(roster);
        }
        let flight = self.flight(scope, client, position);
        let roster = flight.clone().await?;
        // One that was forgotten meanwhile is not kept.
        if let Some(last) = self.flights().get_mut(scope)
            && last.flight.upgrade().is_some_and(|last| last.ptr_eq(&flight))
        {
            last.arrived = Some(roster.clone());
            self.all_seen().insert(scope.clone(), (roster.clone(), clock.now()));
        }
        Ok(roster)
    }

    /// What arrived last, and when.
    pub fn seen(&self, scope: &Scope) -> Option<Seen> {
        self.all_seen().get(scope).cloned()
    }

    /// What is under way, or has arrived, is too old for who asks from now on.
    pub fn forget(&self, scope: &Scope) {
        self.flights().remove(scope);
        self.all_seen().remove(scope);
    }

    fn kept(&self, scope: &Scope, position: Option<u64>) -> Option<Arc<Roster>> {
        let position = position?;
        let flights = self.flights();
        let last = flights.get(scope).filter(|last| last.position == Some(position))?;
        last.arrived.clone()
    }

    fn flight(&self, scope: &Scope, client: &RegistryClient, position: Option<u64>) -> Shared<Flight> {
        let mut flights = self.flights();
        // One that has arrived is old by now, even if somebody holds it still, and so is one that began before something
        // changed.
        let under_way = flights
            .get(scope)
            .filter(|last| last.position == position)
            .and_then(|last| last.flight.upgrade())
            .filter(|flight| flight.peek().is_none());
        if let Some(flight) = under_way {
            return flight;
        }
        let flight = list(client.clone()).boxed().shared();
        if let Some(weak) = flight.downgrade() {
            let last = Last {
                position,
                flight: weak,
                arrived: None,
            };
            flights.insert(scope.clone(), last);
        }
        flight
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Scope, Last>> {
        // The map is whole at every step, so a panic elsewhere does not spoil it.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all_seen(&self) -> MutexGuard<'_, HashMap<Scope, Seen>> {
        // As above.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn list(client: RegistryClient) -> Outcome {
    let both = async { futures_util::future::try_join(client.workers(), client.groups()).await };
    match tokio::time::timeout(PATIENCE, both).await {
        Err(_) => Err(Arc::new(ClientError::TimedOut)),
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
        let flight = || flights.flight(&Scope::ControlPlane, &client, None);
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

    #[test]
    fn what_has_arrived_is_kept_until_the_registry_moves_or_is_written_to() {
        let client = Client::new("http://127.0.0.1:1", Credential::Anonymous).expect("a client");
        let (client, flights, scope) = (client.control().registry(), Flights::default(), Scope::ControlPlane);
        let flight = flights.flight(&scope, &client, Some(7));
        assert!(flights.kept(&scope, Some(7)).is_none(), "it is under way");
        let roster = Arc::new(Roster::new(Vec::new(), Vec::new()));
        flights.flights().get_mut(&scope).expect("the last").arrived = Some(roster);
        assert!(flights.kept(&scope, Some(7)).is_some());
        assert!(flights.kept(&scope, Some(8)).is_none(), "something changed");
        assert!(flights.kept(&scope, None).is_none(), "nobody would tell");
        flights.forget(&scope);
        assert!(flights.kept(&scope, Some(7)).is_none());
        drop(flight);
    }
}
