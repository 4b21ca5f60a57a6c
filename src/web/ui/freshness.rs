//! How true the page is: the badge in the bar, and the notice above what is old.

use std::time::Duration;

use maud::{Markup, html};

use super::mark::{Mark, state};
use super::notice::{Tone, notice};
use super::region::{Region, etag, trigger};
use crate::live::Topic;
use crate::protocol::Timestamp;

/// How true the page is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// A list is being read, or a gap replayed.
    CatchingUp,
    /// What is shown is what is: every change is pushed.
    Pushed,
    /// The same: a request is always waiting for the next change.
    LongPolled,
    /// As fresh as the last answer.
    Polling {
        /// It is asked so often.
        every: Duration,
    },
    /// The feed is broken.
    Stale {
        /// What is shown was true then.
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

/// The freshness badge. It answers to the region name `freshness`, and the script rewrites it when the stream
/// itself breaks.
pub(crate) fn freshness_badge(freshness: &Freshness, page_url: &str) -> Markup {
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
            data-etag=(etag(&body.0)) title=(why) hx-get=(page_url) hx-target="this" hx-swap="outerMorph"
            hx-trigger=(trigger(&[Topic::Freshness], "500ms")) "hx-status:4xx"="swap:none" "hx-status:5xx"="swap:none" {
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

/// What the badge shows once the page's own stream is lost; the script fills in since when.
pub(super) fn stream_lost() -> Markup {
    badge_body(
        Mark::Triangle,
        "Stale",
        Some(age_of("", "")),
        "Connection to the console lost; retrying.",
    )
}

/// What the badge shows while the stream is silent and the console answers.
pub(super) fn stream_blocked() -> Markup {
    refreshed("The live stream does not get through; this page is refreshed every 5 s.")
}

/// What it shows where as many windows of this browser follow a stream as can.
pub(super) fn stream_shared() -> Markup {
    refreshed("Other windows are live; this one is refreshed every 5 s.")
}

fn refreshed(why: &str) -> Markup {
    badge_body(Mark::SubmittedThreeQuarters, "Polling", None, why)
}

/// The notice above a page whose data is old, as a region that comes and goes with it. Region name `staleness`.
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
    Region {
        name: "staleness",
        topics: &[Topic::Freshness],
        body: body.into(),
    }
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

/// How old something is; without the script, since when.
fn age_of(since: &str, clock: &str) -> Markup {
    html! { time datetime=(since) title=(since) data-when="age" { "since " (clock) } }
}
