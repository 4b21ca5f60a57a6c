//! One mirror per experiment that anybody looks at, started on the first view and stopped some time
//! after the last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tracing::debug;

use super::admins::Admins;
use super::details::Details;
use super::follow::{Follower, Noticed, follow};
use super::freshness::Freshness;
use super::mirror::{Mirror, Phase, Writer};
use super::probe::Prober;
use super::registry::{Hosting, Registry};
use super::registry_feed::RegistryFeed;
use super::revision::Epoch;
use super::trouble::{Trouble, TroubleKind};
use crate::access::StoreFactory;
use crate::client::ExperimentClient;
use crate::clock::Clock;
use crate::configs::ConfigSource;
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
    pub idle: Duration,
    /// How many mirrors are kept at most; beyond, the least recently viewed go first.
    pub mirrors: usize,
    /// The longest wait before a broken feed is tried again.
    pub retry_cap: Duration,
    /// How often the registry is read where the control plane does not push.
    pub registry_every: Duration,
}

impl Options {
    /// The longest wait before a broken feed is tried again, where nothing else is wanted. Pages are to be live within
    /// 5 s of a server's return, and a refused connection costs next to nothing.
    pub const RETRY_CAP: Duration = Duration::from_secs(4);
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
    /// What mirrors and pages saw change.
    noticed: mpsc::UnboundedSender<Noticed>,
}

const DETAILS: usize = 4096;

impl Live {
    /// Starts following the registry.
    pub fn start(options: Options) -> Self {
        let registry = Registry::new(&options.clock);
        let admins = Admins::new(options.stores.clone(), options.clock.clone());
        let (changed, changes) = mpsc::unbounded_channel();
        let (noticed, notices) = mpsc::unbounded_channel();
        let (looks, to_look_at) = mpsc::unbounded_channel();
        let (find, found) = mpsc::unbounded_channel();
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
            every: options.registry_every,
            retry_cap: options.retry_cap,
            changed,
            noticed: notices,
        };
        let tasks = options.tasks.clone();
        let live = Self(Arc::new(Hub {
            epoch: Epoch::fresh(),
            options,
            registry,
            admins,
            details: Details::new(DETAILS),
            mirrors: Mutex::default(),
            fleet: Arc::new(watch::Sender::new(0)),
            noticed,
        }));
        tasks.spawn("probes", prober.run(to_look_at, find, tasks.stopping()));
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
    pub fn unanswered(&self) -> Option<Trouble> {
        let stores = &self.0.options.stores;
        let freshness = match (stores.has_control_plane(), stores.default_experiment()) {
            (false, Some(alone)) => self.existing_mirror(alone)?.view().freshness.clone(),
            _ => self.0.registry.view().freshness.clone(),
        };
        match freshness {
            Freshness::Stale { trouble, .. } if trouble.kind == TroubleKind::Unreachable => Some(trouble),
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

    /// The mirror of an experiment, followed from now on if it was not.
    pub fn mirror(&self, id: &ExperimentId) -> Arc<Mirror> {
        let Options {
            stores,
            configs,
            clock,
            tasks,
            retry_cap,
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
                        admins: self.is_alone(id).then(|| self.0.admins.clone()),
                        retry_cap: *retry_cap,
                        noticed: self.0.noticed.clone(),
                    };
                    tasks.spawn("mirror", follow(follower, writer));
                }
                None => {
                    // Nobody asks: there is no address to ask at.
                    writer.without(Phase::Elsewhere, *retry_cap);
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
    pub fn followed(&self) -> Vec<Arc<Mirror>> {
        let mut mirrors: Vec<_> = self.mirrors().values().cloned().collect();
        mirrors.sort_by(|a, b| a.experiment().cmp(b.experiment()));
        mirrors
    }

    /// The registry as it is known, without looking at it.
    pub fn registry_unlooked(&self) -> &Registry {
        &self.0.registry
    }

    /// The mirrors of every hosted experiment, the newest as many as are kept at all, followed from now on.
    pub fn hosted(&self) -> Vec<Arc<Mirror>> {
        let view = self.0.registry.view();
        let hosted = view
            .rows
            .iter()
            .rev()
            .filter(|(_, row)| matches!(row.hosting, Hosting::Hosted(_)));
        hosted
            .take(self.0.options.mirrors)
            .map(|(id, _)| self.mirror(id))
            .collect()
    }

    /// Asks for an experiment's entry to be read again now, since somebody knows that it changed.
    pub fn look_again(&self, id: &ExperimentId) {
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
        let mut sweep = tokio::time::interval(self.0.options.idle.max(Duration::from_secs(2)) / 2);
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                Some(id) = changes.recv() => {
                    if let Some(mirror) = self.existing_mirror(&id) {
                        mirror.poke();
                    }
                }
                _ = sweep.tick() => self.sweep(),
            }
        }
    }

    fn sweep(&self) {
        let Options {
            clock,
            idle,
            mirrors: limit,
            ..
        } = &self.0.options;
        let mut mirrors = self.mirrors();
        let before = mirrors.len();
        mirrors.retain(|_, mirror| {
            let keep = !mirror.is_idle(clock, *idle);
            if !keep {
                mirror.stop();
            }
            keep
        });
        if mirrors.len() > *limit {
            let mut by_age: Vec<_> = mirrors
                .values()
                .filter(|m| m.is_idle(clock, Duration::ZERO))
                .cloned()
                .collect();
            by_age.sort_by_key(|mirror| mirror.last_viewed_ms());
            for mirror in by_age.into_iter().take(mirrors.len() - *limit) {
                mirror.stop();
                mirrors.remove(mirror.experiment());
            }
        }
        if mirrors.len() < before {
            // Pages that summed them up must look again, and so follow them again.
            self.0.fleet.send_modify(|fleet| *fleet += 1);
            debug!(
                mirrors = mirrors.len(),
                ended = before - mirrors.len(),
                "ended mirrors nobody looks at"
            );
        }
    }
}
