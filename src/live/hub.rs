//! One mirror per experiment that anybody looks at, started on the first view and stopped some time
//! after the last.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tracing::{debug, warn};

use super::admins::Admins;
use super::details::Details;
use super::follow::{Follower, Noticed, follow};
use super::freshness::Freshness;
use super::mirror::{Mirror, Phase, Writer};
use super::probe::Prober;
use super::registry::{Hosting, Registry};
use super::registry_feed::RegistryFeed;
use super::revision::Epoch;
use super::room::{LOOK, Occupant, Room};
use super::saved::{Keeper, Shelf};
use super::unavailability::{Unavailability, UnavailabilityKind};
use crate::access::StoreFactory;
use crate::client::ExperimentClient;
use crate::clock::Clock;
use crate::experiment_configs::ConfigSource;
use crate::lifecycle::Tasks;
use crate::protocol::ExperimentId;

/// What [`Live`] needs to start.
pub struct Options {
    /// Who reads, and where.
    pub stores: StoreFactory,
    /// Configurations of experiments whose task store does not tell them.
    pub configs: ConfigSource,
    /// Time of day.
    pub clock: Clock,
    /// Where its tasks belong.
    pub tasks: Tasks,
    /// How long a mirror is kept after the last view.
    pub idle_timeout: Duration,
    /// How many mirrors are kept at most; beyond, the least recently viewed go first. One that somebody looks at stays.
    pub max_mirrors: usize,
    /// What all mirrors together may take in memory, in bytes; beyond, the same holds.
    pub max_mirror_bytes: u64,
    /// The longest wait before a broken feed is tried again.
    pub max_retry_delay: Duration,
    /// Where what is known is kept for the next life of the process; only its owner can read it. None: nowhere.
    pub snapshot_dir: Option<PathBuf>,
    /// How often the registry is read where the control plane does not push.
    pub registry_poll_interval: Duration,
}

impl Options {
    /// The longest wait before a broken feed is tried again, where nothing else is wanted. Pages are to be live within
    /// 5 s of a server's return, and a refused connection costs next to nothing.
    pub const MAX_RETRY_DELAY: Duration = Duration::from_secs(4);
}

/// The pages' handle on everything that is known. Cheap to clone.
#[derive(Clone)]
pub struct Live(Arc<Hub>);

struct Hub {
    options: Options,
    epoch: Epoch,
    registry: Arc<Registry>,
    admins: Arc<Admins>,
    details: Details,
    /// Held only to look up, insert or remove; never across an await.
    mirrors: Mutex<HashMap<ExperimentId, Arc<Mirror>>>,
    fleet: Arc<watch::Sender<u64>>,
    shelf: Option<Shelf>,
    /// Mirrors that ended, to be kept.
    ended: mpsc::UnboundedSender<Arc<Mirror>>,
    /// What mirrors and pages saw change.
    noticed: mpsc::UnboundedSender<Noticed>,
}

/// Bytes of whole entities that are kept for detail pages.
const DETAIL_BYTES: u64 = 64 * 1024 * 1024;
/// Mirrors of the fleet that are listed for the first time at once.
const AT_ONCE: usize = 4;
/// The longest time between two looks at which mirrors are still wanted.
const SWEEP: Duration = Duration::from_secs(15);

impl Live {
    /// Starts following the registry.
    pub fn start(options: Options) -> Self {
        let registry = Registry::new(&options.clock);
        let admins = Admins::new(options.stores.clone(), options.clock.clone());
        let (changed, changes) = mpsc::unbounded_channel();
        let (noticed, notices) = mpsc::unbounded_channel();
        let (looks, to_look_at) = mpsc::unbounded_channel();
        let (find, found) = mpsc::unbounded_channel();
        let (ended, endings) = mpsc::unbounded_channel();
        let shelf = options.snapshot_dir.clone().and_then(|directory| {
            let opened = Shelf::open(directory.clone(), options.stores.control_plane().map(str::to_owned));
            let said = |error: &io::Error| {
                warn!(path = %directory.display(), %error, "nothing is kept over a restart: the directory cannot be used");
            };
            opened.inspect_err(said).ok()
        });
        let prober = Prober {
            stores: options.stores.clone(),
            configs: options.configs.clone(),
        };
        let feed = RegistryFeed {
            registry: registry.clone(),
            admins: admins.clone(),
            stores: options.stores.clone(),
            looks,
            found,
            clock: options.clock.clone(),
            every: options.registry_poll_interval,
            max_retry_delay: options.max_retry_delay,
            changed,
            noticed: notices,
            shelf: shelf.clone(),
        };
        let tasks = options.tasks.clone();
        let live = Self(Arc::new(Hub {
            epoch: Epoch::fresh(),
            options,
            registry,
            admins,
            details: Details::new(DETAIL_BYTES),
            mirrors: Mutex::default(),
            fleet: Arc::new(watch::Sender::new(0)),
            noticed,
            shelf: shelf.clone(),
            ended,
        }));
        tasks.spawn("probes", prober.run(to_look_at, find, tasks.stopping()));
        if let Some(shelf) = shelf {
            tasks.spawn(
                "keeper",
                Keeper::new(live.clone(), shelf, endings).run(tasks.stopping()),
            );
        }
        tasks.spawn("registry", feed.follow(tasks.stopping()));
        tasks.spawn("mirror-keeper", live.clone().keep(changes));
        live
    }

