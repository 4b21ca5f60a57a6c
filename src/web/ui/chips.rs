//! Filters of a list, as links.

use maud::{Markup, html};

use super::value::{count, value};

/// One filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chip {
    /// The value to filter by.
    pub text: String,
    /// The number of its rows, where that is known.
    pub count: Option<u64>,
    /// The filtered page.
    pub href: String,
    /// Whether the filter is in force.
    pub current: bool,
}

/// The filters for one property, as links in a row.
pub(crate) fn chips(label: &str, chips: &[Chip]) -> Markup {
    let slug = label.to_lowercase();
    html! {
        nav class="chips" aria-label={ "Filter by " (label) } {
            span class="chips-label" { (label) }
            ul role="list" {
                @for (at, chip) in chips.iter().enumerate() {
                    li {
                        a class="chip" href=(chip.href) aria-current=[chip.current.then_some("true")] {
                            (chip.text)
                            @if let Some(of) = chip.count { (value(&format!("{slug}-{at}"), Some("chip-count"), &count(of))) }
                        }
                    }
                }
            }
        }
    }
}
