//! The score over time: the best so far as a line, each evaluation as a dot.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::notice::empty;
use super::scale::{ValueAxis, quantile, time_ticks};
use super::value::{count, number, when};
use crate::protocol::{Direction, Timestamp};

/// Dots that are drawn at most, beside the improvements.
const DOTS: usize = 400;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 244.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 708.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 212.0;

/// One evaluation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ScorePoint {
    /// When it was measured.
    pub at: Timestamp,
    /// What was measured.
    pub value: f64,
    /// The variant's page, for those who may go there.
    pub href: Option<String>,
    /// The variant's name.
    pub label: String,
}

/// The score of an experiment over time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScoreChart<'a> {
    /// The metric's name.
    pub metric: &'a str,
    /// Which way is better.
    pub direction: Direction,
    /// Every evaluation, oldest first.
    pub points: &'a [ScorePoint],
}

impl ScoreChart<'_> {
    /// The chart, or words when there is nothing to draw yet.
    pub(crate) fn markup(&self) -> Markup {
        let points: Vec<&ScorePoint> = self.points.iter().filter(|point| point.value.is_finite()).collect();
        let improvements = improvements(points.iter().map(|point| point.value), self.direction);
        let Some(best) = improvements.last().and_then(|index| points.get(*index)) else {
            return empty(
                "No score yet",
                html! { "The first evaluation that measures " code { (self.metric) } " starts the line." },
            );
        };
        let plot = Plot::new(&points, best.value, self.direction);
        let drawn: Vec<usize> = keep(points.len(), &improvements)
            .into_iter()
            .filter(|index| points.get(*index).is_some_and(|point| plot.holds(point.value)))
            .collect();
        let outside = points.iter().filter(|point| !plot.holds(point.value)).count();
        html! {
            div class="chart" {
                p class="chart-best" {
                    "Best " code { (self.metric) } " so far "
                    a class="chart-value" href=[best.href.as_deref()] title=(best.label) { (number(best.value)) }
                    " " span class="chart-note" { "(" (self.direction) ") since " (when(best.at)) }
                }
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(self.summary(&points, best)) {
                    (plot.axes())
                    g class="dots" {
                        @for index in &drawn {
                            @if let Some(point) = points.get(*index) { (plot.dot(point, improvements.contains(index))) }
                        }
                    }
                    path class="best" d=(plot.best_line(&points, &improvements)) {}
                }
                p class="chart-note" {
                    @if drawn.len() < points.len() { (count(drawn.len() as u64)) " of " }
                    (count(points.len() as u64)) @if points.len() == 1 { " evaluation" } @else { " evaluations" }
                    " drawn"
                    @if outside > 0 { "; " (count(outside as u64)) " lie outside the plot" }
                    ". Times in UTC."
                }
                details id="chart-improvements" class="chart-table" {
                    summary {
                        (count(improvements.len() as u64))
                        @if improvements.len() == 1 { " improvement" } @else { " improvements" }
                        " as a table"
                    }
                    (improvement_table(self.metric, &points, &improvements))
                }
            }
        }
    }

    fn summary(&self, points: &[&ScorePoint], best: &ScorePoint) -> String {
        let first = points.first().map(|point| point.at.to_string()).unwrap_or_default();
        let last = points.last().map(|point| point.at.to_string()).unwrap_or_default();
        format!(
            "Best {} so far over time: {} after {} evaluations from {first} to {last}. The improvements are in the table below.",
            self.metric,
            number(best.value),
            points.len(),
        )
    }
}

fn improvement_table(metric: &str, points: &[&ScorePoint], improvements: &[usize]) -> Markup {
    html! {
        div class="table-wrap" {
            table {
                thead { tr { th scope="col" { "Variant" } th scope="col" class="num" { (metric) } th scope="col" { "When" } } }
                tbody {
                    @for point in improvements.iter().rev().filter_map(|index| points.get(*index)) {
                        tr {
                            td { a class="id" href=[point.href.as_deref()] { (point.label) } }
                            td class="num" { (number(point.value)) }
                            td { (when(point.at)) }
                        }
                    }
                }
            }
        }
    }
}

/// The indices at which the best changes.
fn improvements(values: impl Iterator<Item = f64>, direction: Direction) -> Vec<usize> {
    let mut best = None;
    let mut found = Vec::new();
    for (index, value) in values.enumerate() {
        if best.is_none_or(|best| direction.better(value, best)) {
            best = Some(value);
            found.push(index);
        }
    }
    found
}

