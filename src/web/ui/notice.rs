//! Notices, empty states and the content of fault pages.

use maud::{Markup, html};

use super::mark::Mark;

/// The severity of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Success.
    Good,
    /// Information.
    Info,
    /// A warning.
    Warn,
    /// A failure.
    Bad,
}

/// A message in the flow of a page. Screen readers announce a failure at once.
pub(crate) fn notice(tone: Tone, body: &Markup) -> Markup {
    let (class, mark, role) = match tone {
        Tone::Good => ("notice notice-good", Mark::Filled, "status"),
        Tone::Info => ("notice notice-info", Mark::PendingHollow, "status"),
        Tone::Warn => ("notice notice-warn", Mark::Triangle, "status"),
        Tone::Bad => ("notice notice-bad", Mark::Cross, "alert"),
    };
    html! { div class=(class) role=(role) { (mark) div { (body) } } }
}

/// An empty state: what is missing, and what would fill it.
pub(crate) fn empty(what: &str, would_fill: Markup) -> Markup {
    html! {
        div class="empty" {
            p class="empty-what" { (what) }
            @if !would_fill.0.is_empty() { p { (would_fill) } }
        }
    }
}

/// The content of a fault page: status, title, advice, actions.
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

/// A warning that something could not be read. The script refetches its region until it can be read, without an event.
pub(crate) fn unavailable(words: &Markup) -> Markup {
    html! { div data-unread { (notice(Tone::Warn, words)) } }
}
