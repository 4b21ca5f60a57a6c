//! Who administers: the members of the groups named `admins`, of the deployment or, without a control plane, of the one
//! experiment.
//!
//! A decision is never made from a list that may be stale. A list that was read is used again only while a push feed
//! that would signal a change is connected and has nothing unread; otherwise it is used for a moment, and then read
//! again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use imbl::OrdMap;
use parking_lot::Mutex;

use super::atomic_timestamp::AtomicTimestamp;
use super::group_closure::workers_of;
use super::unavailability::{Server, Unavailability, UnavailabilityKind};
use crate::access::StoreFactory;
use crate::client::{ClientError, RegistryClient};
use crate::clock::Clock;
use crate::protocol::{Notice, Timestamp, WorkerId};

/// The name of the groups that carry the authority (`ch08 §9.3`).
const GROUP_NAME: &str = "admins";
/// How long a page waits for the list.
const READ_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a list may be used without a feed that would signal a change.
const MAX_AGE_WITHOUT_FEED: Duration = Duration::from_secs(2);
/// The most workers whose reissued credentials are remembered.
const MAX_REISSUED: usize = 4096;

/// What the push feed says of the groups. Read `is_caught_up` before `generation`: a feed that breaks in between has
/// incremented the generation by then.
#[derive(Debug)]
struct FeedState {
    /// Whether a push feed is connected and has nothing unread.
    is_caught_up: AtomicBool,
    /// Incremented whenever anything may have changed.
    generation: AtomicU64,
    /// When the feed last confirmed that everything had been received.
    last_heard: AtomicTimestamp,
}

/// One read of the groups.
struct MembershipRead {
    /// Counts the reads.
    number: u64,
    /// The generation before the groups were asked for.
    generation: u64,
    started_at: Timestamp,
    workers: Result<BTreeSet<WorkerId>, Unavailability>,
}

/// The administrators when they were last known, and when that was.
type LastKnownAdministrators = Option<(BTreeSet<WorkerId>, Timestamp)>;

/// Who administers. Every decision asks here.
pub struct Admins {
    stores: StoreFactory,
    clock: Clock,
    feed: FeedState,
    last_read: ArcSwapOption<MembershipRead>,
    /// The generation is compared, and incremented by a change, while this is locked. So a read from before a change is
    /// never stored here after it.
    last_known: Mutex<LastKnownAdministrators>,
    /// The number of reads that were started. The lock below allows one at a time.
    started: AtomicU64,
    /// The number of the last read that finished.
    finished: AtomicU64,
    reading: tokio::sync::Mutex<()>,
    /// When credentials of workers were last reissued, as far as a feed signalled it.
    reissued: ArcSwap<OrdMap<WorkerId, Timestamp>>,
}

