//! The objective over time: every measurement, and the steps of the best value so far. Both are updated as variants
//! change.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::order::{Order, Sorted};
use super::rows::VariantRow;
use crate::protocol::{Direction, Timestamp, VariantId, VariantStatus};

/// The variants with a measurement of the objective's metric.
#[derive(Debug, Clone)]
pub struct Scores {
    metric: Arc<str>,
    direction: Direction,
    /// By completion.
    measured: Sorted<VariantRow>,
    /// By value.
    by_value: Sorted<VariantRow>,
    /// Those that were better than all before them, by completion.
    steps: Sorted<VariantRow>,
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score<'a> {
    /// The variant.
    pub variant: &'a VariantId,
    /// When the variant was completed.
    pub at: Timestamp,
    /// The measured value.
    pub value: f64,
}

struct ByCompletion;

impl Order<VariantRow> for ByCompletion {
    fn compare(&self, a: &VariantRow, b: &VariantRow) -> Ordering {
        (a.completed_at, &a.id).cmp(&(b.completed_at, &b.id))
    }
}

struct ByValue(Arc<str>);

impl Order<VariantRow> for ByValue {
    fn compare(&self, a: &VariantRow, b: &VariantRow) -> Ordering {
        // Only rows with a measurement are compared, so there always is a value.
        let value = |row: &VariantRow| row.metric(&self.0).unwrap_or(f64::NAN);
        value(a).total_cmp(&value(b)).then_with(|| ByCompletion.compare(a, b))
    }
}

impl Scores {
    /// The scores of variants that are given in any order.
    pub(super) fn of(metric: &Arc<str>, direction: Direction, variants: &[Arc<VariantRow>]) -> Self {
        let is_measured = |row: &&Arc<VariantRow>| score(row, metric).is_some();
        let mut rows: Vec<_> = variants.iter().filter(is_measured).cloned().collect();
        let by_value = Sorted::sorting(Arc::new(ByValue(metric.clone())), &mut rows);
        let measured = Sorted::sorting(Arc::new(ByCompletion), &mut rows);
        let mut scores = Self {
            metric: metric.clone(),
            direction,
            measured,
            by_value,
            steps: Sorted::new(Arc::new(ByCompletion)),
        };
        scores.find_steps(0, usize::MAX);
        scores
    }

    /// Records that a variant changed from `old` to `row`.
    pub(super) fn put(&mut self, row: &Arc<VariantRow>, old: Option<&Arc<VariantRow>>) {
        let score = |row: &VariantRow| score(row, &self.metric).map(|score| (score.at, score.value));
        let (now, was) = (score(row), old.and_then(|old| score(old)));
        if let Some(old) = old.filter(|_| was.is_some() && now != was) {
            self.remove(old);
        }
        let Some((_, value)) = now else {
            return;
        };
        // An unchanged score replaces itself at its position.
        self.measured.insert(row.clone());
        self.by_value.insert(row.clone());
        let at = self.steps.partition(|step| ByCompletion.compare(step, row).is_lt());
        let before = at.checked_sub(1).and_then(|before| self.value_of_step(before));
        if before.is_some_and(|before| !self.direction.better(value, before)) {
            return;
        }
        self.steps.insert(row.clone());
        while let Some(next) = self.steps.get(at + 1).cloned() {
            let beats = next
                .metric(&self.metric)
                .is_some_and(|next| self.direction.better(next, value));
            if beats {
                break;
            }
            self.steps.remove(&next);
        }
    }

    fn remove(&mut self, row: &VariantRow) {
        let at = self.measured.partition(|held| ByCompletion.compare(held, row).is_lt());
        self.measured.remove(row);
        self.by_value.remove(row);
        if self.steps.remove(row).is_some() {
            // Measurements after it may be steps now, up to the next step: that one beats all before it anyway.
            let next = self.steps.partition(|step| ByCompletion.compare(step, row).is_lt());
            let until = self.steps.get(next).map_or(usize::MAX, |next| {
                self.measured.partition(|held| ByCompletion.compare(held, next).is_lt())
            });
            self.find_steps(at, until);
        }
    }

