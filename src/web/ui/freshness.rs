//! How true the page is: the badge in the bar, and the notice above what is old.

use maud::{Markup, html};

use super::mark::{Mark, state};
use super::notice::{Tone, notice};
use super::region::{Region, etag, trigger};
use crate::live::{Freshness, Means};
use crate::protocol::Timestamp;

/// The freshness badge. It answers to the region name `freshness`, and the script rewrites it when the stream
/// itself breaks.
pub(crate) fn freshness_badge(freshness: &Freshness, here: &str) -> Markup {
    let label = match freshness {
        Freshness::CatchingUp => "Catching up".to_owned(),
        Freshness::Live(Means::Push) => "Live".to_owned(),
        Freshness::Live(Means::LongPoll) => "Live by long-poll".to_owned(),
        Freshness::Polling { every } => format!("Polling every {} s", every.as_secs().max(1)),
        Freshness::Stale { .. } => "Stale".to_owned(),
    };
    let mark = match freshness {
        Freshness::CatchingUp => Mark::ClaimedHalf,
        Freshness::Live(_) => Mark::Filled,
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
            data-etag=(etag(&body.0)) title=(why) hx-get=(here) hx-target="this" hx-swap="outerMorph"
            hx-trigger=(trigger(&["freshness"], "500ms")) "hx-status:4xx"="swap:none" "hx-status:5xx"="swap:none" {
            (body)
        }
    }
}

fn why(freshness: &Freshness) -> &str {
    match freshness {
        Freshness::CatchingUp => "Reading what happened meanwhile.",
        Freshness::Live(Means::Push) => "The server pushes every change as it is committed.",
        Freshness::Live(Means::LongPoll) => {
            "The server cannot push, so one request is always waiting for the next change."
        }
        Freshness::Polling { .. } => {
            "The server cannot push this, so it is asked again and again while somebody looks."
        }
        Freshness::Stale { trouble, .. } => &trouble.words,
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

/// The notice above a page whose data is old, as a region that comes and goes with it. Region name `staleness`.
pub(crate) fn staleness(freshness: &Freshness) -> Region {
    let body = match freshness {
        Freshness::Stale { since, trouble } => notice(
            Tone::Warn,
            &html! {
                p { strong { "Not live, " (age(*since)) ": " } (trouble.words) "." }
                p { "It is tried again every few seconds, and this page goes on by itself. Until then nothing can be changed." }
            },
        ),
        _ => Markup::default(),
    };
    Region {
        name: "staleness",
        topics: &["freshness"],
        body,
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