/// The dots to draw: every improvement, and of the rest one from each of equally long stretches.
fn keep(total: usize, improvements: &[usize]) -> Vec<usize> {
    if total <= DOTS {
        return (0..total).collect();
    }
    let room = DOTS.saturating_sub(improvements.len()).max(1);
    let mut kept: Vec<usize> = (0..room).map(|n| n * total / room).collect();
    kept.extend_from_slice(improvements);
    kept.sort_unstable();
    kept.dedup();
    kept
}

struct Plot {
    from: i64,
    to: i64,
    axis: ValueAxis,
}

impl Plot {
    fn new(points: &[&ScorePoint], best: f64, direction: Direction) -> Self {
        let millis = |point: Option<&&ScorePoint>| point.map_or(0, |point| point.at.instant().as_millisecond());
        let mut values: Vec<f64> = points.iter().map(|point| point.value).collect();
        values.sort_unstable_by(f64::total_cmp);
        let end = |share| quantile(&values, share).unwrap_or(best);
        // A few wild values must not flatten all others: the range is that of the middle nine tenths and some
        // room, cut to what was measured. The best is inside always; the line is monotone, so it stays inside
        // once it has entered.
        let room = (end(0.95) - end(0.05)) * 0.25;
        let low = (end(0.05) - room).max(end(0.0));
        let high = (end(0.95) + room).min(end(1.0));
        let (low, high) = match direction {
            Direction::Maximize => (low, high.max(best)),
            Direction::Minimize => (low.min(best), high),
        };
        Self {
            from: millis(points.first()),
            to: millis(points.last()),
            axis: ValueAxis::covering(low, high),
        }
    }

    fn holds(&self, value: f64) -> bool {
        (self.axis.low..=self.axis.high).contains(&value)
    }

    fn x(&self, millis: i64) -> f64 {
        if self.to <= self.from {
            return (LEFT + RIGHT) / 2.0;
        }
        let share = (millis - self.from) as f64 / (self.to - self.from) as f64;
        tenth(LEFT + share.clamp(0.0, 1.0) * (RIGHT - LEFT))
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value - self.axis.low) / (self.axis.high - self.axis.low);
        tenth(BOTTOM - share.clamp(0.0, 1.0) * (BOTTOM - TOP))
    }

    fn axes(&self) -> Markup {
        let (times, pattern) = time_ticks(self.from, self.to);
        html! {
            g class="axis axis-y" {
                @for tick in &self.axis.ticks {
                    @let y = self.y(*tick);
                    line x1=(LEFT) x2=(RIGHT) y1=(y) y2=(y) {}
                    text x=(LEFT - 8.0) y=(y) { (self.axis.label(*tick)) }
                }
            }
            g class="axis axis-x" {
                @for tick in &times {
                    @let x = self.x(*tick);
                    line x1=(x) x2=(x) y1=(BOTTOM) y2=(BOTTOM + 4.0) {}
                    text x=(x) y=(BOTTOM + 18.0) { (clock_text(*tick, pattern)) }
                }
            }
        }
    }

    fn dot(&self, point: &ScorePoint, improvement: bool) -> Markup {
        let (x, y) = (self.x(point.at.instant().as_millisecond()), self.y(point.value));
        html! {
            // Out of the tab order: four hundred stops help nobody, and the table below has those that matter.
            a href=[point.href.as_deref()] tabindex="-1" class=[improvement.then_some("improvement")] {
                circle cx=(x) cy=(y) r="2.5" { title { (point.label) ": " (number(point.value)) } }
            }
        }
    }

    /// A step line; while the best is worse than the plot shows, there is none.
    fn best_line(&self, points: &[&ScorePoint], improvements: &[usize]) -> String {
        let mut path = String::new();
        for point in improvements.iter().filter_map(|index| points.get(*index)) {
            if !self.holds(point.value) {
                continue;
            }
            let (x, y) = (self.x(point.at.instant().as_millisecond()), self.y(point.value));
            // Writing to a String cannot fail.
            let _ = if path.is_empty() {
                write!(path, "M{x} {y}")
            } else {
                write!(path, "H{x}V{y}")
            };
        }
        let _ = write!(path, "H{}", self.x(self.to));
        path
    }
}

