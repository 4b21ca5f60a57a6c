//! [`Live`]: what pages hold to read everything else in `live`. It starts the background tasks, and a mirror on the
//! first view of its experiment.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tracing::warn;

use super::admins::Admins;
use super::details::Details;
use super::follow::{Follower, follow};
use super::freshness::Freshness;
use super::mirror::{Mirror, MirrorWriter, Phase};
use super::mirror_budget::MirrorBudget;
use super::mirror_set::MirrorSet;
use super::registry::{Hosting, Prober, RefreshRequest, Registry, RegistryFeed, RegistryWriter};
use super::revision::Epoch;
use super::saved::{SnapshotSaver, SnapshotStore};
use super::unavailability::{Unavailability, UnavailabilityKind};
use crate::access::StoreFactory;
use crate::client::ExperimentClient;
use crate::clock::Clock;
use crate::experiment_configs::ConfigSource;
use crate::lifecycle::Tasks;
use crate::protocol::ExperimentId;

/// Memory of the entities that are cached for detail pages, in bytes.
const DETAIL_BYTES: u64 = 64 * 1024 * 1024;
/// The most mirrors that [`Live::follow`] starts at once.
const MAX_STARTED_AT_ONCE: usize = 4;

/// What [`Live`] needs to start.
pub struct Options {
    /// Clients of the servers, with the console's credentials.
    pub stores: StoreFactory,
    /// Configurations of experiments whose task store does not serve them.
    pub configs: ConfigSource,
    /// Time of day.
    pub clock: Clock,
    /// Where background tasks are started.
    pub tasks: Tasks,
    /// How long after its last view a mirror is kept.
    pub idle_timeout: Duration,
    /// The most mirrors that are kept. Beyond, the least recently viewed are evicted; a mirror in use stays.
    pub max_mirrors: usize,
    /// The most memory of all mirrors together, in bytes. Beyond, the same holds.
    pub max_mirror_bytes: u64,
    /// The longest wait before a broken feed is retried.
    pub max_retry_delay: Duration,
    /// The directory where snapshots are saved for the next start; only its owner can read it. None: they are not
    /// saved.
    pub snapshot_dir: Option<PathBuf>,
    /// The interval between reads of the registry of a control plane that does not push.
    pub registry_poll_interval: Duration,
}

impl Options {
    /// The usual `max_retry_delay`. Pages shall be live within 5 s of a server's return, and a refused connection costs
    /// next to nothing.
    pub const MAX_RETRY_DELAY: Duration = Duration::from_secs(4);
}

/// The pages' handle on everything that is known. Cheap to clone.
#[derive(Clone)]
pub struct Live(Arc<Inner>);

struct Inner {
    options: Options,
    epoch: Epoch,
    registry: Arc<Registry>,
    admins: Arc<Admins>,
    details: Details,
    mirrors: Arc<MirrorSet>,
    snapshot_store: Option<SnapshotStore>,
    /// What mirrors and pages ask the registry's feed to read again.
    refresh_requests: mpsc::UnboundedSender<RefreshRequest>,
}

impl Live {
    /// Starts following the registry.
    pub fn start(options: Options) -> Self {
        let (changed, registry_changes) = mpsc::unbounded_channel();
        let (refresh_requests, refreshes) = mpsc::unbounded_channel();
        let (probes, probe_requests) = mpsc::unbounded_channel();
        let (probe_results, probed) = mpsc::unbounded_channel();
        let (ended, ended_mirrors) = mpsc::unbounded_channel();
        let snapshot_store = open_snapshot_store(&options);
        let registry = Registry::new(options.clock.now());
        let admins = Admins::new(options.stores.clone(), options.clock.clone());
        let budget = MirrorBudget {
            max_mirrors: options.max_mirrors,
            max_bytes: options.max_mirror_bytes,
        };
        let mirrors = MirrorSet::new(options.clock.clone(), options.idle_timeout, budget, ended);
        let prober = Prober {
            stores: options.stores.clone(),
            configs: options.configs.clone(),
        };
        let feed = RegistryFeed {
            writer: RegistryWriter {
                registry: registry.clone(),
                stores: options.stores.clone(),
                clock: options.clock.clone(),
                probes,
                changed,
                probed_down_to: None,
            },
            admins: admins.clone(),
            probed,
            refresh_requests: refreshes,
            snapshot_store: snapshot_store.clone(),
            poll_interval: options.registry_poll_interval,
            max_retry_delay: options.max_retry_delay,
        };
        let tasks = &options.tasks;
        tasks.spawn("probes", prober.run(probe_requests, probe_results, tasks.stopping()));
        if let Some(store) = snapshot_store.clone() {
            let saver = SnapshotSaver::new(mirrors.clone(), registry.clone(), store, ended_mirrors);
            tasks.spawn("snapshots", saver.run(tasks.stopping()));
        }
        tasks.spawn("registry", feed.run(tasks.stopping()));
        tasks.spawn("mirrors", mirrors.clone().maintain(registry_changes, tasks.stopping()));
        Self(Arc::new(Inner {
            options,
            epoch: Epoch::random(),
            registry,
            admins,
            details: Details::new(DETAIL_BYTES),
            mirrors,
            snapshot_store,
            refresh_requests,
        }))
    }

    /// The registry of experiments. Asking for it counts as a view.
    pub fn registry(&self) -> &Arc<Registry> {
        self.0.registry.usage.touch(self.0.options.clock.now());
        &self.0.registry
    }

    /// The registry, without a view of it.
    pub fn peek_registry(&self) -> &Registry {
        &self.0.registry
    }

    /// Asks for an experiment's entry to be read again now, because it changed.
    pub fn refresh_registry_entry(&self, id: &ExperimentId) {
        // A closed receiver means that the process is stopping.
        let _ = self.0.refresh_requests.send(RefreshRequest::Entry(id.clone()));
    }

