//! Freshness: the badge in the bar, and the notice above a page with stale data.

use std::time::Duration;

use maud::{Markup, html};

use super::mark::{Mark, state};
use super::notice::{Tone, notice};
use super::region::{Region, etag, pace, topics};
use crate::live::Topic;
use crate::protocol::Timestamp;

/// A feed that comes and goes does not make the badge flicker.
const PACE: Duration = Duration::from_millis(500);

/// How fresh the data of a page is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// A list is being read, or a gap replayed.
    CatchingUp,
    /// Current: the server pushes every change.
    Pushed,
    /// Current: one request is always waiting for the next change.
    LongPolled,
    /// As fresh as the last answer.
    Polling {
        /// The polling interval.
        every: Duration,
    },
    /// The feed is broken.
    Stale {
        /// The time at which the data was current.
        since: Timestamp,
        /// Why, without a full stop.
        reason: String,
    },
}

impl Freshness {
    /// The word of `data-freshness`.
    fn word(&self) -> &'static str {
        match self {
            Self::CatchingUp => "catching-up",
            Self::Pushed | Self::LongPolled => "live",
            Self::Polling { .. } => "polling",
            Self::Stale { .. } => "stale",
        }
    }
}

/// The freshness badge. Region name `freshness`. The script rewrites it when the page's own event stream breaks.
pub(crate) fn freshness_badge(freshness: &Freshness) -> Markup {
    let label = match freshness {
        Freshness::CatchingUp => "Catching up".to_owned(),
        Freshness::Pushed => "Live".to_owned(),
        Freshness::LongPolled => "Live by long-poll".to_owned(),
        Freshness::Polling { every } => format!("Polling every {} s", every.as_secs().max(1)),
        Freshness::Stale { .. } => "Stale".to_owned(),
    };
    let mark = match freshness {
        Freshness::CatchingUp => Mark::ClaimedHalf,
        Freshness::Pushed | Freshness::LongPolled => Mark::Filled,
        Freshness::Polling { .. } => Mark::SubmittedThreeQuarters,
        Freshness::Stale { .. } => Mark::Triangle,
    };
    let why = why(freshness);
    let age = match freshness {
        Freshness::Stale { since, .. } => Some(age(*since)),
        _ => None,
    };
    let body = badge_body(mark, &label, age, why);
    html! {
        div id="freshness" class="freshness" data-freshness=(freshness.word()) data-region="freshness"
            data-topics=[topics(&[Topic::Freshness])] data-pace=[pace(PACE)] data-etag=(etag(&body.0)) title=(why) {
            (body)
        }
    }
}

fn why(freshness: &Freshness) -> &str {
    match freshness {
        Freshness::CatchingUp => "Reading what happened meanwhile.",
        Freshness::Pushed => "The server pushes every change as it is committed.",
        Freshness::LongPolled => "The server cannot push, so one request is always waiting for the next change.",
        Freshness::Polling { .. } => {
            "The server cannot push this, so it is asked again and again while somebody looks."
        }
        Freshness::Stale { reason, .. } => reason,
    }
}

/// The badge when the page's event stream is lost; the script fills in the time.
pub(super) fn stream_lost() -> Markup {
    badge_body(
        Mark::Triangle,
        "Stale",
        Some(age_of("", "")),
        "Connection to the console lost; retrying.",
    )
}

/// The badge while the event stream is silent and the console answers requests.
pub(super) fn stream_blocked() -> Markup {
    refreshed("The live stream does not get through; this page is refreshed every 5 s.")
}

/// The badge where other windows of the browser use all connections for streams.
pub(super) fn stream_shared() -> Markup {
    refreshed("Other windows are live; this one is refreshed every 5 s.")
}

fn refreshed(why: &str) -> Markup {
    badge_body(Mark::SubmittedThreeQuarters, "Polling", None, why)
}

/// The notice above a page with stale data, as a region that is empty otherwise. Region name `staleness`.
pub(crate) fn staleness(freshness: &Freshness) -> Region<'static> {
    let body = match freshness {
        Freshness::Stale { since, reason } => notice(
            Tone::Warn,
            &html! {
                p { strong { "Not live, " (age(*since)) ": " } (reason) "." }
                p { "It is tried again every few seconds, and this page goes on by itself. Until then nothing can be changed." }
            },
        ),
        _ => Markup::default(),
    };
    Region::new("staleness", &[Topic::Freshness], body)
}

fn badge_body(mark: Mark, label: &str, age: Option<Markup>, why: &str) -> Markup {
    html! {
        (state(mark, label))
        @if let Some(age) = age { span class="age" { (age) } }
        span class="why" { (why) }
    }
}

fn age(since: Timestamp) -> Markup {
    age_of(
        &since.to_string(),
        &since.instant().strftime("%H:%M:%S UTC").to_string(),
    )
}

/// An age, which the script keeps up to date; without the script, a time.
fn age_of(since: &str, clock: &str) -> Markup {
    html! { time datetime=(since) data-when="age" { "since " (clock) } }
}
