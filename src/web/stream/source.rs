//! The sources of a stream: one experiment, or the whole fleet.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::live::{Mirror, Revisions, Topic, Viewer};
use crate::protocol::ExperimentId;
use crate::web::console::Console;
use crate::web::parts::experiments_list::ExperimentsList;

/// The page of experiments summarises many of them; nobody reads it faster than once a second.
pub(super) const FLEET_INTERVAL: Duration = Duration::from_secs(1);

/// Something whose changes a stream sends.
pub(super) trait Source: Send + 'static {
    /// A topic to send with every change of the registry.
    const REGISTRY_TOPIC: Option<Topic>;
    /// Waits for a change; false when there will be no more.
    fn changed(&mut self) -> impl Future<Output = bool> + Send;
    /// The topics that changed since the last call, and the revision they lead to.
    fn take_changes(&mut self) -> (u64, Vec<Topic>);
}

pub(super) struct ExperimentSource {
    revisions: watch::Receiver<Revisions>,
    sent: u64,
    _viewer: Viewer,
}

impl ExperimentSource {
    /// The changes of an experiment after revision `sent`.
    pub fn new(mirror: &Arc<Mirror>, sent: u64) -> Self {
        Self {
            revisions: mirror.subscribe(),
            sent,
            _viewer: mirror.viewer(),
        }
    }
}

impl Source for ExperimentSource {
    const REGISTRY_TOPIC: Option<Topic> = None;

    async fn changed(&mut self) -> bool {
        self.revisions.changed().await.is_ok()
    }

    fn take_changes(&mut self) -> (u64, Vec<Topic>) {
        let revisions = *self.revisions.borrow_and_update();
        let topics = revisions.changed_since(self.sent).collect();
        self.sent = revisions.current();
        (self.sent, topics)
    }
}

/// The changes of a page of the deployment. Only the page of experiments shows any experiment, and it follows those that
/// it shows.
pub(super) struct FleetSource {
    console: Arc<Console>,
    fleet: watch::Receiver<u64>,
    /// The list that the page shows a part of; none on other pages.
    list: Option<ExperimentsList>,
    sent: u64,
    /// The revisions of the fleet and of the registry that were looked at last.
    seen: Option<(u64, u64)>,
    shown: Vec<ExperimentId>,
    /// How many of those shown had a mirror, and so figures.
    known: usize,
    /// What is shown is followed while the page is open.
    _viewers: Vec<Viewer>,
}

impl FleetSource {
    /// The changes of the fleet after revision `sent` that a page with this list shows.
    pub fn new(console: Arc<Console>, list: Option<ExperimentsList>, sent: u64) -> Self {
        Self {
            fleet: console.live.fleet(),
            console,
            list,
            sent,
            seen: None,
            shown: Vec::new(),
            known: 0,
            _viewers: Vec::new(),
        }
    }

    /// Whether the page shows anything else since the last look, or the next look has more to follow. The registry has a
    /// topic of its own, so what follows from a change of it alone does not count.
    fn look(&mut self, list: &ExperimentsList, fleet: u64, registry: u64) -> bool {
        let live = &self.console.live;
        let (seen_fleet, seen_registry) = self.seen.unwrap_or_default();
        let is_first = self.seen.is_none();
        let mut is_reordered = false;
        if is_first || seen_registry != registry || (list.by.is_of_mirrors() && seen_fleet != fleet) {
            let view = live.peek_registry().view();
            let shown = list.shown(&view, live, self.console.repos.as_ref());
            let shown: Vec<_> = shown.rows.iter().map(|row| row.id.clone()).collect();
            is_reordered = !is_first && self.shown != shown;
            self.shown = shown;
        }
        self._viewers = live.follow(&self.shown).iter().map(|mirror| mirror.viewer()).collect();
        let mirrors: Vec<_> = self.shown.iter().filter_map(|id| live.existing_mirror(id)).collect();
        let is_fewer = mirrors.len() < self.known;
        self.known = mirrors.len();
        // A change that decides the order may have come before the first look.
        let deciding = match is_first && list.by.is_of_mirrors() {
            true => live.followed_mirrors(),
            false => mirrors,
        };
        is_reordered || is_fewer || deciding.iter().any(|mirror| mirror.fleet_revision() > self.sent)
    }
}

impl Source for FleetSource {
    /// The badge of a deployment page shows the registry's freshness.
    const REGISTRY_TOPIC: Option<Topic> = Some(Topic::Freshness);

    async fn changed(&mut self) -> bool {
        self.fleet.changed().await.is_ok()
    }

    fn take_changes(&mut self) -> (u64, Vec<Topic>) {
        let fleet = *self.fleet.borrow_and_update();
        let registry = self.console.live.peek_registry().view().revision;
        let is_changed = match self.list.take() {
            Some(list) if self.seen != Some((fleet, registry)) => {
                let is_changed = self.look(&list, fleet, registry);
                self.list = Some(list);
                is_changed
            }
            list => {
                self.list = list;
                false
            }
        };
        self.seen = Some((fleet, registry));
        self.sent = fleet;
        (fleet, if is_changed { vec![Topic::Activity] } else { vec![] })
    }
}
