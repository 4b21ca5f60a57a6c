//! The browser's event streams: they name the topics that changed, and the page refetches their regions.
//!
//! Changes are sent in batches, each as one frame: `event:changed` with the names of all topics as data, or `event:resync`,
//! which stands for every topic. The first change is sent at once. `event:beat` says that the stream is alive.
//!
//! A stream compares revisions instead of queueing changes, so a slow reader costs no memory and gets each topic once.
//! The [listener](crate::listener) closes the connection of a reader that stops reading; the browser reconnects and
//! resumes at its position.

mod batching;
pub(crate) mod position;
mod source;

use std::fmt::Write as _;
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use poem::http::header;
use poem::{Body, Response, handler};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, sleep_until};

use crate::live::{Epoch, Topic, Viewer};
use crate::web::auth::SignedIn;
use crate::web::console::Console;
use crate::web::parts::experiments_list::ExperimentsList;
use crate::web::request::{Active, Context, Query};

use batching::Batching;
use position::StreamPosition;
use source::{ExperimentSource, FLEET_INTERVAL, FleetSource, Source};

/// The browser takes a stream without a heartbeat for 3 s as broken.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// The browser's delay before it reconnects, in milliseconds. Random, so that a console that restarts is not overrun;
/// short enough that the browser is back before it takes the stream as broken.
const RETRY_MS: RangeInclusive<u32> = 500..=1000;

/// `GET /x/{E}/live`: the topics that change in one experiment, and changes of the registry.
#[handler]
pub(crate) fn experiment(active: Active, request: &poem::Request) -> Response {
    let epoch = active.mirror.epoch();
    let since = StreamPosition::requested(request, epoch);
    let source = ExperimentSource::new(&active.mirror, since.map_or(0, |since| since.revision));
    let intervals = active.context.console.batch_intervals.clone();
    answer(&active.context, source, intervals, epoch, since)
}

/// `GET /live`: that anything changed that a page of the deployment shows, at most once a second. `experiments` is the query
/// of the page of experiments.
#[handler]
pub(crate) fn fleet(context: &Context, request: &poem::Request) -> Response {
    let epoch = context.live().epoch();
    let since = StreamPosition::requested(request, epoch);
    let mut query = Query::of(&context.htmx.page_url);
    let list = query.take("experiments", |query| Some(ExperimentsList::of_query(query)));
    let source = FleetSource::new(context.console.clone(), list, since.map_or(0, |since| since.revision));
    answer(context, source, FLEET_INTERVAL..=FLEET_INTERVAL, epoch, since)
}

/// The state of one open stream.
struct EventStream<S> {
    source: S,
    console: Arc<Console>,
    signed_in: SignedIn,
    epoch: Epoch,
    registry: watch::Receiver<u64>,
    registry_sent: u64,
    /// While a page is open, the registry is polled where it cannot be pushed.
    _registry_viewer: Viewer,
    heartbeat: Interval,
    batching: Batching,
    /// When the last frame was sent.
    sent_at: Instant,
    /// Taken by the first batch.
    start: Option<Start>,
}

/// How a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// With the topics that changed since a position in this epoch.
    Resumed,
    /// With `resync`, everything may have changed, since there is no such position.
    Resync,
}

impl<S: Source> EventStream<S> {
    /// Waits until there is something to send, and sends all of it.
    async fn next(mut self) -> Option<(io::Result<String>, Self)> {
        let start = self.start.take();
        if start.is_none() && !self.wait().await {
            return None;
        }
        self.sent_at = Instant::now();
        let (revision, mut topics) = self.source.take_changes();
        let registry = *self.registry.borrow_and_update();
        if registry != self.registry_sent {
            topics.push(Topic::Registry);
            topics.extend(S::REGISTRY_TOPIC);
        }
        self.registry_sent = registry;
        let names: Vec<_> = topics.into_iter().map(Topic::name).collect();
        let (event, data) = match start {
            Some(Start::Resync) => ("resync", String::new()),
            _ if names.is_empty() => ("beat", String::new()),
            _ => ("changed", names.join(" ")),
        };
        if event != "beat" {
            self.batching.sent(self.sent_at);
        }
        let position = StreamPosition {
            epoch: self.epoch,
            revision,
            registry,
        };
        let mut frames = String::new();
        if start.is_some() {
            // Within the frame that follows, because the browser's reader drops a frame that holds nothing else.
            let retry = rand::random_range(RETRY_MS);
            // Writing to a String cannot fail.
            let _ = writeln!(frames, "retry: {retry}");
        }
        let _ = writeln!(frames, "event:{event}\ndata:{data}");
        // A beat of a stream that goes on leads to no other position.
        if event != "beat" || start.is_some() {
            let _ = writeln!(frames, "id:{position}");
        }
        frames.push('\n');
        Some((Ok(frames), self))
    }
}

impl<S: Source> EventStream<S> {
    /// Waits until there is something to send; false when the stream ends.
    async fn wait(&mut self) -> bool {
        loop {
            tokio::select! {
                // First, so that a busy stream ends with its session too.
                biased;
                _ = self.heartbeat.tick() => {
                    // The session may have ended since. The browser reconnects, is refused, and the page says so.
                    if !self.console.sessions.is_valid(&self.signed_in).await {
                        return false;
                    }
                    // A batch that was just sent says as much as a beat.
                    if self.sent_at.elapsed() >= HEARTBEAT / 2 {
                        return true;
                    }
                }
                more = changed(&mut self.source, &mut self.registry) => {
                    sleep_until(self.batching.due(Instant::now())).await;
                    return more;
                }
            }
        }
    }
}

/// Waits for a change of the source or of the registry; false when there will be no more.
async fn changed(source: &mut impl Source, registry: &mut watch::Receiver<u64>) -> bool {
    tokio::select! {
        more = source.changed() => more,
        more = registry.changed() => more.is_ok(),
    }
}

/// The response that streams the changes of a source.
fn answer<S: Source>(
    context: &Context,
    source: S,
    intervals: RangeInclusive<Duration>,
    epoch: Epoch,
    since: Option<StreamPosition>,
) -> Response {
    let mut heartbeat = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stream_state = EventStream {
        source,
        console: context.console.clone(),
        signed_in: context.signed_in.clone(),
        epoch,
        registry: context.live().registry().subscribe(),
        registry_sent: since.map_or(u64::MAX, |since| since.registry),
        _registry_viewer: context.live().registry().viewer(),
        heartbeat,
        batching: Batching::new(intervals),
        sent_at: Instant::now(),
        start: Some(since.map_or(Start::Resync, |_| Start::Resumed)),
    };
    // A stream that never ends would delay shutdown by its whole grace period.
    let stopping = context.console.tasks.stopping().cancelled_owned();
    let frames = stream::unfold(stream_state, EventStream::next).take_until(stopping);
    Response::builder()
        .header(header::CONTENT_TYPE, "text/event-stream")
        .header(header::CACHE_CONTROL, "no-cache")
        .header("X-Accel-Buffering", "no")
        .body(Body::from_bytes_stream(frames))
}
