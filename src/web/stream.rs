//! The browser's event streams: they name what changed, and the page refetches it.
//!
//! A stream compares revisions instead of queueing changes, so a reader however slow costs one pending
//! comparison and is told each topic once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use poem::handler;
use poem::web::sse::{Event, SSE};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::console::Console;
use super::context::{Context, Watched};
use super::query::Query;
use super::session::SignedIn;
use crate::live::{Epoch, Live, RegistryViewer, Revisions, Viewer};

/// The browser holds a stream that has not beaten for 3 s for broken.
const BEAT: Duration = Duration::from_secs(1);
/// A change after a quiet spell is told at once; those that follow within this time are told together.
const GATHER: Duration = Duration::from_millis(40);
/// The dashboard's rows summarise every experiment; once a second is as often as an eye can use.
const FLEET_GATHER: Duration = Duration::from_secs(1);

/// The position in what is known from which a page was drawn, as it stands in `?since=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Since {
    /// Which life of the mirror, or of the process on pages of the deployment.
    pub epoch: Epoch,
    /// The mirror's revision, or the fleet's.
    pub revision: u64,
    /// The registry's revision.
    pub registry: u64,
}

impl std::fmt::Display for Since {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}-{}", self.epoch, self.revision, self.registry)
    }
}

impl Since {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let since = Self {
            epoch: parts.next()?.parse().ok()?,
            revision: parts.next()?.parse().ok()?,
            registry: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(since)
    }
}

/// `GET /x/{E}/live`: what changes in one experiment, and in the registry.
#[handler]
pub(crate) async fn experiment(watched: Watched, request: &poem::Request) -> SSE {
    let Watched { context, mirror, .. } = watched;
    let since = since(request, mirror.epoch());
    let source = ExperimentSource {
        revisions: mirror.subscribe(),
        told: since.map_or(0, |since| since.revision),
        _viewer: mirror.viewer(),
    };
    topics(&context, source, mirror.epoch(), since)
}

/// `GET /live`: that anything changed anywhere, at most once a second.
#[handler]
pub(crate) async fn fleet(context: Context, request: &poem::Request) -> SSE {
    let epoch = context.live().epoch();
    let since = since(request, epoch);
    let told = since.map_or(0, |since| since.revision);
    let source = FleetSource {
        fleet: context.live().fleet(),
        told,
        live: context.live().clone(),
        viewers: Vec::new(),
    };
    topics(&context, source, epoch, since)
}

/// `Last-Event-ID` is where a reconnecting browser was; `since` is where the page was drawn. A position in another
/// life is none, and whoever has none is told everything.
fn since(request: &poem::Request, epoch: Epoch) -> Option<Since> {
    let resumed = request.header("last-event-id").and_then(Since::parse);
    let drawn = || Query::of(request.uri().path_and_query()?.as_str()).take("since", Since::parse);
    resumed.or_else(drawn).filter(|since| since.epoch == epoch)
}

/// Something whose changes have names.
trait Source: Send + 'static {
    const GATHER: Duration;
    /// What else a change of the registry means.
    const OF_REGISTRY: Option<&'static str>;
    /// Waits for a change; false when there will be none any more.
    fn changed(&mut self) -> impl Future<Output = bool> + Send;
    /// The topics not yet told, and the revision they lead to.
    fn untold(&mut self) -> (u64, Vec<&'static str>);
}

struct ExperimentSource {
    revisions: watch::Receiver<Revisions>,
    told: u64,
    _viewer: Viewer,
}

impl Source for ExperimentSource {
    const GATHER: Duration = GATHER;
    const OF_REGISTRY: Option<&'static str> = None;

    async fn changed(&mut self) -> bool {
        self.revisions.changed().await.is_ok()
    }

    fn untold(&mut self) -> (u64, Vec<&'static str>) {
        let revisions = *self.revisions.borrow_and_update();
        let topics = revisions.changed_since(self.told).map(|topic| topic.name()).collect();
        self.told = revisions.current();
        (self.told, topics)
    }
}

