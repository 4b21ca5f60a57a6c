//! The chart of scores over time: the best so far as a line, each evaluation as a dot.

use std::ops::RangeInclusive;

use maud::{Markup, html};

use super::notice::empty;
use super::scale::{ValueAxis, time_ticks};
use super::step_line::{step_line, tenth};
use super::value::{count, number, when};
use crate::protocol::{Direction, Timestamp};

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
    /// The score.
    pub value: f64,
    /// Whether it was better than all earlier ones.
    pub improvement: bool,
    /// The variant's page, if the operator may read it.
    pub href: Option<String>,
    /// The variant's name.
    pub label: String,
}

/// The score of an experiment over time.
#[derive(Clone, Copy)]
pub(crate) struct ScoreChart<'a> {
    /// The metric's name.
    pub metric: &'a str,
    /// Whether higher or lower is better.
    pub direction: Direction,
    /// The evaluations to draw, oldest first; the first and the best of all are among them.
    pub points: &'a [ScorePoint],
    /// How many evaluations there are, drawn or not.
    pub total: usize,
    /// How many of them were better than all earlier ones.
    pub improvements: usize,
    /// When the last evaluation was measured.
    pub until: Option<Timestamp>,
    /// The quantile of all scores for a share from 0 to 1.
    pub quantile: &'a dyn Fn(f64) -> Option<f64>,
    /// How many of all scores lie in a range.
    pub within: &'a dyn Fn(&RangeInclusive<f64>) -> usize,
}

impl ScoreChart<'_> {
    /// The chart, or an empty state when there is nothing to draw yet.
    pub(crate) fn markup(&self) -> Markup {
        let improvements: Vec<&ScorePoint> = self.points.iter().filter(|point| point.improvement).collect();
        let Some(best) = improvements.last() else {
            return empty(
                "No score yet",
                html! { "The first evaluation that measures " code { (self.metric) } " starts the line." },
            );
        };
        let plot = Plot::new(self, best.value);
        let drawn: Vec<_> = self.points.iter().filter(|point| plot.contains(point.value)).collect();
        let outside = self.total.saturating_sub((self.within)(&plot.values()));
        html! {
            div class="chart" {
                p class="chart-best" {
                    "Best " code { (self.metric) } " so far "
                    a class="chart-value" href=[best.href.as_deref()] title=(best.label) { (number(best.value)) }
                    " " span class="chart-note" { "(" (self.direction) ") since " (when(best.at)) }
                }
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(self.summary(best)) {
                    (plot.axes())
                    g class="dots" { @for point in &drawn { (plot.dot(point)) } }
                    path class="best" d=(plot.best_line(&improvements)) {}
                }
                p class="chart-note" {
                    @if drawn.len() < self.total { (count(drawn.len() as u64)) " of " }
                    (count(self.total as u64)) @if self.total == 1 { " evaluation" } @else { " evaluations" }
                    " drawn"
                    @if outside > 0 { "; " (count(outside as u64)) " lie outside the plot" }
                    ". Times in UTC."
                }
                details id="chart-improvements" class="chart-table" {
                    summary {
                        @if improvements.len() < self.improvements { (count(improvements.len() as u64)) " of " }
                        (count(self.improvements as u64))
                        @if self.improvements == 1 { " improvement" } @else { " improvements" }
                        " as a table"
                    }
                    (improvement_table(self.metric, &improvements))
                }
            }
        }
    }

    fn summary(&self, best: &ScorePoint) -> String {
        let first = self
            .points
            .first()
            .map(|point| point.at.to_string())
            .unwrap_or_default();
        let last = self.until.map(|at| at.to_string()).unwrap_or_default();
        format!(
            "Best {} so far over time: {} after {} evaluations from {first} to {last}. The improvements are in the table below.",
            self.metric,
            number(best.value),
            self.total,
        )
    }
}