fn clock_text(millis: i64, pattern: &str) -> String {
    jiff::Timestamp::from_millisecond(millis)
        .map(|at| at.strftime(pattern).to_string())
        .unwrap_or_default()
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// The best so far as a line without axes, for a table cell; `label` says of what. Nothing for fewer than two values.
pub(crate) fn sparkline(direction: Direction, points: &[(Timestamp, f64)], label: &str) -> Markup {
    const WIDE: f64 = 120.0;
    const HIGH: f64 = 24.0;
    let improved = improvements(points.iter().map(|(_, value)| *value), direction);
    let (Some((first, _)), Some((last, _))) = (points.first(), points.last()) else {
        return Markup::default();
    };
    let best: Vec<(i64, f64)> = improved
        .iter()
        .filter_map(|index| points.get(*index))
        .map(|(at, value)| (at.instant().as_millisecond(), *value))
        .collect();
    let (from, to) = (first.instant().as_millisecond(), last.instant().as_millisecond());
    let (Some((_, worst)), Some((_, top))) = (best.first(), best.last()) else {
        return Markup::default();
    };
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
    let mut path = String::new();
    for (at, value) in &best {
        // Writing to a String cannot fail.
        let _ = if path.is_empty() {
            write!(path, "M{} {}", x(*at), y(*value))
        } else {
            write!(path, "H{}V{}", x(*at), y(*value))
        };
    }
    let _ = write!(path, "H{}", x(to));
    html! {
        svg class="sparkline" viewBox={ "0 0 " (WIDE) " " (HIGH) } role="img" aria-label=(label) {
            path d=(path) {}
            circle cx=(x(to)) cy=(y(*top)) r="2.25" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[f64]) -> Vec<ScorePoint> {
        let start: Timestamp = "2026-01-02T03:04:05.000Z".parse().expect("a time");
        values
            .iter()
            .enumerate()
            .map(|(index, value)| ScorePoint {
                at: jiff::Timestamp::from_millisecond(start.instant().as_millisecond() + index as i64 * 7_000)
                    .expect("in range")
                    .into(),
                value: *value,
                href: Some(format!("/v/{index}")),
                label: format!("v{index}"),
            })
            .collect()
    }

    fn draw(values: &[f64], direction: Direction) -> String {
        ScoreChart {
            metric: "score",
            direction,
            points: &points(values),
        }
        .markup()
        .0
    }

    #[test]
    fn nothing_measured_is_said_in_words() {
        assert!(draw(&[], Direction::Maximize).contains("No score yet"));
        assert!(draw(&[f64::NAN], Direction::Maximize).contains("No score yet"));
    }

    #[test]
    fn the_best_follows_the_direction() {
        let values = [0.5, 0.2, 0.9, 0.4];
        assert!(draw(&values, Direction::Maximize).contains(">0.9</a>"));
        assert!(draw(&values, Direction::Minimize).contains(">0.2</a>"));
    }

    #[test]
    fn many_evaluations_are_thinned_but_no_improvement_is_lost() {
        let values: Vec<f64> = (0..5_000).map(|n| f64::from((n * 7_919) % 5_003)).collect();
        let improved = improvements(values.iter().copied(), Direction::Maximize);
        let kept = keep(values.len(), &improved);
        assert!(kept.len() <= DOTS, "{}", kept.len());
        assert!(improved.iter().all(|index| kept.contains(index)));
        assert!(draw(&values, Direction::Maximize).contains(" of 5\u{202f}000 evaluations drawn"));
    }

    #[test]
    fn one_wild_value_neither_flattens_the_rest_nor_hides() {
        let mut values = vec![1.0; 60];
        values.extend((0..60).map(|n| 1.0 + f64::from(n) / 60.0));
        values[30] = -1e6;
        let chart = draw(&values, Direction::Maximize);
        assert!(chart.contains("1 lie outside the plot"), "{chart}");
        assert!(chart.contains(">2</text>") && !chart.contains("000</text>"), "{chart}");
    }

    #[test]
    fn a_line_that_starts_far_below_enters_where_it_becomes_visible() {
        let mut values = vec![-1e9, -1e8];
        values.extend((0..100).map(|n| 5.0 + f64::from(n % 10)));
        let all = points(&values);
        let all: Vec<&ScorePoint> = all.iter().collect();
        let plot = Plot::new(&all, 14.0, Direction::Maximize);
        assert!(plot.holds(14.0) && !plot.holds(-1e8));
        let line = plot.best_line(&all, &improvements(values.iter().copied(), Direction::Maximize));
        assert!(
            line.starts_with(&format!("M{} ", plot.x(all[2].at.instant().as_millisecond()))),
            "{line}"
        );
    }
}