struct FleetSource {
    fleet: watch::Receiver<u64>,
    told: u64,
    live: Live,
    /// The page sums up every hosted experiment, so all of them are looked at while it is open.
    viewers: Vec<Viewer>,
}

impl Source for FleetSource {
    const GATHER: Duration = FLEET_GATHER;
    /// The badge of a deployment page tells the registry's freshness.
    const OF_REGISTRY: Option<&'static str> = Some("freshness");

    async fn changed(&mut self) -> bool {
        self.fleet.changed().await.is_ok()
    }

    fn untold(&mut self) -> (u64, Vec<&'static str>) {
        self.viewers = self.live.hosted().iter().map(|mirror| mirror.viewer()).collect();
        let revision = *self.fleet.borrow_and_update();
        let topics = if revision == self.told {
            vec![]
        } else {
            vec!["activity"]
        };
        self.told = revision;
        (revision, topics)
    }
}

struct Follower<S> {
    source: S,
    console: Arc<Console>,
    signed_in: SignedIn,
    epoch: Epoch,
    registry: watch::Receiver<u64>,
    registry_told: u64,
    /// An open page keeps the registry read where it has to be asked for.
    _looks: RegistryViewer,
    beat: Interval,
    /// When topics were last told.
    told_at: Option<Instant>,
    first: bool,
}

impl<S: Source> Follower<S> {
    /// Waits until there is something to say, and says all of it.
    async fn next(mut self) -> Option<(Vec<Event>, Self)> {
        let mut beat = false;
        if !std::mem::take(&mut self.first) {
            tokio::select! {
                // First, so that a busy stream beats on time.
                biased;
                _ = self.beat.tick() => {
                    // The session may have ended since; the page says so when it comes back and is refused.
                    if !self.console.sessions.is_good(&self.signed_in).await {
                        return None;
                    }
                    beat = true;
                }
                more = self.source.changed() => {
                    if !more {
                        return None;
                    }
                    if let Some(told_at) = self.told_at {
                        tokio::time::sleep_until(told_at + S::GATHER).await;
                    }
                }
                more = self.registry.changed() => {
                    if more.is_err() {
                        return None;
                    }
                }
            }
        }
        let (revision, mut topics) = self.source.untold();
        let registry = *self.registry.borrow_and_update();
        if registry != self.registry_told {
            topics.push("registry");
            topics.extend(S::OF_REGISTRY);
        }
        self.registry_told = registry;
        if !topics.is_empty() {
            self.told_at = Some(Instant::now());
        }
        let id = Since {
            epoch: self.epoch,
            revision,
            registry,
        }
        .to_string();
        let mut events: Vec<Event> = topics
            .into_iter()
            .map(|topic| Event::message(revision.to_string()).event_type(topic).id(&id))
            .collect();
        if beat || events.is_empty() {
            events.push(Event::message(revision.to_string()).event_type("beat").id(&id));
        }
        Some((events, self))
    }
}

fn topics<S: Source>(context: &Context, source: S, epoch: Epoch, since: Option<Since>) -> SSE {
    let mut beat = tokio::time::interval_at(Instant::now() + BEAT, BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let follower = Follower {
        source,
        console: context.console.clone(),
        signed_in: context.signed_in.clone(),
        epoch,
        registry: context.live().registry().subscribe(),
        registry_told: since.map_or(u64::MAX, |since| since.registry),
        _looks: context.live().registry().viewer(),
        beat,
        told_at: None,
        first: true,
    };
    let events = stream::unfold(follower, Follower::next).flat_map(stream::iter);
    // A stream that never ends would hold up shutdown for its whole grace.
    SSE::new(events.take_until(context.console.tasks.stopping().cancelled_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_reads_back_and_refuses_the_rest() {
        let mirror = Since {
            epoch: "1f".parse().expect("an epoch"),
            revision: 7,
            registry: 0,
        };
        assert_eq!(mirror.to_string(), "1f-7-0");
        assert_eq!(Since::parse("1f-7-0"), Some(mirror));
        for text in ["", "fleet", "1f-7", "1f-7-0-1", "zz-1-1", "1f--1"] {
            assert_eq!(Since::parse(text), None, "{text}");
        }
    }
}
