//! How often somebody may be wrong about a credential: by the worker it is said to be of, and by where it comes from.
//!
//! A check is dear to the server that makes it, so few are made at once. An attempt counts from its beginning and is
//! taken back unless it turns out wrong, so that many at a time are no way around.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::clock::Clock;
use crate::protocol::WorkerId;

/// How long a wrong attempt counts.
const WINDOW: Duration = Duration::from_secs(10 * 60);
/// Wrong attempts at one worker within the window.
const OF_WORKER: usize = 10;
/// The same from one address, which a whole office may share.
const OF_SOURCE: usize = 30;
/// Workers and addresses of which wrong attempts are remembered, at most.
const REMEMBERED: usize = 4096;
/// Credentials that are checked at once.
const AT_ONCE: usize = 4;

/// The attempts of late.
pub(crate) struct RateLimiter {
    clock: Clock,
    ledgers: Mutex<Ledgers>,
    checks: Semaphore,
}

struct Ledgers {
    workers: Ledger<WorkerId>,
    sources: Ledger<IpAddr>,
}

/// Too many were wrong: nothing is checked for so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limited(pub Duration);

/// An attempt under way. Unless it is told otherwise it was wrong: whoever hangs up before the answer has had it.
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
            ledgers: Mutex::new(Ledgers {
                workers: Ledger::new(OF_WORKER),
                sources: Ledger::new(OF_SOURCE),
            }),
            checks: Semaphore::new(AT_ONCE),
        }
    }

    /// Begins an attempt, at a worker if it says which.
    ///
    /// # Errors
    /// When too many were wrong of late.
    pub fn begin(&self, worker: Option<&WorkerId>, source: IpAddr) -> Result<Attempt<'_>, Limited> {
        let (source, at) = (network(source), self.clock.now().instant().as_millisecond());
        let mut ledgers = self.ledgers();
        let waits = [
            worker.and_then(|worker| ledgers.workers.wait(worker, at)),
            ledgers.sources.wait(&source, at),
        ];
        if let Some(wait) = waits.into_iter().flatten().max() {
            return Err(Limited(wait));
        }
        if let Some(worker) = worker {
            ledgers.workers.note(worker, at);
        }
        ledgers.sources.note(&source, at);
        Ok(Attempt {
            limiter: self,
            worker: worker.cloned(),
            source,
            at,
        })
    }

    /// Waits for one's turn to have a credential checked; none when it does not come within `limit`.
    pub async fn turn(&self, limit: Duration) -> Option<SemaphorePermit<'_>> {
        tokio::time::timeout(limit, self.checks.acquire()).await.ok()?.ok()
    }

    fn ledgers(&self) -> MutexGuard<'_, Ledgers> {
        self.ledgers.lock()
    }
}

impl Attempt<'_> {
    /// It was right. What went wrong with this worker before is forgiven; what came from the address is not.
    pub fn right(self) {
        let mut ledgers = self.limiter.ledgers();
        if let Some(worker) = &self.worker {
            ledgers.workers.forgive(worker);
        }
        ledgers.sources.take_back(&self.source, self.at);
    }

    /// Nobody knows: it was not checked.
    pub fn unchecked(self) {
        let mut ledgers = self.limiter.ledgers();
        if let Some(worker) = &self.worker {
            ledgers.workers.take_back(worker, self.at);
        }
        ledgers.sources.take_back(&self.source, self.at);
    }
}

/// An IPv6 subscriber has a whole network, so its addresses count as one.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        v4 => v4,
    }
}

/// When each key was wrong, oldest first, in milliseconds since the Unix epoch.
struct Ledger<K> {
    limit: usize,
    wrong: HashMap<K, VecDeque<i64>>,
}

fn counts(at: i64, now: i64) -> bool {
    now.abs_diff(at) < u64::try_from(WINDOW.as_millis()).unwrap_or(u64::MAX)
}

