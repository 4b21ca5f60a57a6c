//! Who administers: the members of the groups named `admins`, of the deployment or, where there is no control plane, of
//! the one experiment.
//!
//! A decision is never made from a list that may be old. What was read is used again only while a push feed stands that
//! would have told of a change and has nothing untold; otherwise it is read through, for a moment at most.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use imbl::OrdMap;
use tokio::sync::Mutex;

use super::membership::workers_of;
use super::unavailability::{Server, Unavailability, UnavailabilityKind};
use crate::access::StoreFactory;
use crate::client::{ClientError, RegistryClient};
use crate::clock::Clock;
use crate::protocol::{Notice, Timestamp, WorkerId};

/// The name that carries the authority (`ch08 §9.3`).
const NAME: &str = "admins";
/// How long a list is good for that no feed stands behind.
const READ_THROUGH: Duration = Duration::from_secs(2);
/// How long a page waits for the list.
const PATIENCE: Duration = Duration::from_secs(2);
/// Workers whose reissued credentials are remembered at most.
const REISSUED: usize = 4096;

/// What the feed knows of the groups' being the same. Read `is_told` before `generation`: a feed that breaks in between
/// has grown the generation by then.
#[derive(Debug, Default)]
struct Pulse {
    /// Whether a push feed stands and has nothing untold.
    is_told: AtomicBool,
    /// Grows whenever anything may have changed.
    generation: AtomicU64,
    /// Milliseconds since the Unix epoch at which such a feed was last heard to have told everything.
    heard: AtomicI64,
}

impl Pulse {
    fn grow(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }
}

/// A push feed that would tell of a change. Dropping it says that it broke.
pub(super) struct Watching(Arc<Admins>);

impl Watching {
    /// A group or a worker changed, or may have.
    pub(super) fn changed(&self) {
        // Who administered before may not have until now.
        let mut former = self.0.former();
        *former = None;
        self.0.pulse.grow();
    }

    /// What a notice of the feed means to who administers.
    pub(super) fn noticed(&self, notice: &Notice) {
        if notice.kind.starts_with("group.") || notice.kind.starts_with("worker.") {
            self.changed();
        }
        if let ("worker.credential_reissued", Ok(worker)) = (notice.kind.as_str(), notice.id.parse()) {
            self.0.reissued(worker);
        }
    }

    /// All that the feed has told so far has been dealt with.
    pub(super) fn caught_up(&self) {
        self.0.pulse.is_told.store(true, Ordering::SeqCst);
    }

    /// The feed was heard, and everything before has been dealt with.
    pub(super) fn heard(&self, now: Timestamp) {
        self.0.pulse.heard.store(now.as_millisecond(), Ordering::SeqCst);
    }

    /// Something is being dealt with, and what comes meanwhile waits unread.
    pub(super) fn busy(&self) {
        self.0.pulse.is_told.store(false, Ordering::SeqCst);
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.remember();
        self.busy();
        self.0.pulse.grow();
    }
}

/// One reading of the groups.
struct Reading {
    /// TaskCounts readings.
    number: u64,
    /// As it was before the groups were asked for.
    generation: u64,
    asked_at: Timestamp,
    workers: Result<BTreeSet<WorkerId>, Unavailability>,
}

/// Who administers. Everybody who has to know asks here.
pub struct Admins {
    stores: StoreFactory,
    clock: Clock,
    pulse: Pulse,
    held: ArcSwapOption<Reading>,
    /// Who administered when that was last known, and when that was.
    /// The generation grows with a change while this is held, so that what was read before it is not stored after it.
    formerly: std::sync::Mutex<Option<(BTreeSet<WorkerId>, Timestamp)>>,
    /// Readings begun. One is under way at a time: whoever has the lock makes it.
    begun: AtomicU64,
    /// The number of the last that came to an end.
    ended: AtomicU64,
    reading: Mutex<()>,
    /// When a worker's credential was last replaced, of those that a feed told of.
    reissued: ArcSwap<OrdMap<WorkerId, Timestamp>>,
}

