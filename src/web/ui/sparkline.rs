//! The best score so far as a line without axes, for a table cell.

use maud::{Markup, html};

use super::step_line::{step_line, tenth};
use crate::protocol::{Direction, Timestamp};

/// The steps of the best score, oldest first, extended to the last evaluation. `label` is the accessible name. Empty
/// for fewer than two steps.
pub(crate) fn sparkline(direction: Direction, steps: &[(Timestamp, f64)], until: Timestamp, label: &str) -> Markup {
    const WIDE: f64 = 120.0;
    const HIGH: f64 = 24.0;
    let best: Vec<(i64, f64)> = steps
        .iter()
        .map(|(at, value)| (at.instant().as_millisecond(), *value))
        .collect();
    let (Some((from, worst)), Some((_, top))) = (best.first(), best.last()) else {
        return Markup::default();
    };
    let (from, to) = (*from, until.instant().as_millisecond());
    if to <= from || worst == top {
        return Markup::default();
    }
    let x = |at: i64| tenth(2.0 + (at - from) as f64 / (to - from) as f64 * (WIDE - 6.0));
    let y = |value: f64| {
        let share = (value - worst) / (top - worst);
        let share = if direction == Direction::Minimize {
            1.0 - share
        } else {
            share
        };
        tenth(HIGH - 4.0 - share * (HIGH - 8.0))
    };
    let path = step_line(best.iter().map(|(at, value)| (x(*at), y(*value))), x(to));
    html! {
        svg class="sparkline" viewBox={ "0 0 " (WIDE) " " (HIGH) } role="img" aria-label=(label) {
            path d=(path) {}
            circle cx=(x(to)) cy=(y(*top)) r="2.25" {}
        }
    }
}