    /// Who administers.
    pub fn admins(&self) -> &Admins {
        &self.0.admins
    }

    /// Why the server that knows who administers is known to be unreachable, if it is.
    pub fn admins_outage(&self) -> Option<Unavailability> {
        let stores = &self.0.options.stores;
        let freshness = match (stores.has_control_plane(), stores.default_experiment()) {
            (false, Some(only)) => self.existing_mirror(only)?.view().freshness.clone(),
            _ => self.0.registry.view().freshness.clone(),
        };
        match freshness {
            Freshness::Stale { cause, .. } if cause.kind == UnavailabilityKind::Unreachable => Some(cause),
            _ => None,
        }
    }

    /// Whole entities for detail pages.
    pub fn details(&self) -> &Details {
        &self.0.details
    }

    /// A number that is incremented whenever any mirror changes.
    pub fn fleet(&self) -> watch::Receiver<u64> {
        self.0.mirrors.fleet().subscribe()
    }

    /// Identifies the lifetime of this process. The numbers of [`Live::fleet`] mean nothing in another.
    pub fn epoch(&self) -> Epoch {
        self.0.epoch
    }

    /// The mirror of an experiment that a person asked for a page of. It is followed from now on.
    pub fn mirror(&self, id: &ExperimentId) -> Arc<Mirror> {
        let mirror = self.mirror_for_open_page(id);
        mirror.record_page_request(self.0.options.clock.now());
        mirror
    }

    /// The same for a request that an open page makes by itself. It keeps the mirror followed. But perhaps nobody looks
    /// at the page, so what is only read when a person asks (workers and groups without push) is not read for it.
    pub fn mirror_for_open_page(&self, id: &ExperimentId) -> Arc<Mirror> {
        self.0.mirrors.view(id, || self.start_mirror(id))
    }

    fn start_mirror(&self, id: &ExperimentId) -> Arc<Mirror> {
        let options = &self.0.options;
        let stop = options.tasks.stopping().child_token();
        let mirror = Mirror::new(id.clone(), options.clock.now(), stop);
        let writer = MirrorWriter::new(mirror.clone(), self.0.mirrors.fleet().clone(), options.clock.clone());
        let Some(client) = self.client(id) else {
            // Without an address nothing is asked.
            writer.unhosted(Phase::Elsewhere, options.max_retry_delay);
            return mirror;
        };
        let follower = Follower {
            client,
            stores: options.stores.clone(),
            configs: options.configs.clone(),
            snapshot_store: self.0.snapshot_store.clone(),
            admins: self.has_deployment_groups(id).then(|| self.0.admins.clone()),
            max_retry_delay: options.max_retry_delay,
            refresh_requests: self.0.refresh_requests.clone(),
        };
        options.tasks.spawn("mirror", follow(follower, writer));
        mirror
    }

    /// The mirror of an experiment, if it is followed.
    pub fn existing_mirror(&self, id: &ExperimentId) -> Option<Arc<Mirror>> {
        self.0.mirrors.get(id)
    }

    /// The mirrors that are followed now, by experiment. Asking does not count as a view.
    pub fn followed_mirrors(&self) -> Vec<Arc<Mirror>> {
        self.0.mirrors.all()
    }

    /// Follows those of the experiments that are hosted, in their order, as far as the limits on mirrors allow, and
    /// answers their mirrors.
    ///
    /// The memory of a mirror is known only after its first list. So a few are started at a time, and only once no
    /// mirror waits for its first list. [`Live::fleet`] changes with each list; a caller that then asks again gets
    /// more.
    pub fn follow<'i>(&self, experiments: impl IntoIterator<Item = &'i ExperimentId>) -> Vec<Arc<Mirror>> {
        let options = &self.0.options;
        let view = self.0.registry.view();
        let is_hosted = |id: &&ExperimentId| {
            let row = view.rows.get(*id);
            row.is_some_and(|row| matches!(row.hosting, Hosting::Hosted(_)))
        };
        let hosted = experiments.into_iter().filter(is_hosted);
        let followed = self.followed_mirrors();
        let weight: u64 = followed.iter().map(|mirror| mirror.weight() as u64).sum();
        let may_start =
            weight < options.max_mirror_bytes && !followed.iter().any(|mirror| mirror.view().is_connecting());
        let mut startable = if may_start { MAX_STARTED_AT_ONCE } else { 0 };
        let mut mirrors = Vec::new();
        for id in hosted.take(options.max_mirrors) {
            if self.existing_mirror(id).is_none() {
                if startable == 0 {
                    continue;
                }
                startable -= 1;
            }
            mirrors.push(self.mirror_for_open_page(id));
        }
        mirrors
    }

    /// The client to read an experiment as the console's own worker. None when there is no address for it.
    pub fn client(&self, id: &ExperimentId) -> Option<ExperimentClient> {
        self.0.options.stores.worker(id)
    }

    /// Whether the experiment's groups are the deployment's, because there is no control plane.
    fn has_deployment_groups(&self, id: &ExperimentId) -> bool {
        let stores = &self.0.options.stores;
        !stores.has_control_plane() && stores.default_experiment() == Some(id)
    }
}

fn open_snapshot_store(options: &Options) -> Option<SnapshotStore> {
    let directory = options.snapshot_dir.clone()?;
    let control_plane = options.stores.control_plane().map(str::to_owned);
    match SnapshotStore::open(directory.clone(), control_plane) {
        Ok(store) => Some(store),
        Err(error) => {
            warn!(path = %directory.display(), %error, "snapshots are not saved: the directory cannot be used");
            None
        }
    }
}
