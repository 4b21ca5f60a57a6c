//! Filters of a list, as links.

use maud::{Markup, html};

use super::value::count;

/// One filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chip {
    /// What it keeps.
    pub text: String,
    /// How many rows that is.
    pub count: Option<u64>,
    /// The page so filtered.
    pub href: String,
    /// Whether it is in force.
    pub current: bool,
}

/// Filters as links, one row of them for one property.
pub(crate) fn chips(label: &str, chips: &[Chip]) -> Markup {
    html! {
        nav class="chips" aria-label={ "Filter by " (label) } {
            span class="chips-label" { (label) }
            ul role="list" {
                @for chip in chips {
                    li {
                        a class="chip" href=(chip.href) aria-current=[chip.current.then_some("true")] {
                            (chip.text)
                            @if let Some(of) = chip.count { span class="chip-count" { (count(of)) } }
                        }
                    }
                }
            }
        }
    }
}