fn improvement_table(metric: &str, improvements: &[&ScorePoint]) -> Markup {
    html! {
        div class="table-wrap" {
            table {
                thead { tr { th scope="col" { "Variant" } th scope="col" class="num" { (metric) } th scope="col" { "When" } } }
                tbody {
                    @for point in improvements.iter().rev() {
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

struct Plot {
    from: i64,
    to: i64,
    axis: ValueAxis,
}

impl Plot {
    fn new(chart: &ScoreChart<'_>, best: f64) -> Self {
        let millis = |at: Option<Timestamp>| at.map_or(0, |at| at.instant().as_millisecond());
        let end = |share| (chart.quantile)(share).unwrap_or(best);
        // Outliers must not flatten all other values: the range is the 5th to the 95th percentile and some room, cut to
        // the measured values. It always includes the best; the line is monotone, so it stays inside once it has
        // entered.
        let room = (end(0.95) - end(0.05)) * 0.25;
        let low = (end(0.05) - room).max(end(0.0));
        let high = (end(0.95) + room).min(end(1.0));
        let (low, high) = match chart.direction {
            Direction::Maximize => (low, high.max(best)),
            Direction::Minimize => (low.min(best), high),
        };
        Self {
            from: millis(chart.points.first().map(|point| point.at)),
            to: millis(chart.until),
            axis: ValueAxis::covering(low, high),
        }
    }

    fn values(&self) -> RangeInclusive<f64> {
        self.axis.low..=self.axis.high
    }

    fn contains(&self, value: f64) -> bool {
        self.values().contains(&value)
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

    fn dot(&self, point: &ScorePoint) -> Markup {
        let (x, y) = (self.x(point.at.instant().as_millisecond()), self.y(point.value));
        html! {
            // Not in the tab order, which hundreds of dots would fill; the table below has the improvements.
            a href=[point.href.as_deref()] tabindex="-1" class=[point.improvement.then_some("improvement")] {
                circle cx=(x) cy=(y) r="2.5" { title { (point.label) ": " (number(point.value)) } }
            }
        }
    }

    /// The line of the best so far. It starts where the best enters the range of the plot.
    fn best_line(&self, improvements: &[&ScorePoint]) -> String {
        let visible = improvements.iter().filter(|point| self.contains(point.value));
        let points = visible.map(|point| (self.x(point.at.instant().as_millisecond()), self.y(point.value)));
        step_line(points, self.x(self.to))
    }
}

fn clock_text(millis: i64, pattern: &str) -> String {
    jiff::Timestamp::from_millisecond(millis)
        .map(|at| at.strftime(pattern).to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[f64], direction: Direction) -> Vec<ScorePoint> {
        let start: Timestamp = "2026-01-02T03:04:05.000Z".parse().expect("a time");
        let mut best = None;
        let point = |(index, value): (usize, &f64)| ScorePoint {
            at: jiff::Timestamp::from_millisecond(start.instant().as_millisecond() + index as i64 * 7_000)
                .expect("in range")
                .into(),
            value: *value,
            improvement: {
                let improves = best.is_none_or(|best| direction.better(*value, best));
                best = if improves { Some(*value) } else { best };
                improves
            },
            href: Some(format!("/v/{index}")),
            label: format!("v{index}"),
        };
        values.iter().enumerate().map(point).collect()
    }

    /// What is drawn of these values by a chart that is given all of them.
    fn with_chart<T>(values: &[f64], direction: Direction, draw: impl FnOnce(&ScoreChart<'_>) -> T) -> T {
        let points = points(values, direction);
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        draw(&ScoreChart {
            metric: "score",
            direction,
            points: &points,
            total: values.len(),
            improvements: points.iter().filter(|point| point.improvement).count(),
            until: points.last().map(|point| point.at),
            quantile: &|share| {
                let last = sorted.len().checked_sub(1)?;
                Some(sorted[(last as f64 * share).round() as usize])
            },
            within: &|range| sorted.iter().filter(|value| range.contains(value)).count(),
        })
    }

    fn draw(values: &[f64], direction: Direction) -> String {
        with_chart(values, direction, |chart| chart.markup().0)
    }

    #[test]
    fn without_an_evaluation_there_is_an_empty_state() {
        assert!(draw(&[], Direction::Maximize).contains("No score yet"));
    }

    #[test]
    fn the_best_follows_the_direction() {
        let values = [0.5, 0.2, 0.9, 0.4];
        assert!(draw(&values, Direction::Maximize).contains(">0.9</a>"));
        assert!(draw(&values, Direction::Minimize).contains(">0.2</a>"));
    }

    #[test]
    fn evaluations_that_are_not_drawn_are_counted() {
        let values: Vec<f64> = (0..10).map(f64::from).collect();
        let chart = with_chart(&values, Direction::Maximize, |chart| {
            let (total, improvements) = (5_000, 20);
            ScoreChart {
                total,
                improvements,
                ..*chart
            }
            .markup()
            .0
        });
        assert!(chart.contains("10 of 5\u{202f}000 evaluations drawn"), "{chart}");
        assert!(chart.contains("10 of 20 improvements as a table"), "{chart}");
    }

    #[test]
    fn an_outlier_does_not_flatten_the_rest_and_is_counted() {
        let mut values = vec![1.0; 60];
        values.extend((0..60).map(|n| 1.0 + f64::from(n) / 60.0));
        values[30] = -1e6;
        let chart = draw(&values, Direction::Maximize);
        assert!(chart.contains("1 lie outside the plot"), "{chart}");
        assert!(chart.contains(">2</text>") && !chart.contains("000</text>"), "{chart}");
    }

    #[test]
    fn a_line_that_starts_below_the_plot_begins_where_it_enters() {
        let mut values = vec![-1e9, -1e8];
        values.extend((0..100).map(|n| 5.0 + f64::from(n % 10)));
        with_chart(&values, Direction::Maximize, |chart| {
            let plot = Plot::new(chart, 14.0);
            assert!(plot.contains(14.0) && !plot.contains(-1e8));
            let improvements: Vec<_> = chart.points.iter().filter(|point| point.improvement).collect();
            let line = plot.best_line(&improvements);
            let enters = plot.x(chart.points[2].at.instant().as_millisecond());
            assert!(line.starts_with(&format!("M{enters} ")), "{line}");
        });
    }
}
