//! Figures for a monitoring system, in the OpenMetrics text format. They are computed when they are requested, so none
//! has to be kept up to date. Experiments are named by id only.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use poem::http::header;
use poem::web::Data;
use poem::{Response, handler};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::live::{Freshness, Mirror, TaskFilter};
use crate::protocol::{ExperimentId, Timestamp};
use crate::web::console::Console;
use crate::web::fault::Fault;

type Labels = Vec<(&'static str, String)>;
type Figures = Family<Labels, Gauge<f64, AtomicU64>>;
type Counts = Family<Labels, Counter>;

const STATES: [&str; 4] = ["catching-up", "live", "polling", "stale"];

/// `GET /metrics`
#[handler]
pub(crate) fn get(console: Data<&Arc<Console>>) -> Result<Response, Fault> {
    let text = text(console.0).map_err(|error| Fault::Internal(error.to_string()))?;
    Ok(Response::builder()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .header(header::CACHE_CONTROL, "no-store")
        .body(text))
}

fn text(console: &Console) -> Result<String, fmt::Error> {
    let now = console.clock.now();
    let mut registry = Registry::with_prefix("switchboard");
    let feeds = Feeds::register(&mut registry);
    for mirror in console.live.followed_mirrors() {
        feeds.record(&mirror, now);
    }
    feeds.record_registry(console, now);
    let (requested, drawn) = console.pages.region_counts();
    registry.register(
        "regions_asked",
        "Regions of pages that were asked for alone",
        counter(requested),
    );
    registry.register("regions_drawn", "Regions that had to be drawn for that", counter(drawn));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// The figures of feeds and mirrors.
#[derive(Default)]
struct Feeds {
    state: Figures,
    by: Figures,
    silence: Figures,
    viewers: Figures,
    rows: Figures,
    bytes: Figures,
    events: Counts,
    lists: Counts,
    breaks: Counts,
}

impl Feeds {
    fn register(to: &mut Registry) -> Self {
        let feeds = Self::default();
        let Self { state, by, silence, .. } = &feeds;
        to.register("feed_state", "1 for the state that the feed is in", state.clone());
        to.register("feed_by", "1 for the means by which changes arrive", by.clone());
        let help = "Time since the server was last heard to have told everything";
        to.register_with_unit("feed_silence", help, Unit::Seconds, silence.clone());
        to.register("viewers", "Streams of open pages that follow it", feeds.viewers.clone());
        to.register("mirror_rows", "Rows held, by kind", feeds.rows.clone());
        let help = "Memory that the rows take, as far as the budget is concerned";
        to.register_with_unit("mirror", help, Unit::Bytes, feeds.bytes.clone());
        to.register("mirror_events", "Events of the log applied", feeds.events.clone());
        to.register("mirror_lists", "Times that everything was listed", feeds.lists.clone());
        to.register("feed_breaks", "Times that the feed broke", feeds.breaks.clone());
        feeds
    }

    fn record(&self, mirror: &Mirror, now: Timestamp) {
        let view = mirror.view();
        let labels = labels_of(mirror.experiment());
        self.freshness(&labels, &view.freshness, mirror.last_heard(), now);
        self.viewers.get_or_create(&labels).set(count(mirror.viewers()));
        self.bytes.get_or_create(&labels).set(count(mirror.weight()));
        if let Some(held) = view.snapshot() {
            for (kind, rows) in [
                ("tasks", held.count_tasks(&TaskFilter::default())),
                ("ideas", held.count_ideas(None)),
                ("variants", held.count_variants(None)),
            ] {
                self.rows.get_or_create(&with(&labels, "kind", kind)).set(count(rows));
            }
        }
        let stats = mirror.follow_stats();
        self.events.get_or_create(&labels).inc_by(stats.events());
        self.lists.get_or_create(&labels).inc_by(stats.lists());
        self.breaks.get_or_create(&labels).inc_by(stats.breaks());
    }

    fn record_registry(&self, console: &Console, now: Timestamp) {
        let registry = console.live.peek_registry();
        let view = registry.view();
        let labels = vec![("experiment_id", String::new())];
        self.freshness(&labels, &view.freshness, registry.last_heard(), now);
        let rows = with(&labels, "kind", "experiments");
        self.rows.get_or_create(&rows).set(count(view.rows.len()));
    }

    fn freshness(&self, labels: &Labels, freshness: &Freshness, heard: Timestamp, now: Timestamp) {
        for state in STATES {
            let is = f64::from(u8::from(state == freshness.word()));
            self.state.get_or_create(&with(labels, "state", state)).set(is);
        }
        let by = match freshness {
            Freshness::Live(means) => Some(means.word()),
            Freshness::Polling { .. } => Some("polling"),
            Freshness::CatchingUp | Freshness::Stale { .. } => None,
        };
        if let Some(by) = by {
            self.by.get_or_create(&with(labels, "by", by)).set(1.0);
        }
        let silence = now.instant().duration_since(heard.instant());
        self.silence.get_or_create(labels).set(silence.as_secs_f64().max(0.0));
    }
}

fn counter(so_far: u64) -> Counter {
    let counter = Counter::default();
    counter.inc_by(so_far);
    counter
}

fn labels_of(experiment: &ExperimentId) -> Labels {
    vec![("experiment_id", experiment.to_string())]
}

fn with(labels: &Labels, name: &'static str, value: &str) -> Labels {
    let mut labels = labels.clone();
    labels.push((name, value.to_owned()));
    labels
}

/// Exact up to 2^53, far above any count here.
fn count(of: usize) -> f64 {
    of as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_counts_are_exact() {
        assert_eq!(count(5 << 30), 5_368_709_120.0);
        assert_eq!(count((1 << 53) - 1), 9_007_199_254_740_991.0);
    }
}
