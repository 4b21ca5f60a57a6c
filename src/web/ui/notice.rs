//! Words for what is empty, odd or broken.

use maud::{Markup, html};

use super::mark::Mark;

/// How much a notice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// What was asked for is done.
    Good,
    /// Good to know.
    Info,
    /// Look before going on.
    Warn,
    /// Something failed.
    Bad,
}

/// A message in the flow of a page; a failure is announced at once.
pub(crate) fn notice(tone: Tone, body: &Markup) -> Markup {
    let (class, mark, role) = match tone {
        Tone::Good => ("notice notice-good", Mark::Filled, "status"),
        Tone::Info => ("notice notice-info", Mark::PendingHollow, "status"),
        Tone::Warn => ("notice notice-warn", Mark::Triangle, "status"),
        Tone::Bad => ("notice notice-bad", Mark::Cross, "alert"),
    };
    html! { div class=(class) role=(role) { (mark) div { (body) } } }
}

/// An empty state: what is not there, and what would fill it.
pub(crate) fn empty(what: &str, would_fill: Markup) -> Markup {
    html! {
        div class="empty" {
            p class="empty-what" { (what) }
            @if !would_fill.0.is_empty() { p { (would_fill) } }
        }
    }
}

/// The main region of a fault: what happened, what it means, what to press.
pub(crate) fn error_page(key: &str, status: u16, title: &str, advice: &str, actions: &Markup) -> Markup {
    html! {
        div class="fault" data-fault=(key) {
            p class="fault-status" { (status) }
            h1 { (title) }
            p { (advice) }
            @if !actions.0.is_empty() { div class="actions" { (actions) } }
        }
    }
}

/// That something could not be read for a page. The region around it is asked for again until it can be: nothing need
/// change for that.
pub(crate) fn unavailable(words: &Markup) -> Markup {
    html! { div data-unread { (notice(Tone::Warn, words)) } }
}