    /// Finds the steps among the measurements at these positions. The steps before them must be known.
    fn find_steps(&mut self, from: usize, until: usize) {
        let mut best = self.measured.get(from).and_then(|first| {
            let at = self.steps.partition(|step| ByCompletion.compare(step, first).is_lt());
            self.value_of_step(at.checked_sub(1)?)
        });
        let mut found = Vec::new();
        for row in self.measured.range(from..until) {
            let Some(value) = row.metric(&self.metric) else {
                continue;
            };
            if best.is_none_or(|best| self.direction.better(value, best)) {
                best = Some(value);
                found.push(row.clone());
            }
        }
        for step in found {
            self.steps.insert(step);
        }
    }

    fn value_of_step(&self, at: usize) -> Option<f64> {
        self.steps.get(at)?.metric(&self.metric)
    }

    fn read<'a>(&self, row: &'a VariantRow) -> Option<Score<'a>> {
        score(row, &self.metric)
    }

    /// The number of measurements.
    pub fn len(&self) -> usize {
        self.measured.len()
    }

    /// Whether there is no measurement yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The best measurement so far; of equal ones the earliest.
    pub fn best(&self) -> Option<Score<'_>> {
        self.steps.iter().next_back().and_then(|row| self.read(row))
    }

    /// The last measurement.
    pub fn last(&self) -> Option<Score<'_>> {
        self.measured.iter().next_back().and_then(|row| self.read(row))
    }

    /// The number of measurements that were better than all before them.
    pub fn step_count(&self) -> usize {
        self.steps.len()
    }

    /// The measurements that were better than all before them, oldest first. If there are more than `max`: one from
    /// each of `max` equally long stretches, and the last.
    pub fn steps(&self, max: usize) -> Vec<Score<'_>> {
        let count = self.steps.len();
        let last = count.checked_sub(1).filter(|_| count > max);
        let positions = evenly(count, max).chain(last);
        let rows = positions.filter_map(|at| self.steps.get(at));
        rows.filter_map(|row| self.read(row)).collect()
    }

    /// The measurements to draw, oldest first, and whether each is a step. If there are more than `max`: the steps as
    /// [`Scores::steps`] gives them and one measurement from each of equally long stretches, at most `max` + 1 in all.
    pub fn downsampled(&self, max: usize) -> Vec<(Score<'_>, bool)> {
        let mut kept: BTreeMap<_, _> = self
            .steps(max)
            .into_iter()
            .map(|step| ((step.at, step.variant), (step, true)))
            .collect();
        let total = self.len();
        let room_left = match total <= max {
            true => total,
            false => max.saturating_sub(kept.len()).max(1),
        };
        for score in evenly(total, room_left).filter_map(|at| self.read(self.measured.get(at)?)) {
            kept.entry((score.at, score.variant)).or_insert((score, false));
        }
        kept.into_values().collect()
    }

    /// The value below which this fraction of the measurements lies.
    pub fn quantile(&self, fraction: f64) -> Option<f64> {
        let last = self.len().checked_sub(1)?;
        let at = (last as f64 * fraction).round() as usize;
        self.by_value.get(at)?.metric(&self.metric)
    }

    /// The number of measurements in a range.
    pub fn count_within(&self, range: &RangeInclusive<f64>) -> usize {
        let below = |limit: f64| {
            self.by_value
                .partition(|row| row.metric(&self.metric).is_some_and(|value| value < limit))
        };
        let up_to = |limit: f64| {
            self.by_value
                .partition(|row| row.metric(&self.metric).is_some_and(|value| value <= limit))
        };
        up_to(*range.end()).saturating_sub(below(*range.start()))
    }

    /// Memory beside the rows, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.measured.weight() + self.by_value.weight() + self.steps.weight()
    }
}

/// The measurement of a variant, if it counts: the variant succeeded, is complete and has a value.
fn score<'a>(row: &'a VariantRow, metric: &str) -> Option<Score<'a>> {
    match (row.status, row.completed_at) {
        (VariantStatus::Success, Some(at)) => Some(Score {
            variant: &row.id,
            at,
            value: row.metric(metric)?,
        }),
        _ => None,
    }
}

/// The first position of each of `number` equally long stretches of `total`; every position if `total` is no more.
fn evenly(total: usize, number: usize) -> impl Iterator<Item = usize> {
    let number = number.min(total);
    (0..number).map(move |n| n * total / number)
}