impl Admins {
    pub(super) fn new(stores: StoreFactory, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            stores,
            feed: FeedState {
                is_caught_up: AtomicBool::new(false),
                generation: AtomicU64::new(0),
                last_heard: AtomicTimestamp::new(clock.now()),
            },
            clock,
            last_read: ArcSwapOption::empty(),
            last_known: Mutex::default(),
            started: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            reading: tokio::sync::Mutex::default(),
            reissued: ArcSwap::default(),
        })
    }

    /// Whether a worker administers now.
    ///
    /// # Errors
    /// Why it cannot be known. Nobody administers then.
    pub async fn contains(&self, worker: &WorkerId) -> Result<bool, Unavailability> {
        let read = self.current_read().await;
        let workers = read.workers.as_ref().map_err(Unavailability::clone)?;
        Ok(workers.contains(worker))
    }

    /// The last instant at which a worker is known to have administered. It decides nothing about the present; what was
    /// known at that instant may be shown to the worker, who could have seen it then.
    pub fn last_known_admin_at(&self, worker: &WorkerId) -> Option<Timestamp> {
        let last_known = self.last_known.lock();
        let (workers, at) = last_known.as_ref()?;
        workers.contains(worker).then_some(*at)
    }

    /// Whether a feed signalled that the worker's credential was reissued at `instant` or later.
    pub fn is_credential_reissued_since(&self, worker: &WorkerId, instant: Timestamp) -> bool {
        self.reissued.load().get(worker).is_some_and(|at| *at >= instant)
    }

    /// A number that changes whenever the deployment's workers or groups may have changed. None while no push feed that
    /// would signal a change is connected, or while it has something unread.
    pub fn membership_generation(&self) -> Option<u64> {
        let is_caught_up = self.feed.is_caught_up.load(Ordering::SeqCst);
        let generation = self.generation();
        is_caught_up.then_some(generation)
    }

    /// A push feed is connected, for as long as the guard lives.
    pub(super) fn feed_opened(self: &Arc<Self>) -> FeedGuard {
        self.increment_generation();
        FeedGuard(self.clone())
    }

    fn generation(&self) -> u64 {
        self.feed.generation.load(Ordering::SeqCst)
    }

    fn increment_generation(&self) {
        self.feed.generation.fetch_add(1, Ordering::SeqCst);
    }

    fn record_reissue(&self, worker: WorkerId) {
        let mut reissued = OrdMap::clone(&self.reissued.load());
        if reissued.len() >= MAX_REISSUED
            && let Some((oldest, _)) = reissued.iter().min_by_key(|(_, at)| at.instant())
        {
            let oldest = oldest.clone();
            reissued.remove(&oldest);
        }
        reissued.insert(worker, self.clock.now());
        self.reissued.store(Arc::new(reissued));
    }

    /// Remembers the last read as known until the feed was last heard, if it was current until then.
    fn remember(&self) {
        let Some(read) = self.last_read.load_full() else { return };
        let mut last_known = self.last_known.lock();
        let is_unchanged = read.generation == self.generation();
        if let (true, Ok(workers)) = (is_unchanged, &read.workers) {
            *last_known = Some((workers.clone(), self.feed.last_heard.get().max(read.started_at)));
        }
    }

    /// Stores a read that has finished.
    fn store(&self, read: Arc<MembershipRead>) {
        match &read.workers {
            Ok(workers) => {
                let mut last_known = self.last_known.lock();
                if read.generation == self.generation() {
                    *last_known = Some((workers.clone(), read.started_at));
                }
            }
            // A failure replaces a read that was good until now.
            Err(_) => self.remember(),
        }
        let number = read.number;
        self.last_read.store(Some(read));
        self.finished.store(number, Ordering::SeqCst);
    }

    async fn current_read(&self) -> Arc<MembershipRead> {
        if let Some(read) = self.usable_read() {
            return read;
        }
        let finished = self.finished.load(Ordering::SeqCst);
        let started = self.started.load(Ordering::SeqCst);
        let _turn = self.reading.lock().await;
        if let Some(read) = self.usable_read() {
            return read;
        }
        if let Some(read) = self.last_read.load_full() {
            // A read that was started after this call is as good as one of its own. A failure is also shared with the
            // calls that came while it was under way, so that they do not wait for a silent server one after another.
            if read.number > started || (read.workers.is_err() && read.number > finished) {
                return read;
            }
        }
        let read = Arc::new(self.read().await);
        self.store(read.clone());
        read
    }

    /// The last read, if it may be used now.
    fn usable_read(&self) -> Option<Arc<MembershipRead>> {
        let is_caught_up = self.feed.is_caught_up.load(Ordering::SeqCst);
        let read = self.last_read.load_full().filter(|read| read.workers.is_ok())?;
        let age = self.clock.now().instant().duration_since(read.started_at.instant());
        let is_recent = age.unsigned_abs() < MAX_AGE_WITHOUT_FEED;
        let is_unchanged = read.generation == self.generation();
        (is_unchanged && (is_caught_up || is_recent)).then_some(read)
    }

    async fn read(&self) -> MembershipRead {
        MembershipRead {
            number: self.started.fetch_add(1, Ordering::SeqCst) + 1,
            generation: self.generation(),
            started_at: self.clock.now(),
            workers: self.read_workers().await,
        }
    }

    async fn read_workers(&self) -> Result<BTreeSet<WorkerId>, Unavailability> {
        let (server, registry) = self.registry()?;
        let answer = tokio::time::timeout(READ_TIMEOUT, registry.groups()).await;
        let groups = answer.unwrap_or(Err(ClientError::TimedOut));
        let groups = groups.map_err(|error| Unavailability::of(server, &error))?;
        Ok(workers_of(&groups, GROUP_NAME))
    }

    /// The registry that has the groups. The control plane shows its groups to the admin token only.
    fn registry(&self) -> Result<(Server, RegistryClient), Unavailability> {
        let no_credential = |message: &str| Unavailability {
            kind: UnavailabilityKind::NoCredential,
            message: message.to_owned(),
        };
        if self.stores.has_control_plane() {
            let control = self.stores.control_admin();
            let registry = control.map(|control| (Server::ControlPlane, control.registry()));
            return registry.ok_or_else(|| {
                no_credential(
                    "the console has no admin token of the control plane, and its groups are told to nobody else",
                )
            });
        }
        let experiment = self.stores.default_experiment().and_then(|id| self.stores.worker(id));
        let registry = experiment.map(|experiment| (Server::TaskStore, experiment.registry()));
        registry.ok_or_else(|| no_credential("the console knows no experiment whose groups it could read"))
    }
}

