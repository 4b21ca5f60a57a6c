//! The browser's event streams: they name what changed, and the page refetches it.
//!
//! A stream compares revisions instead of queueing changes, so a reader however slow costs one pending
//! comparison and is told each topic once. One that does not read at all is cut by the [listener](crate::listener),
//! and resumes at its position when it is back.

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
use crate::web::auth::session::SignedIn;
use crate::web::console::Console;
use crate::web::request::context::{Active, Context};
use crate::web::ui::RESYNC;

use position::StreamPosition;
use source::{ExperimentSource, FleetSource, Source};

/// The browser holds a stream that has not beaten for 3 s for broken.
const BEAT: Duration = Duration::from_secs(1);
/// How soon a browser comes back, in milliseconds: spread, so that a console that restarts is not overrun, and soon
/// enough that a stream that ends in order is back before its silence is noticed.
const RETRY: RangeInclusive<u32> = 500..=1000;

/// `GET /x/{E}/live`: what changes in one experiment, and in the registry.
#[handler]
pub(crate) fn experiment(active: Active, request: &poem::Request) -> Response {
    let epoch = active.mirror.epoch();
    let since = position::asked(request, epoch);
    let source = ExperimentSource::new(&active.mirror, since.map_or(0, |since| since.revision));
    topics(&active.context, source, epoch, since)
}

/// `GET /live`: that anything changed anywhere, at most once a second.
#[handler]
pub(crate) fn fleet(context: &Context, request: &poem::Request) -> Response {
    let epoch = context.live().epoch();
    let since = position::asked(request, epoch);
    let source = FleetSource::new(context.live(), since.map_or(0, |since| since.revision));
    topics(context, source, epoch, since)
}

struct Follower<S> {
    source: S,
    console: Arc<Console>,
    signed_in: SignedIn,
    epoch: Epoch,
    registry: watch::Receiver<u64>,
    registry_told: u64,
    /// An open page keeps the registry read where it has to be asked for.
    _looks: Viewer,
    beat: Interval,
    /// When topics were last told.
    told_at: Option<Instant>,
    opening: Option<Opening>,
}

/// How a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    /// With what changed since a position in this life.
    Resumed,
    /// With word that everything may have changed, for there is no such position.
    Resync,
}

impl<S: Source> Follower<S> {
    /// Waits until there is something to say, and says all of it.
    async fn next(mut self) -> Option<(io::Result<String>, Self)> {
        let mut beat = false;
        let opening = self.opening.take();
        if opening.is_none() {
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
                        sleep_until(told_at + S::GATHER).await;
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
            topics.push(Topic::Registry);
            topics.extend(S::OF_REGISTRY);
        }
        self.registry_told = registry;
        let mut names: Vec<_> = match opening {
            Some(Opening::Resync) => vec![RESYNC],
            _ => topics.into_iter().map(Topic::name).collect(),
        };
        if !names.is_empty() {
            self.told_at = Some(Instant::now());
        }
        if beat || names.is_empty() {
            names.push("beat");
        }
        let position = StreamPosition {
            epoch: self.epoch,
            revision,
            registry,
        };
        let mut frames = String::new();
        if opening.is_some() {
            // Within the frame that follows: the browser's reader drops one that holds nothing else.
            let retry = rand::random_range(RETRY);
            // Writing to a String cannot fail.
            let _ = writeln!(frames, "retry: {retry}");
        }
        let last = names.len() - 1;
        for (at, name) in names.into_iter().enumerate() {
            let _ = writeln!(frames, "event: {name}\ndata: {revision}");
            if at == last {
                // Only who has heard all of it is there: a stream may be cut between two frames.
                let _ = writeln!(frames, "id: {position}");
            }
            frames.push('\n');
        }
        Some((Ok(frames), self))
    }
}

fn topics<S: Source>(context: &Context, source: S, epoch: Epoch, since: Option<StreamPosition>) -> Response {
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
        opening: Some(since.map_or(Opening::Resync, |_| Opening::Resumed)),
    };
    // A stream that never ends would hold up shutdown for its whole grace.
    let stopping = context.console.tasks.stopping().cancelled_owned();
    let frames = stream::unfold(follower, Follower::next).take_until(stopping);
    Response::builder()
        .header(header::CONTENT_TYPE, "text/event-stream")
        .header(header::CACHE_CONTROL, "no-cache")
        .header("X-Accel-Buffering", "no")
        .body(Body::from_bytes_stream(frames))
}