impl Admins {
    pub(super) fn new(stores: StoreFactory, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            stores,
            clock,
            pulse: Pulse::default(),
            held: ArcSwapOption::empty(),
            formerly: std::sync::Mutex::default(),
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            reading: Mutex::default(),
            reissued: ArcSwap::default(),
        })
    }

    /// Whether a worker administers, as of now.
    ///
    /// # Errors
    /// Why it cannot be known: nobody administers then.
    pub async fn contains(&self, worker: &WorkerId) -> Result<bool, Unavailability> {
        let reading = self.present().await;
        let workers = reading.workers.as_ref().map_err(Unavailability::clone)?;
        Ok(workers.contains(worker))
    }

    /// Until when a worker is known to have administered: at least then it did. No decision about the present is made
    /// from it; what was known then may be shown to who might have seen it then.
    pub fn last_known_admin_at(&self, worker: &WorkerId) -> Option<Timestamp> {
        let former = self.former();
        let (workers, at) = former.as_ref()?;
        workers.contains(worker).then_some(*at)
    }

    /// Whether the worker's credential was replaced at `instant` or later, as far as a feed told.
    pub fn is_credential_reissued_since(&self, worker: &WorkerId, instant: Timestamp) -> bool {
        self.reissued.load().get(worker).is_some_and(|at| *at >= instant)
    }

    /// A number that is the same only while the deployment's workers and groups are, as far as anybody can tell; none
    /// while no push feed stands that would tell of a change, or while it has something untold.
    pub fn membership_generation(&self) -> Option<u64> {
        let is_told = self.pulse.is_told.load(Ordering::SeqCst);
        let generation = self.pulse.generation.load(Ordering::SeqCst);
        is_told.then_some(generation)
    }

    /// A feed stands from now on.
    pub(super) fn watched(self: &Arc<Self>) -> Watching {
        self.pulse.grow();
        Watching(self.clone())
    }

    fn reissued(&self, worker: WorkerId) {
        let mut known = OrdMap::clone(&self.reissued.load());
        if known.len() >= REISSUED
            && let Some((oldest, _)) = known.iter().min_by_key(|(_, at)| at.instant())
        {
            let oldest = oldest.clone();
            known.remove(&oldest);
        }
        known.insert(worker, self.clock.now());
        self.reissued.store(Arc::new(known));
    }

    /// Keeps what is held as what was known when the feed was last heard, if it was the present until then.
    fn remember(&self) {
        let Some(held) = self.held.load_full() else { return };
        let mut former = self.former();
        let is_same = held.generation == self.pulse.generation.load(Ordering::SeqCst);
        if let (true, Ok(workers)) = (is_same, &held.workers) {
            let heard = Timestamp::from_millisecond(self.pulse.heard.load(Ordering::SeqCst));
            *former = Some((workers.clone(), heard.max(held.asked_at)));
        }
    }

    /// What was read is what is held from now on.
    fn hold(&self, reading: Arc<Reading>) {
        match &reading.workers {
            Ok(workers) => {
                let mut former = self.former();
                if reading.generation == self.pulse.generation.load(Ordering::SeqCst) {
                    *former = Some((workers.clone(), reading.asked_at));
                }
            }
            // A failure takes the place of what was good until now.
            Err(_) => self.remember(),
        }
        let number = reading.number;
        self.held.store(Some(reading));
        self.ended.store(number, Ordering::SeqCst);
    }

    fn former(&self) -> MutexGuard<'_, Option<(BTreeSet<WorkerId>, Timestamp)>> {
        // It is whole at every step, so a panic elsewhere does not spoil it.
        self.formerly.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn present(&self) -> Arc<Reading> {
        if let Some(held) = self.usable() {
            return held;
        }
        let (ended, begun) = (self.ended.load(Ordering::SeqCst), self.begun.load(Ordering::SeqCst));
        let _turn = self.reading.lock().await;
        if let Some(held) = self.usable() {
            return held;
        }
        if let Some(held) = self.held.load_full() {
            // Begun after this caller asked, it is as good as one of its own. A failure is also shared with those who
            // came while it was under way, so that they do not wait for a silent server one after the other.
            if held.number > begun || (held.workers.is_err() && held.number > ended) {
                return held;
            }
        }
        let reading = Arc::new(self.read().await);
        self.hold(reading.clone());
        reading
    }

    /// What is held, if it is the present.
    fn usable(&self) -> Option<Arc<Reading>> {
        let is_told = self.pulse.is_told.load(Ordering::SeqCst);
        let held = self.held.load_full().filter(|held| held.workers.is_ok())?;
        let age = self.clock.now().instant().duration_since(held.asked_at.instant());
        let is_young = age.unsigned_abs() < READ_THROUGH;
        let is_same = held.generation == self.pulse.generation.load(Ordering::SeqCst);
        (is_same && (is_told || is_young)).then_some(held)
    }

    async fn read(&self) -> Reading {
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let generation = self.pulse.generation.load(Ordering::SeqCst);
        let asked_at = self.clock.now();
        Reading {
            number,
            generation,
            asked_at,
            workers: self.asked().await,
        }
    }

    async fn asked(&self) -> Result<BTreeSet<WorkerId>, Unavailability> {
        let (server, registry) = self.registry()?;
        let answer = tokio::time::timeout(PATIENCE, registry.groups()).await;
        let groups = answer.unwrap_or(Err(ClientError::TimedOut));
        let groups = groups.map_err(|error| Unavailability::of(server, &error))?;
        Ok(workers_of(&groups, NAME))
    }

    /// The registry whose `admins` it is. The control plane tells its groups to the admin token only.
    fn registry(&self) -> Result<(Server, RegistryClient), Unavailability> {
        let unasked = |message: &str| Unavailability {
            kind: UnavailabilityKind::NoCredential,
            message: message.to_owned(),
        };
        if self.stores.has_control_plane() {
            let control = self.stores.control_admin();
            let registry = control.map(|control| (Server::ControlPlane, control.registry()));
            return registry.ok_or_else(|| {
                unasked("the console has no admin token of the control plane, and its groups are told to nobody else")
            });
        }
        let experiment = self.stores.default_experiment().and_then(|id| self.stores.worker(id));
        let registry = experiment.map(|experiment| (Server::TaskStore, experiment.registry()));
        registry.ok_or_else(|| unasked("the console knows no experiment whose groups it could read"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Options;
    use crate::lifecycle::Tasks;
    use tempfile::TempDir;

    fn admins() -> (Arc<Admins>, Clock, TempDir) {
        let clock = Clock::manual("2026-01-02T03:04:05Z".parse().expect("an instant"));
        let scratch = tempfile::tempdir().expect("a directory");
        let options = Options::single_server("http://127.0.0.1:9", "secret".into(), scratch.path().to_owned());
        let stores = StoreFactory::new(options.expect("an address"), clock.clone(), Tasks::new()).expect("a client");
        (Admins::new(stores, clock.clone()), clock, scratch)
    }

    const WORKER: &str = "wkr_00000000000000000000000001";

    fn worker() -> WorkerId {
        WORKER.parse().expect("an id")
    }

    /// A reading of now.
    fn reading(admins: &Admins, workers: Result<BTreeSet<WorkerId>, Unavailability>) -> Arc<Reading> {
        Arc::new(Reading {
            number: admins.begun.fetch_add(1, Ordering::SeqCst) + 1,
            generation: admins.pulse.generation.load(Ordering::SeqCst),
            asked_at: admins.clock.now(),
            workers,
        })
    }

    /// Puts a reading in place as if it had just been made.
    fn read(admins: &Admins) {
        admins.hold(reading(admins, Ok(BTreeSet::new())));
    }

    #[test]
    fn what_was_read_before_a_change_is_not_remembered_after_it() {
        let (admins, _, _scratch) = admins();
        let watching = admins.watched();
        let before = reading(&admins, Ok([worker()].into()));
        watching.changed();
        admins.hold(before);
        assert_eq!(
            admins.last_known_admin_at(&worker()),
            None,
            "who administered before may not have since"
        );
        let after = reading(&admins, Ok([worker()].into()));
        admins.hold(after.clone());
        assert_eq!(admins.last_known_admin_at(&worker()), Some(after.asked_at));
    }

    #[test]
    fn a_failure_does_not_make_what_was_known_until_then_forgotten() {
        let (admins, clock, _scratch) = admins();
        let watching = admins.watched();
        admins.hold(reading(&admins, Ok([worker()].into())));
        watching.caught_up();
        clock.advance(Duration::from_secs(600));
        watching.heard(clock.now());
        watching.busy();
        let failed = Unavailability::of(Server::ControlPlane, &ClientError::TimedOut);
        admins.hold(reading(&admins, Err(failed)));
        drop(watching);
        assert_eq!(admins.last_known_admin_at(&worker()), Some(clock.now()));
    }

    #[test]
    fn without_a_feed_a_list_is_good_for_a_moment() {
        let (admins, clock, _scratch) = admins();
        assert!(admins.usable().is_none());
        read(&admins);
        clock.advance(READ_THROUGH - Duration::from_millis(1));
        assert!(admins.usable().is_some());
        clock.advance(Duration::from_millis(1));
        assert!(admins.usable().is_none());
    }

    #[test]
    fn a_list_is_good_for_as_long_as_the_feed_that_would_tell_of_a_change() {
        let (admins, clock, _scratch) = admins();
        read(&admins);
        let watching = admins.watched();
        assert!(admins.usable().is_none(), "read before anybody watched");
        read(&admins);
        watching.caught_up();
        clock.advance(READ_THROUGH * 1000);
        assert!(admins.usable().is_some());
        watching.busy();
        assert!(admins.usable().is_none(), "something may wait unread");
        watching.caught_up();
        assert!(admins.usable().is_some(), "and it was something else");
        watching.changed();
        assert!(admins.usable().is_none());
        read(&admins);
        drop(watching);
        assert!(admins.usable().is_none(), "even a young one: the feed broke");
    }

    #[test]
    fn notices_of_experiments_and_leases_change_nobodys_role() {
        let (admins, clock, _scratch) = admins();
        let watching = admins.watched();
        watching.caught_up();
        let worker = "wkr_00000000000000000000000001";
        let notice = |kind: &str| {
            watching.noticed(&Notice {
                kind: kind.to_owned(),
                id: worker.to_owned(),
                revision: 1,
            });
        };
        let begun = clock.now();
        let is_out = || admins.is_credential_reissued_since(&worker.parse().expect("an id"), begun);
        for (kind, is_kept) in [
            ("lease.acquired", true),
            ("experiment.registered", true),
            ("group.changed", false),
            ("worker.registered", false),
        ] {
            read(&admins);
            notice(kind);
            assert_eq!(admins.usable().is_some(), is_kept, "{kind}");
        }
        assert!(!is_out());
        clock.advance(Duration::from_secs(1));
        notice("worker.credential_reissued");
        assert!(is_out());
        clock.advance(Duration::from_millis(1));
        assert!(!admins.is_credential_reissued_since(&worker.parse().expect("an id"), clock.now()));
    }

    #[tokio::test]
    async fn nobody_administers_while_it_cannot_be_known() {
        let (admins, _, _scratch) = admins();
        let worker = "wkr_00000000000000000000000001".parse().expect("an id");
        let unavailability = admins.contains(&worker).await.expect_err("nothing listens there");
        assert_eq!(unavailability.kind, UnavailabilityKind::Unreachable);
        assert!(admins.usable().is_none(), "a failure is nothing to go by");
    }
}
