//! Limits failed sign-in attempts, per worker and per source address, and how many credentials are checked at once.
//!
//! A check is expensive for the server that makes it, so few run concurrently. An attempt counts as failed from its
//! start until its outcome is known, so that concurrent attempts cannot exceed the limit.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::clock::Clock;
use crate::protocol::WorkerId;

/// How long a failed attempt counts.
const WINDOW: Duration = Duration::from_secs(10 * 60);
/// Failed attempts for one worker within the window.
const MAX_PER_WORKER: usize = 10;
/// Failed attempts from one address within the window; a whole office may share one.
const MAX_PER_SOURCE: usize = 30;
/// Workers, and addresses, whose failures are remembered, at most.
const MAX_KEYS: usize = 4096;
/// Credentials that are checked at the same time, at most.
const MAX_CONCURRENT_CHECKS: usize = 4;

/// Failed attempts within the window, and the permits to check credentials.
pub(crate) struct RateLimiter {
    clock: Clock,
    failures: Mutex<FailureLogs>,
    checks: Semaphore,
}

struct FailureLogs {
    workers: FailureLog<WorkerId>,
    sources: FailureLog<IpAddr>,
}

/// Too many attempts failed: nothing is checked for this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateLimited(pub Duration);

/// An attempt in progress. Dropped without an outcome, it stays counted as failed: a client that disconnects early
/// gains nothing.
pub(crate) struct Attempt<'a> {
    limiter: &'a RateLimiter,
    worker: Option<WorkerId>,
    source: IpAddr,
    at: i64,
}

impl RateLimiter {
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            failures: Mutex::new(FailureLogs {
                workers: FailureLog::new(MAX_PER_WORKER),
                sources: FailureLog::new(MAX_PER_SOURCE),
            }),
            checks: Semaphore::new(MAX_CONCURRENT_CHECKS),
        }
    }

    /// Begins an attempt, for a worker if the credential names one.
    ///
    /// # Errors
    /// When too many attempts failed within the window.
    pub fn begin(&self, worker: Option<&WorkerId>, source: IpAddr) -> Result<Attempt<'_>, RateLimited> {
        let (source, at) = (network(source), self.clock.now().instant().as_millisecond());
        let mut failures = self.failures.lock();
        let waits = [
            worker.and_then(|worker| failures.workers.retry_after(worker, at)),
            failures.sources.retry_after(&source, at),
        ];
        if let Some(wait) = waits.into_iter().flatten().max() {
            return Err(RateLimited(wait));
        }
        if let Some(worker) = worker {
            failures.workers.record(worker, at);
        }
        failures.sources.record(&source, at);
        Ok(Attempt {
            limiter: self,
            worker: worker.cloned(),
            source,
            at,
        })
    }

    /// Waits for a permit to check a credential; none when `limit` passes first.
    pub async fn check_permit(&self, limit: Duration) -> Option<SemaphorePermit<'_>> {
        tokio::time::timeout(limit, self.checks.acquire()).await.ok()?.ok()
    }
}

impl Attempt<'_> {
    /// The credential was right. Clears the worker's failures, and of the address's only this attempt.
    pub fn succeeded(self) {
        let mut failures = self.limiter.failures.lock();
        if let Some(worker) = &self.worker {
            failures.workers.clear(worker);
        }
        failures.sources.remove(&self.source, self.at);
    }

    /// The credential was not checked, so the attempt does not count.
    pub fn not_checked(self) {
        let mut failures = self.limiter.failures.lock();
        if let Some(worker) = &self.worker {
            failures.workers.remove(worker, self.at);
        }
        failures.sources.remove(&self.source, self.at);
    }
}

/// An IPv6 subscriber has a whole /64 network, so its addresses count as one.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        v4 => v4,
    }
}

/// The times of each key's failures, oldest first, in milliseconds since the Unix epoch.
struct FailureLog<K> {
    limit: usize,
    times: HashMap<K, VecDeque<i64>>,
}

fn is_within_window(at: i64, now: i64) -> bool {
    now.abs_diff(at) < u64::try_from(WINDOW.as_millis()).unwrap_or(u64::MAX)
}