impl<K: Eq + Hash + Clone> Ledger<K> {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            wrong: HashMap::new(),
        }
    }

    /// How long the key has to wait, if it has to.
    fn wait(&mut self, key: &K, now: i64) -> Option<Duration> {
        let wrong = self.wrong.get_mut(key)?;
        wrong.retain(|at| counts(*at, now));
        if wrong.len() < self.limit {
            return None;
        }
        let oldest = wrong.front()?;
        Some(WINDOW.saturating_sub(Duration::from_millis(now.abs_diff(*oldest))))
    }

    fn note(&mut self, key: &K, now: i64) {
        if self.wrong.len() >= REMEMBERED && !self.wrong.contains_key(key) {
            self.make_room(now);
        }
        self.wrong.entry(key.clone()).or_default().push_back(now);
    }

    /// Forgets what counts no more, or else whoever was wrong the longest ago.
    fn make_room(&mut self, now: i64) {
        self.wrong.retain(|_, wrong| wrong.iter().any(|at| counts(*at, now)));
        while self.wrong.len() >= REMEMBERED {
            let oldest = self.wrong.iter().min_by_key(|(_, wrong)| wrong.back().copied());
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
                return;
            };
            self.wrong.remove(&oldest);
        }
    }

    fn forgive(&mut self, key: &K) {
        self.wrong.remove(key);
    }

    fn take_back(&mut self, key: &K, at: i64) {
        let Some(wrong) = self.wrong.get_mut(key) else { return };
        if let Some(place) = wrong.iter().position(|known| *known == at) {
            wrong.remove(place);
        }
        if wrong.is_empty() {
            self.wrong.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn attempts() -> (RateLimiter, Clock) {
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
    fn a_worker_may_be_guessed_at_so_often_from_wherever() {
        let (attempts, clock) = attempts();
        for n in 0..OF_WORKER {
            clock.advance(Duration::from_secs(1));
            drop(attempts.begin(Some(&worker(1)), source(n)).expect("not yet"));
        }
        let wait = attempts.begin(Some(&worker(1)), source(99)).err().expect("refused").0;
        let passed = Duration::from_secs(OF_WORKER as u64 - 1);
        assert_eq!(wait, WINDOW - passed, "until the first counts no more");
        attempts
            .begin(Some(&worker(2)), source(0))
            .expect("another worker")
            .right();
        clock.advance(wait);
        let again = attempts.begin(Some(&worker(1)), HERE).expect("over");
        assert!(attempts.begin(Some(&worker(1)), HERE).is_err(), "only one of them is");
        again.right();
        assert!(attempts.begin(Some(&worker(1)), HERE).is_ok(), "it is forgiven");
    }

    #[test]
    fn an_address_may_guess_so_often_at_whomever() {
        let (attempts, _) = attempts();
        for n in 0..OF_SOURCE {
            drop(attempts.begin(Some(&worker(n)), HERE).expect("not yet"));
        }
        assert!(attempts.begin(Some(&worker(99)), HERE).is_err());
        assert!(attempts.begin(None, HERE).is_err());
        assert!(attempts.begin(Some(&worker(99)), source(7)).is_ok());
    }

    #[test]
    fn many_at_once_are_no_way_around() {
        let (attempts, _) = attempts();
        let under_way: Vec<_> = (0..OF_WORKER)
            .map(|_| attempts.begin(Some(&worker(1)), HERE).expect("not yet"))
            .collect();
        assert!(attempts.begin(Some(&worker(1)), HERE).is_err());
        under_way.into_iter().for_each(Attempt::unchecked);
        assert!(attempts.begin(Some(&worker(1)), HERE).is_ok(), "none of them counts");
    }

    #[test]
    fn what_is_right_counts_for_nothing() {
        let (attempts, _) = attempts();
        for _ in 0..OF_SOURCE * 2 {
            attempts.begin(Some(&worker(1)), HERE).expect("always").right();
        }
        assert!(attempts.ledgers().sources.wrong.is_empty() && attempts.ledgers().workers.wrong.is_empty());
    }

    #[test]
    fn an_ipv6_network_counts_as_one_and_a_mapped_address_as_what_it_maps() {
        let (attempts, _) = attempts();
        for n in 0..OF_SOURCE {
            drop(attempts.begin(None, format!("2001:db8::{n:x}").parse().expect("an address")));
        }
        assert!(
            attempts
                .begin(None, "2001:db8::ffff:1".parse().expect("an address"))
                .is_err()
        );
        assert!(
            attempts
                .begin(None, "2001:db8:0:1::1".parse().expect("an address"))
                .is_ok()
        );
        assert_eq!(network("::ffff:127.0.0.1".parse().expect("an address")), HERE);
    }

    #[test]
    fn memory_is_bounded_and_who_was_wrong_last_is_remembered() {
        let (attempts, clock) = attempts();
        for n in 0..REMEMBERED + 10 {
            clock.advance(Duration::from_millis(1));
            drop(attempts.begin(Some(&worker(n)), source(n)));
        }
        assert_eq!(attempts.ledgers().workers.wrong.len(), REMEMBERED);
        assert!(attempts.ledgers().workers.wrong.contains_key(&worker(REMEMBERED + 9)));
        clock.advance(WINDOW);
        drop(attempts.begin(Some(&worker(0)), source(0)));
        assert_eq!(
            attempts.ledgers().workers.wrong.len(),
            1,
            "what counts no more goes first"
        );
    }

    #[tokio::test]
    async fn few_are_checked_at_once() {
        let (attempts, _) = attempts();
        let mut turns = Vec::new();
        for _ in 0..AT_ONCE {
            turns.push(attempts.turn(Duration::ZERO).await.expect("free"));
        }
        assert!(attempts.turn(Duration::ZERO).await.is_none());
        turns.pop();
        assert!(attempts.turn(Duration::ZERO).await.is_some());
    }
}