/// A connected push feed that signals changes of workers and groups. Dropping it means that the feed broke.
pub(super) struct FeedGuard(Arc<Admins>);

impl FeedGuard {
    /// A group or a worker changed, or may have.
    pub(super) fn invalidate(&self) {
        // Who administered before may have stopped to at any time until now.
        let mut last_known = self.0.last_known.lock();
        *last_known = None;
        self.0.increment_generation();
    }

    /// Applies what a notice of the feed means for who administers.
    pub(super) fn apply_notice(&self, notice: &Notice) {
        if notice.kind.starts_with("group.") || notice.kind.starts_with("worker.") {
            self.invalidate();
        }
        if let ("worker.credential_reissued", Ok(worker)) = (notice.kind.as_str(), notice.id.parse()) {
            self.0.record_reissue(worker);
        }
    }

    /// Everything that the feed sent so far has been handled.
    pub(super) fn set_caught_up(&self) {
        self.0.feed.is_caught_up.store(true, Ordering::SeqCst);
    }

    /// Something is being handled; what the feed sends meanwhile waits unread.
    pub(super) fn set_busy(&self) {
        self.0.feed.is_caught_up.store(false, Ordering::SeqCst);
    }

    /// The feed sent a heartbeat, and everything before it has been handled.
    pub(super) fn heard(&self) {
        self.0.feed.last_heard.set(self.0.clock.now());
    }
}