impl<K: Eq + Hash + Clone> FailureLog<K> {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            times: HashMap::new(),
        }
    }

    /// How long the key has to wait; none when it is below the limit.
    fn retry_after(&mut self, key: &K, now: i64) -> Option<Duration> {
        let times = self.times.get_mut(key)?;
        times.retain(|at| is_within_window(*at, now));
        if times.len() < self.limit {
            return None;
        }
        let oldest = times.front()?;
        Some(WINDOW.saturating_sub(Duration::from_millis(now.abs_diff(*oldest))))
    }

    fn record(&mut self, key: &K, now: i64) {
        if self.times.len() >= MAX_KEYS && !self.times.contains_key(key) {
            self.evict(now);
        }
        self.times.entry(key.clone()).or_default().push_back(now);
    }

    /// Drops keys without a failure within the window; if none is left to drop, those whose last failure is the oldest.
    fn evict(&mut self, now: i64) {
        self.times
            .retain(|_, times| times.iter().any(|at| is_within_window(*at, now)));
        while self.times.len() >= MAX_KEYS {
            let oldest = self.times.iter().min_by_key(|(_, times)| times.back().copied());
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
                return;
            };
            self.times.remove(&oldest);
        }
    }

    fn clear(&mut self, key: &K) {
        self.times.remove(key);
    }

    fn remove(&mut self, key: &K, at: i64) {
        let Some(times) = self.times.get_mut(key) else { return };
        if let Some(index) = times.iter().position(|known| *known == at) {
            times.remove(index);
        }
        if times.is_empty() {
            self.times.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn limiter() -> (RateLimiter, Clock) {
        let clock = Clock::manual("2026-01-02T03:04:05Z".parse().expect("a timestamp"));
        (RateLimiter::new(clock.clone()), clock)
    }

    fn worker(number: usize) -> WorkerId {
        format!("wkr_{number:026}").parse().expect("an id")
    }

    fn source(number: usize) -> IpAddr {
        std::net::Ipv4Addr::from_bits(u32::try_from(number).expect("small")).into()
    }

    #[test]
    fn a_worker_is_limited_whatever_the_address() {
        let (limiter, clock) = limiter();
        for n in 0..MAX_PER_WORKER {
            clock.advance(Duration::from_secs(1));
            drop(limiter.begin(Some(&worker(1)), source(n)).expect("not yet"));
        }
        let wait = limiter.begin(Some(&worker(1)), source(99)).err().expect("refused").0;
        let passed = Duration::from_secs(MAX_PER_WORKER as u64 - 1);
        assert_eq!(wait, WINDOW - passed, "until the first failure has left the window");
        limiter
            .begin(Some(&worker(2)), source(0))
            .expect("another worker")
            .succeeded();
        clock.advance(wait);
        let again = limiter.begin(Some(&worker(1)), HERE).expect("over");
        assert!(
            limiter.begin(Some(&worker(1)), HERE).is_err(),
            "only one failure has left the window"
        );
        again.succeeded();
        assert!(
            limiter.begin(Some(&worker(1)), HERE).is_ok(),
            "a success clears the failures"
        );
    }

    #[test]
    fn an_address_is_limited_whatever_the_worker() {
        let (limiter, _) = limiter();
        for n in 0..MAX_PER_SOURCE {
            drop(limiter.begin(Some(&worker(n)), HERE).expect("not yet"));
        }
        assert!(limiter.begin(Some(&worker(99)), HERE).is_err());
        assert!(limiter.begin(None, HERE).is_err());
        assert!(limiter.begin(Some(&worker(99)), source(7)).is_ok());
    }

    #[test]
    fn concurrent_attempts_do_not_exceed_the_limit() {
        let (limiter, _) = limiter();
        let under_way: Vec<_> = (0..MAX_PER_WORKER)
            .map(|_| limiter.begin(Some(&worker(1)), HERE).expect("not yet"))
            .collect();
        assert!(limiter.begin(Some(&worker(1)), HERE).is_err());
        under_way.into_iter().for_each(Attempt::not_checked);
        assert!(limiter.begin(Some(&worker(1)), HERE).is_ok(), "none of them counts");
    }

    #[test]
    fn successful_attempts_do_not_count() {
        let (limiter, _) = limiter();
        for _ in 0..MAX_PER_SOURCE * 2 {
            limiter.begin(Some(&worker(1)), HERE).expect("always").succeeded();
        }
        assert!(limiter.failures.lock().sources.times.is_empty() && limiter.failures.lock().workers.times.is_empty());
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address_and_a_mapped_address_as_ipv4() {
        let (limiter, _) = limiter();
        for n in 0..MAX_PER_SOURCE {
            drop(limiter.begin(None, format!("2001:db8::{n:x}").parse().expect("an address")));
        }
        assert!(
            limiter
                .begin(None, "2001:db8::ffff:1".parse().expect("an address"))
                .is_err()
        );
        assert!(
            limiter
                .begin(None, "2001:db8:0:1::1".parse().expect("an address"))
                .is_ok()
        );
        assert_eq!(network("::ffff:127.0.0.1".parse().expect("an address")), HERE);
    }

    #[test]
    fn memory_is_bounded_and_the_latest_failures_are_kept() {
        let (limiter, clock) = limiter();
        for n in 0..MAX_KEYS + 10 {
            clock.advance(Duration::from_millis(1));
            drop(limiter.begin(Some(&worker(n)), source(n)));
        }
        assert_eq!(limiter.failures.lock().workers.times.len(), MAX_KEYS);
        assert!(
            limiter
                .failures
                .lock()
                .workers
                .times
                .contains_key(&worker(MAX_KEYS + 9))
        );
        clock.advance(WINDOW);
        drop(limiter.begin(Some(&worker(0)), source(0)));
        assert_eq!(
            limiter.failures.lock().workers.times.len(),
            1,
            "keys without a failure within the window go first"
        );
    }

    #[tokio::test]
    async fn few_credentials_are_checked_at_once() {
        let (limiter, _) = limiter();
        let mut permits = Vec::new();
        for _ in 0..MAX_CONCURRENT_CHECKS {
            permits.push(limiter.check_permit(Duration::ZERO).await.expect("free"));
        }
        assert!(limiter.check_permit(Duration::ZERO).await.is_none());
        permits.pop();
        assert!(limiter.check_permit(Duration::ZERO).await.is_some());
    }
}