    /// The registry of experiments. Asking for it is looking at it.
    pub fn registry(&self) -> &Arc<Registry> {
        self.0.registry.touch(&self.0.options.clock);
        &self.0.registry
    }

    /// Who administers.
    pub fn admins(&self) -> &Admins {
        &self.0.admins
    }

    /// Why the server that tells who administers is known not to answer, if it is.
    pub fn admins_outage(&self) -> Option<Unavailability> {
        let stores = &self.0.options.stores;
        let freshness = match (stores.has_control_plane(), stores.default_experiment()) {
            (false, Some(alone)) => self.existing_mirror(alone)?.view().freshness.clone(),
            _ => self.0.registry.view().freshness.clone(),
        };
        match freshness {
            Freshness::Stale { cause, .. } if cause.kind == UnavailabilityKind::Unreachable => Some(cause),
            _ => None,
        }
    }

    /// Whole entities.
    pub fn details(&self) -> &Details {
        &self.0.details
    }

    /// Grows whenever any mirror changes.
    pub fn fleet(&self) -> watch::Receiver<u64> {
        self.0.fleet.subscribe()
    }

    /// The mirror of an experiment that somebody asks for a page of, followed from now on if it was not.
    pub fn mirror(&self, id: &ExperimentId) -> Arc<Mirror> {
        let mirror = self.mirror_for_open_page(id);
        mirror.asked(&self.0.options.clock);
        mirror
    }

    /// The same for what an open page asks for by itself. That keeps the mirror; yet nobody need be there, and so what is
    /// read on being viewed only is not read.
    pub fn mirror_for_open_page(&self, id: &ExperimentId) -> Arc<Mirror> {
        let Options {
            stores,
            configs,
            clock,
            tasks,
            max_retry_delay,
            ..
        } = &self.0.options;
        let mut mirrors = self.mirrors();
        let mirror = mirrors.entry(id.clone()).or_insert_with(|| {
            let mirror = Mirror::new(id.clone(), clock, tasks.stopping().child_token());
            let writer = Writer::new(mirror.clone(), self.0.fleet.clone(), clock.clone());
            match self.client(id) {
                Some(client) => {
                    let follower = Follower {
                        client,
                        stores: stores.clone(),
                        configs: configs.clone(),
                        shelf: self.0.shelf.clone(),
                        admins: self.is_alone(id).then(|| self.0.admins.clone()),
                        max_retry_delay: *max_retry_delay,
                        noticed: self.0.noticed.clone(),
                    };
                    tasks.spawn("mirror", follow(follower, writer));
                }
                None => {
                    // Nobody asks: there is no address to ask at.
                    writer.without(Phase::Elsewhere, *max_retry_delay);
                }
            }
            mirror
        });
        mirror.touch(clock);
        mirror.clone()
    }

    /// The mirror of an experiment, if it is followed already.
    pub fn existing_mirror(&self, id: &ExperimentId) -> Option<Arc<Mirror>> {
        self.mirrors().get(id).cloned()
    }

    /// The mirrors that are followed now, by experiment. Asking is not looking at them.
    pub fn followed_mirrors(&self) -> Vec<Arc<Mirror>> {
        let mut mirrors: Vec<_> = self.mirrors().values().cloned().collect();
        mirrors.sort_by(|a, b| a.experiment().cmp(b.experiment()));
        mirrors
    }

    /// The registry as it is known, without looking at it.
    pub fn peek_registry(&self) -> &Registry {
        &self.0.registry
    }