impl Drop for FeedGuard {
    fn drop(&mut self) {
        self.0.remember();
        self.set_busy();
        self.0.increment_generation();
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

    fn worker() -> WorkerId {
        "wkr_00000000000000000000000001".parse().expect("an id")
    }

    /// A read that starts now.
    fn read(admins: &Admins, workers: Result<BTreeSet<WorkerId>, Unavailability>) -> Arc<MembershipRead> {
        Arc::new(MembershipRead {
            number: admins.started.fetch_add(1, Ordering::SeqCst) + 1,
            generation: admins.generation(),
            started_at: admins.clock.now(),
            workers,
        })
    }

    /// Stores a read of nobody that starts and finishes now.
    fn store_read(admins: &Admins) {
        admins.store(read(admins, Ok(BTreeSet::new())));
    }

    #[test]
    fn a_read_from_before_a_change_is_not_remembered_after_it() {
        let (admins, _, _scratch) = admins();
        let guard = admins.feed_opened();
        let before = read(&admins, Ok([worker()].into()));
        guard.invalidate();
        admins.store(before);
        assert_eq!(
            admins.last_known_admin_at(&worker()),
            None,
            "who administered before may not have since"
        );
        let after = read(&admins, Ok([worker()].into()));
        admins.store(after.clone());
        assert_eq!(admins.last_known_admin_at(&worker()), Some(after.started_at));
    }

    #[test]
    fn a_failed_read_keeps_what_was_known_until_then() {
        let (admins, clock, _scratch) = admins();
        let guard = admins.feed_opened();
        admins.store(read(&admins, Ok([worker()].into())));
        guard.set_caught_up();
        clock.advance(Duration::from_secs(600));
        guard.heard();
        guard.set_busy();
        let failed = Unavailability::of(Server::ControlPlane, &ClientError::TimedOut);
        admins.store(read(&admins, Err(failed)));
        drop(guard);
        assert_eq!(admins.last_known_admin_at(&worker()), Some(clock.now()));
    }

    #[test]
    fn without_a_feed_a_read_is_usable_for_a_moment() {
        let (admins, clock, _scratch) = admins();
        assert!(admins.usable_read().is_none());
        store_read(&admins);
        clock.advance(MAX_AGE_WITHOUT_FEED - Duration::from_millis(1));
        assert!(admins.usable_read().is_some());
        clock.advance(Duration::from_millis(1));
        assert!(admins.usable_read().is_none());
    }

    #[test]
    fn a_read_is_usable_for_as_long_as_the_feed_would_signal_a_change() {
        let (admins, clock, _scratch) = admins();
        store_read(&admins);
        let guard = admins.feed_opened();
        assert!(admins.usable_read().is_none(), "read before the feed was connected");
        store_read(&admins);
        guard.set_caught_up();
        clock.advance(MAX_AGE_WITHOUT_FEED * 1000);
        assert!(admins.usable_read().is_some());
        guard.set_busy();
        assert!(admins.usable_read().is_none(), "a change may wait unread");
        guard.set_caught_up();
        assert!(admins.usable_read().is_some(), "it was no change of a group");
        guard.invalidate();
        assert!(admins.usable_read().is_none());
        store_read(&admins);
        drop(guard);
        assert!(admins.usable_read().is_none(), "even a recent read: the feed broke");
    }

    #[test]
    fn notices_of_experiments_and_leases_change_nobodys_role() {
        let (admins, clock, _scratch) = admins();
        let guard = admins.feed_opened();
        guard.set_caught_up();
        let notice = |kind: &str| {
            guard.apply_notice(&Notice {
                kind: kind.to_owned(),
                id: worker().to_string(),
                revision: 1,
            });
        };
        let start = clock.now();
        for (kind, is_kept) in [
            ("lease.acquired", true),
            ("experiment.registered", true),
            ("group.changed", false),
            ("worker.registered", false),
        ] {
            store_read(&admins);
            notice(kind);
            assert_eq!(admins.usable_read().is_some(), is_kept, "{kind}");
        }
        assert!(!admins.is_credential_reissued_since(&worker(), start));
        clock.advance(Duration::from_secs(1));
        notice("worker.credential_reissued");
        assert!(admins.is_credential_reissued_since(&worker(), start));
        clock.advance(Duration::from_millis(1));
        assert!(!admins.is_credential_reissued_since(&worker(), clock.now()));
    }

    #[tokio::test]
    async fn nobody_administers_while_it_cannot_be_known() {
        let (admins, _, _scratch) = admins();
        let cause = admins.contains(&worker()).await.expect_err("nothing listens there");
        assert_eq!(cause.kind, UnavailabilityKind::Unreachable);
        assert!(admins.usable_read().is_none(), "a failure is never used again");
    }
}
