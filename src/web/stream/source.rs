//! The sources of a stream: one experiment, or the whole fleet.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::live::{Live, Mirror, Revisions, Topic, Viewer};

/// The page of experiments summarises all of them; nobody reads it faster than once a second.
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

pub(super) struct FleetSource {
    fleet: watch::Receiver<u64>,
    registry: watch::Receiver<u64>,
    sent: u64,
    live: Live,
    /// The page summarises every hosted experiment, so all of them are followed while it is open.
    viewers: Vec<Viewer>,
    /// The revisions of the fleet and of the registry that `viewers` were taken at.
    viewed: Option<(u64, u64)>,
}

impl FleetSource {
    /// The changes of the fleet after revision `sent`.
    pub fn new(live: &Live, sent: u64) -> Self {
        Self {
            fleet: live.fleet(),
            registry: live.peek_registry().subscribe(),
            sent,
            live: live.clone(),
            viewers: Vec::new(),
            viewed: None,
        }
    }
}

impl Source for FleetSource {
    /// The badge of a deployment page shows the registry's freshness.
    const REGISTRY_TOPIC: Option<Topic> = Some(Topic::Freshness);

    async fn changed(&mut self) -> bool {
        self.fleet.changed().await.is_ok()
    }

    fn take_changes(&mut self) -> (u64, Vec<Topic>) {
        let revision = *self.fleet.borrow_and_update();
        let position = (revision, *self.registry.borrow_and_update());
        if self.viewed.replace(position) != Some(position) {
            self.viewers = self.live.follow_hosted().iter().map(|mirror| mirror.viewer()).collect();
        }
        let topics = if revision == self.sent {
            vec![]
        } else {
            vec![Topic::Activity]
        };
        self.sent = revision;
        (revision, topics)
    }
}
