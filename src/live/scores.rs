//! The objective over time: every measurement, and the steps of the best so far, kept as variants change.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::order::{Order, Sorted};
use super::rows::VariantRow;
use crate::protocol::{Direction, Timestamp, VariantId, VariantStatus};

/// Variants measured in the objective's metric.
#[derive(Debug, Clone)]
pub struct Scores {
    metric: Arc<str>,
    direction: Direction,
    /// In the order they were completed.
    measured: Sorted<VariantRow>,
    /// By what was measured.
    by_value: Sorted<VariantRow>,
    /// Those that were better than all before them.
    steps: Sorted<VariantRow>,
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score<'a> {
    /// Of which variant.
    pub variant: &'a VariantId,
    /// When the variant was completed.
    pub at: Timestamp,
    /// What was measured.
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
        // All of them are measured, so nothing is compared that is not there.
        let value = |row: &VariantRow| row.metric(&self.0).unwrap_or(f64::NAN);
        value(a).total_cmp(&value(b)).then_with(|| ByCompletion.compare(a, b))
    }
}

impl Scores {
    /// Those of some variants, in whatever order they come.
    pub(super) fn of(metric: &Arc<str>, direction: Direction, variants: &[Arc<VariantRow>]) -> Self {
        let is_measured = |row: &&Arc<VariantRow>| score(row, metric).is_some();
        let mut rows: Vec<_> = variants.iter().filter(is_measured).cloned().collect();
        let sorted = |rows: &mut Vec<Arc<VariantRow>>, order: Arc<dyn Order<VariantRow>>| {
            rows.sort_by(|a, b| order.compare(a, b));
            Sorted::of(order, rows)
        };
        let by_value = sorted(&mut rows, Arc::new(ByValue(metric.clone())));
        let measured = sorted(&mut rows, Arc::new(ByCompletion));
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

    /// A variant is now as it is in `row`.
    pub(super) fn put(&mut self, row: &Arc<VariantRow>, old: Option<&Arc<VariantRow>>) {
        let score = |row: &VariantRow| score(row, &self.metric).map(|score| (score.at, score.value));
        let (now, was) = (score(row), old.and_then(|old| score(old)));
        if let Some(old) = old.filter(|_| was.is_some() && now != was) {
            self.remove(old);
        }
        let Some((_, value)) = now else {
            return;
        };
        // What stayed as it was takes its own place again.
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
            // What it hid may be a step now, as far as the next one, which beats all that came before it anyhow.
            let next = self.steps.partition(|step| ByCompletion.compare(step, row).is_lt());
            let until = self.steps.get(next).map_or(usize::MAX, |next| {
                self.measured.partition(|held| ByCompletion.compare(held, next).is_lt())
            });
            self.find_steps(at, until);
        }
    }

    /// Finds the steps among the measurements at these positions; those before them are known.
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

    /// How many measurements there are.
    pub fn len(&self) -> usize {
        self.measured.len()
    }

    /// Whether nothing was measured yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The best so far; the earliest of equals.
    pub fn best(&self) -> Option<Score<'_>> {
        self.steps.iter().next_back().and_then(|row| self.read(row))
    }

    /// The last measurement.
    pub fn last(&self) -> Option<Score<'_>> {
        self.measured.iter().next_back().and_then(|row| self.read(row))
    }

    /// How many measurements were better than all before them.
    pub fn step_count(&self) -> usize {
        self.steps.len()
    }

    /// Those that were better than all before them, oldest first; of more than `most`, one from each of as many equally
    /// long stretches, and the last.
    pub fn steps(&self, most: usize) -> Vec<Score<'_>> {
        let count = self.steps.len();
        let last = count.checked_sub(1).filter(|_| count > most);
        let positions = evenly(count, most).chain(last);
        let rows = positions.filter_map(|at| self.steps.get(at));
        rows.filter_map(|row| self.read(row)).collect()
    }

    /// The measurements to draw, oldest first, and whether each is a step: all of them up to `most`, and of more, the
    /// steps (as [`Scores::steps`] has them) and one of each of equally long stretches, `most` in all and one more at most.
    pub fn downsampled(&self, most: usize) -> Vec<(Score<'_>, bool)> {
        let mut kept: BTreeMap<_, _> = self
            .steps(most)
            .into_iter()
            .map(|step| ((step.at, step.variant), (step, true)))
            .collect();
        let total = self.len();
        let room = match total <= most {
            true => total,
            false => most.saturating_sub(kept.len()).max(1),
        };
        for score in evenly(total, room).filter_map(|at| self.read(self.measured.get(at)?)) {
            kept.entry((score.at, score.variant)).or_insert((score, false));
        }
        kept.into_values().collect()
    }

    /// The value below which a share of the measurements lies.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let last = self.len().checked_sub(1)?;
        let at = (last as f64 * share).round() as usize;
        self.by_value.get(at)?.metric(&self.metric)
    }

    /// How many measurements lie in a range.
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

    /// What it takes in memory beside the rows, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.measured.weight() + self.by_value.weight() + self.steps.weight()
    }
}

/// The measurement of a variant, if it counts.
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

/// The first position of each of `number` equally long stretches of `total`; all of them when there are no more.
fn evenly(total: usize, number: usize) -> impl Iterator<Item = usize> {
    let number = number.min(total);
    (0..number).map(move |n| n * total / number)
}