    /// The mirrors of every hosted experiment, followed from now on: the newest as many as are kept at all, and of those
    /// that were not followed before, as many as there is room for. What they weigh is known once they are listed, and
    /// so they are followed a few at a time; the fleet grows as each is listed, and whoever asks then gets more.
    pub fn follow_hosted(&self) -> Vec<Arc<Mirror>> {
        let Options {
            max_mirrors,
            max_mirror_bytes,
            ..
        } = &self.0.options;
        let view = self.0.registry.view();
        let hosted = view
            .rows
            .iter()
            .rev()
            .filter(|(_, row)| matches!(row.hosting, Hosting::Hosted(_)));
        let followed = self.followed_mirrors();
        let weight: u64 = followed.iter().map(|mirror| mirror.weight() as u64).sum();
        let has_room = weight < *max_mirror_bytes && !followed.iter().any(|mirror| mirror.view().is_arriving());
        let mut more = if has_room { AT_ONCE } else { 0 };
        let mut all = Vec::new();
        for (id, _) in hosted.take(*max_mirrors) {
            if self.existing_mirror(id).is_none() {
                if more == 0 {
                    continue;
                }
                more -= 1;
            }
            all.push(self.mirror_for_open_page(id));
        }
        all
    }

    /// Asks for an experiment's entry to be read again now, since somebody knows that it changed.
    pub fn refresh_registry_entry(&self, id: &ExperimentId) {
        // A receiver that is gone means the process is stopping.
        let _ = self.0.noticed.send(Noticed::Changed(id.clone()));
    }

    /// This process's life; the fleet's revisions mean nothing in another.
    pub fn epoch(&self) -> Epoch {
        self.0.epoch
    }

    /// The client to read an experiment through: the console's own worker. None when there is no address for it.
    pub fn client(&self, id: &ExperimentId) -> Option<ExperimentClient> {
        self.0.options.stores.worker(id)
    }

    /// Whether the experiment is all there is: its groups are the deployment's.
    fn is_alone(&self, id: &ExperimentId) -> bool {
        let stores = &self.0.options.stores;
        !stores.has_control_plane() && stores.default_experiment() == Some(id)
    }

    fn mirrors(&self) -> MutexGuard<'_, HashMap<ExperimentId, Arc<Mirror>>> {
        // The map is whole at every step, so a panic elsewhere does not spoil it.
        self.0.mirrors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes mirrors whose experiment changed in the registry, and ends those nobody looks at.
    async fn keep(self, mut changes: mpsc::UnboundedReceiver<ExperimentId>) {
        let stopping = self.0.options.tasks.stopping();
        let mut sweep = tokio::time::interval((self.0.options.idle_timeout.max(Duration::from_secs(2)) / 2).min(SWEEP));
        let mut fleet = self.fleet();
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                Some(id) = changes.recv() => {
                    if let Some(mirror) = self.existing_mirror(&id) {
                        mirror.wake();
                    }
                }
                // A mirror that grows makes room at once, not only when it is looked around again.
                Ok(()) = fleet.changed() => self.make_room(),
                _ = sweep.tick() => self.sweep(),
            }
        }
    }

    /// Ends the mirrors that nobody looked at for long, and those there is no room for.
    fn sweep(&self) {
        let Options {
            clock, idle_timeout, ..
        } = &self.0.options;
        let mirrors = self.mirrors();
        let idle: Vec<_> = mirrors
            .values()
            .filter(|mirror| mirror.is_idle(clock, *idle_timeout))
            .cloned()
            .collect();
        self.end(mirrors, idle.iter().map(|mirror| mirror.experiment()));
        self.make_room();
    }

    /// Ends mirrors until those that are left are few and light enough.
    fn make_room(&self) {
        let Options {
            clock,
            max_mirrors,
            max_mirror_bytes,
            ..
        } = &self.0.options;
        let room = Room {
            mirrors: *max_mirrors,
            bytes: *max_mirror_bytes,
        };
        let mirrors = self.mirrors();
        let occupants = mirrors.values().map(|mirror| Occupant {
            id: mirror.experiment().clone(),
            bytes: mirror.weight() as u64,
            viewed: mirror.last_viewed_ms(),
            is_looked_at: !mirror.is_idle(clock, LOOK),
        });
        let excess = room.excess(occupants.collect());
        self.end(mirrors, &excess);
    }

    fn end<'a>(
        &self,
        mut mirrors: MutexGuard<'_, HashMap<ExperimentId, Arc<Mirror>>>,
        ids: impl IntoIterator<Item = &'a ExperimentId>,
    ) {
        let before = mirrors.len();
        for mirror in ids.into_iter().filter_map(|id| mirrors.remove(id)) {
            mirror.stop();
            // Nobody receives where nothing is kept.
            let _ = self.0.ended.send(mirror);
        }
        let left = mirrors.len();
        drop(mirrors);
        if left < before {
            // Pages that summed them up must look again, and so follow them again.
            self.0.fleet.send_modify(|fleet| *fleet += 1);
            debug!(mirrors = left, ended = before - left, "ended mirrors nobody looks at");
        }
    }
}
