//! The cache of the roster. Concurrent requests share one listing; where a push feed reports changes, the listing is
//! used until the next change.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join;
use parking_lot::Mutex;

use crate::client::{ClientError, RegistryClient};
use crate::clock::Clock;
use crate::lifecycle::Tasks;
use crate::protocol::Timestamp;
use crate::singleflight::SingleFlight;
use crate::web::roster::graph::Roster;

/// How long a request waits for a listing.
const READ_TIMEOUT: Duration = Duration::from_millis(2500);

/// A listing, or why it could not be read; shared by all requests that waited for it.
type Listing = Result<Arc<Roster>, Arc<ClientError>>;

/// The latest listing of the deployment's workers and groups.
pub(crate) struct RosterCache {
    clock: Clock,
    /// Listings in progress, by the registry's generation at their start.
    running: SingleFlight<Option<u64>, Listing>,
    last: Arc<Mutex<Option<Listed>>>,
}

/// A listing that arrived.
#[derive(Debug, Clone)]
struct Listed {
    /// The registry's generation at the start of the listing; none where no push feed reports changes.
    generation: Option<u64>,
    roster: Arc<Roster>,
    at: Timestamp,
}

impl RosterCache {
    pub fn new(clock: Clock, tasks: Tasks) -> Self {
        Self {
            clock,
            running: SingleFlight::new("roster", tasks),
            last: Arc::default(),
        }
    }

    /// The workers and groups, read after the last [`Self::forget`]. The latest listing is reused while `generation` is
    /// some and unchanged.
    ///
    /// # Errors
    /// Why they cannot be read; [`ClientError::TimedOut`] when they do not arrive within [`READ_TIMEOUT`].
    pub async fn read(&self, client: &RegistryClient, generation: Option<u64>) -> Listing {
        // A listing that started at another generation may lack the changes since.
        self.running.forget(|began| *began != generation);
        let (client, clock, last) = (client.clone(), self.clock.clone(), self.last.clone());
        let store = move |outcome: Option<&Listing>| {
            if let Some(Ok(roster)) = outcome {
                let (roster, at) = (roster.clone(), clock.now());
                *last.lock() = Some(Listed { generation, roster, at });
            }
        };
        let read = self
            .running
            .run(generation, || self.current(generation).map(Ok), || list(client), store);
        read.await.unwrap_or_else(|_| Err(Arc::new(ClientError::TimedOut)))
    }

    /// The latest listing and its time; none after [`Self::forget`].
    pub fn last(&self) -> Option<(Arc<Roster>, Timestamp)> {
        let last = self.last.lock();
        last.as_ref().map(|last| (last.roster.clone(), last.at))
    }

    /// Invalidates the latest listing and those in progress, after a write.
    pub fn forget(&self) {
        self.running.forget(|_| true);
        *self.last.lock() = None;
    }

    fn current(&self, generation: Option<u64>) -> Option<Arc<Roster>> {
        let last = self.last.lock();
        let current = last
            .as_ref()
            .filter(|last| generation.is_some() && last.generation == generation);
        current.map(|last| last.roster.clone())
    }
}

async fn list(client: RegistryClient) -> Listing {
    match tokio::time::timeout(READ_TIMEOUT, try_join(client.workers(), client.groups())).await {
        Err(_) => Err(Arc::new(ClientError::TimedOut)),
        Ok(Err(error)) => Err(Arc::new(error)),
        Ok(Ok((workers, groups))) => Ok(Arc::new(Roster::new(workers, groups))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Client, Credential};

    fn cache() -> (RosterCache, RegistryClient) {
        let client = Client::new("http://127.0.0.1:1", Credential::Anonymous).expect("a client");
        let cache = RosterCache::new(Clock::default(), Tasks::new());
        (cache, client.control().registry())
    }

    fn listed(cache: &RosterCache, generation: Option<u64>) {
        let roster = Arc::new(Roster::new(Vec::new(), Vec::new()));
        let at = cache.clock.now();
        *cache.last.lock() = Some(Listed { generation, roster, at });
    }

    #[tokio::test]
    async fn a_listing_is_reused_until_the_registry_changes_or_is_written_to() {
        let (cache, client) = cache();
        listed(&cache, Some(7));
        assert!(cache.read(&client, Some(7)).await.is_ok());
        assert!(cache.read(&client, Some(8)).await.is_err(), "something changed");
        assert!(cache.read(&client, None).await.is_err(), "no feed reports changes");
        assert!(
            cache.last().is_some(),
            "what was read last can still be shown in an outage"
        );
        cache.forget();
        assert!(cache.read(&client, Some(7)).await.is_err(), "something was written");
        assert!(cache.last().is_none());
    }

    #[tokio::test]
    async fn a_failure_is_shared_by_waiting_requests_and_not_cached() {
        let (cache, client) = cache();
        let (first, second) = tokio::join!(cache.read(&client, None), cache.read(&client, None));
        let (first, second) = (first.expect_err("no server"), second.expect_err("no server"));
        assert!(Arc::ptr_eq(&first, &second));
        let third = cache.read(&client, None).await.expect_err("no server");
        assert!(!Arc::ptr_eq(&first, &third));
    }
}
