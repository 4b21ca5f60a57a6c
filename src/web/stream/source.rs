//! What is followed: an experiment, or all of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::live::{Live, Mirror, Revisions, Topic, Viewer};

/// A change after a quiet spell is told at once; those that follow within this time are told together.
const GATHER: Duration = Duration::from_millis(40);
/// The dashboard's rows summarise every experiment; once a second is as often as an eye can use.
const FLEET_GATHER: Duration = Duration::from_secs(1);

/// Something whose changes have names.
pub(super) trait Source: Send + 'static {
    const GATHER: Duration;
    /// What else a change of the registry means.
    const OF_REGISTRY: Option<Topic>;
    /// Waits for a change; false when there will be none any more.
    fn changed(&mut self) -> impl Future<Output = bool> + Send;
    /// The topics not yet told, and the revision they lead to.
    fn untold(&mut self) -> (u64, Vec<Topic>);
}

pub(super) struct ExperimentSource {
    revisions: watch::Receiver<Revisions>,
    told: u64,
    _viewer: Viewer,
}

impl ExperimentSource {
    /// What changes in an experiment after revision `told`.
    pub fn new(mirror: &Arc<Mirror>, told: u64) -> Self {
        Self {
            revisions: mirror.subscribe(),
            told,
            _viewer: mirror.viewer(),
        }
    }
}

impl Source for ExperimentSource {
    const GATHER: Duration = GATHER;
    const OF_REGISTRY: Option<Topic> = None;

    async fn changed(&mut self) -> bool {
        self.revisions.changed().await.is_ok()
    }

    fn untold(&mut self) -> (u64, Vec<Topic>) {
        let revisions = *self.revisions.borrow_and_update();
        let topics = revisions.changed_since(self.told).collect();
        self.told = revisions.current();
        (self.told, topics)
    }
}

pub(super) struct FleetSource {
    fleet: watch::Receiver<u64>,
    registry: watch::Receiver<u64>,
    told: u64,
    live: Live,
    /// The page sums up every hosted experiment, so all of them are looked at while it is open.
    viewers: Vec<Viewer>,
    /// Of which revisions of the fleet and of the registry they are.
    viewed: Option<(u64, u64)>,
}

impl FleetSource {
    /// That anything changes in the fleet after revision `told`.
    pub fn new(live: &Live, told: u64) -> Self {
        Self {
            fleet: live.fleet(),
            registry: live.peek_registry().subscribe(),
            told,
            live: live.clone(),
            viewers: Vec::new(),
            viewed: None,
        }
    }
}

impl Source for FleetSource {
    const GATHER: Duration = FLEET_GATHER;
    /// The badge of a deployment page tells the registry's freshness.
    const OF_REGISTRY: Option<Topic> = Some(Topic::Freshness);

    async fn changed(&mut self) -> bool {
        self.fleet.changed().await.is_ok()
    }

    fn untold(&mut self) -> (u64, Vec<Topic>) {
        let revision = *self.fleet.borrow_and_update();
        let position = (revision, *self.registry.borrow_and_update());
        if self.viewed.replace(position) != Some(position) {
            self.viewers = self.live.follow_hosted().iter().map(|mirror| mirror.viewer()).collect();
        }
        let topics = if revision == self.told {
            vec![]
        } else {
            vec![Topic::Activity]
        };
        self.told = revision;
        (revision, topics)
    }
}
