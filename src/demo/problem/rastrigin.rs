//! The minimum of Rastrigin's function: a bowl with a dip at every integer point.

use std::f64::consts::TAU;

use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;

/// Half the width of the domain.
const REACH: f64 = 5.12;

/// The genome is one coordinate a line; the least value, 0, is at the origin.
pub(super) struct Rastrigin {
    dimensions: usize,
    seed: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "operator", rename_all = "kebab-case")]
enum Move {
    /// Adds to coordinates, axis by axis.
    Step { axes: Vec<usize>, by: Vec<f64> },
    /// Goes `share` of the way to the second parent, or past it.
    Blend { share: f64 },
    /// The first parent's file up to byte `at`, then the second's: what happens in the middle of a
    /// number is left to chance, and may be no number at all.
    Splice { at: usize },
}

impl Rastrigin {
    pub(super) fn new(size: usize, seed: u64) -> Self {
        let dimensions = if size == 0 { 30 } else { size.clamp(1, 100) };
        Self { dimensions, seed }
    }

    fn parse(&self, genome: &str) -> Result<Vec<f64>, Unreadable> {
        let point = genome
            .lines()
            .enumerate()
            .map(|(line, text)| match text.trim().parse::<f64>() {
                Ok(x) if x.is_finite() => Ok(x),
                _ => Err(Unreadable(format!("line {}: {text:?} is no number", line + 1))),
            })
            .collect::<Result<Vec<_>, _>>()?;
        if point.len() == self.dimensions {
            Ok(point)
        } else {
            Err(Unreadable(format!(
                "{} coordinates where {} are needed",
                point.len(),
                self.dimensions
            )))
        }
    }

    fn outside(point: &[f64]) -> Option<String> {
        let (axis, x) = point.iter().enumerate().find(|(_, x)| x.abs() > REACH)?;
        Some(format!("coordinate {axis} is {x}, outside -{REACH} to {REACH}"))
    }

    /// One axis at a time mostly: creeping at some scale, or a hop of about one dip.
    fn step(&self, point: &[f64], rng: &mut Rng) -> (Move, f64) {
        let count = if rng.random_bool(0.8) {
            1
        } else {
            2.min(self.dimensions)
        };
        let mut axes: Vec<usize> = (0..count).map(|_| rng.random_range(0..self.dimensions)).collect();
        axes.dedup();
        let by: Vec<f64> = axes
            .iter()
            .map(|_| {
                let creep = 10_f64.powf(rng.random_range(-3.0..0.0)) * rng.random_range(-1.0..1.0);
                let hop = f64::from(rng.random_range(-1..=1));
                // Six digits are what the file holds.
                ((creep + hop) * 1e6).round() / 1e6
            })
            .collect();
        // The bowl alone for hops, since the ripple cancels over a whole dip; its slope for creeping.
        let gain = axes.iter().zip(&by).map(|(&axis, &by)| {
            let x = point[axis];
            if by.abs() > 0.5 {
                x * x - (x + by) * (x + by)
            } else {
                -by * slope(x)
            }
        });
        let gain = gain.sum();
        (Move::Step { axes, by }, gain)
    }
}

fn slope(x: f64) -> f64 {
    2.0 * x + 10.0 * TAU * (TAU * x).sin()
}

fn value(point: &[f64]) -> f64 {
    point.iter().map(|x| x * x - 10.0 * (TAU * x).cos() + 10.0).sum()
}

impl Problem for Rastrigin {
    fn file(&self) -> &'static str {
        "point.txt"
    }

    fn about(&self) -> String {
        format!(
            "# Rastrigin's valley\n\nThe sum over {} coordinates of x² - 10 cos 2πx + 10, each between -{REACH} and {REACH} \
             (seed {}). `point.txt` holds one coordinate a line. There is a dip at every integer point; the deepest, \
             0, is at the origin.\n",
            self.dimensions, self.seed
        )
    }

    fn metrics(&self) -> &'static [(&'static str, MetricType)] {
        &[
            ("value", MetricType::Real),
            ("slope", MetricType::Real),
            ("settled", MetricType::Integer),
        ]
    }

    fn initial(&self) -> String {
        let mut rng = rng(self.seed, "start");
        let point: Vec<f64> = (0..self.dimensions)
            .map(|_| rng.random_range(2.0..5.0) * if rng.random_bool(0.5) { 1.0 } else { -1.0 })
            .collect();
        write(&point)
    }

    fn propose(&self, parents: &[Parent<'_>], rng: &mut Rng) -> Result<Proposal, Unreadable> {
        let chosen = pick(parents, rng);
        let point = self.parse(parents[chosen].genome)?;
        let mate = match rng.random_range(0..100) {
            0..12 => mate(parents, chosen, rng),
            _ => None,
        };
        let (step, gain) = match mate {
            Some(_) if rng.random_bool(0.3) => {
                let at = rng.random_range(1..parents[chosen].genome.len().max(2));
                (Move::Splice { at }, -1.0)
            }
            Some(mate) => {
                let share = (rng.random_range(-0.3..1.3_f64) * 100.0).round() / 100.0;
                let gain = share * (parents[chosen].score - parents[mate].score);
                (Move::Blend { share }, gain.min(0.0))
            }
            None => {
                let mut best = self.step(&point, rng);
                for _ in 0..2 {
                    let next = self.step(&point, rng);
                    if next.1 > best.1 {
                        best = next;
                    }
                }
                best
            }
        };
        let (slug, why) = match &step {
            Move::Step { axes, by } => (
                format!(
                    "step-{}",
                    axes.iter().map(ToString::to_string).collect::<Vec<_>>().join("-")
                ),
                format!(
                    "Move coordinates {axes:?} by {by:?}: the slope there, or the bowl for a whole dip, falls that way."
                ),
            ),
            Move::Blend { share } => (
                format!("blend-{}", (share.abs() * 100.0).round()),
                format!("Go {share} of the way from the first parent to the second."),
            ),
            Move::Splice { at } => (
                format!("splice-{at}"),
                format!("Cut both files at byte {at} and join them; crude, but it leaves dips that steps cannot."),
            ),
        };
        Ok(Proposal {
            parents: [Some(chosen), mate].into_iter().flatten().collect(),
            slug,
            mutation: encode(&step),
            gain,
            why,
        })
    }

    fn apply(&self, parents: &[String], mutation: &Value) -> Result<String, ApplyError> {
        let step: Move = decode(mutation)?;
        let genome = first(parents)?;
        if let Move::Splice { at } = step {
            let (head, tail) = (genome.get(..at), second(parents)?.get(at..));
            let cut = || ApplyError::Mutation("the cut lies outside a parent".into());
            return Ok(format!("{}{}", head.ok_or_else(cut)?, tail.ok_or_else(cut)?));
        }
        let mut point = self.parse(genome)?;
        match step {
            Move::Step { axes, by } => {
                for (axis, by) in axes.into_iter().zip(by) {
                    let x = point.get_mut(axis);
                    *x.ok_or_else(|| ApplyError::Mutation(format!("there is no coordinate {axis}")))? += by;
                }
            }
            Move::Blend { share } => {
                for (x, y) in point.iter_mut().zip(self.parse(second(parents)?)?) {
                    *x += share * (y - *x);
                }
            }
            Move::Splice { .. } => {}
        }
        match Self::outside(&point) {
            Some(fault) => Err(ApplyError::Infeasible(fault)),
            None => Ok(write(&point)),
        }
    }

    fn measure(&self, genome: &str) -> Result<Measured, Unreadable> {
        let point = self.parse(genome)?;
        if let Some(fault) = Self::outside(&point) {
            return Ok(Measured::Invalid(fault));
        }
        let slope = point.iter().map(|&x| slope(x).powi(2)).sum::<f64>().sqrt();
        let settled = point.iter().filter(|x| x.abs() < 0.1).count();
        Ok(Measured::Valid(Evaluation::from_iter([
            ("value".to_owned(), json!(value(&point))),
            ("slope".to_owned(), json!(slope)),
            ("settled".to_owned(), json!(settled)),
        ])))
    }
}

fn write(point: &[f64]) -> String {
    point.iter().map(|x| format!("{x:.6}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_optimum_is_zero_at_the_origin() {
        let problem = Rastrigin::new(3, 1);
        let Ok(Measured::Valid(found)) = problem.measure("0\n0\n0\n") else {
            panic!("the origin is valid");
        };
        assert_eq!(found["value"], json!(0.0));
        assert_eq!(found["settled"], json!(3));
    }

    #[test]
    fn leaving_the_domain_is_infeasible() {
        let problem = Rastrigin::new(1, 1);
        let parent = ["5.000000\n".to_owned()];
        let step = json!({"operator": "step", "axes": [0], "by": [0.5]});
        assert!(matches!(problem.apply(&parent, &step), Err(ApplyError::Infeasible(_))));
        assert!(matches!(problem.measure("5.5\n"), Ok(Measured::Invalid(_))));
        let step = json!({"operator": "step", "axes": [1], "by": [0.5]});
        assert!(matches!(problem.apply(&parent, &step), Err(ApplyError::Mutation(_))));
    }

    #[test]
    fn a_splice_inside_a_number_can_be_unreadable() {
        let problem = Rastrigin::new(2, 1);
        let parents = ["1.000000\n2.000000\n".to_owned(), "-1.00000\n3.000000\n".to_owned()];
        let splice = |at: usize| problem.apply(&parents, &json!({"operator": "splice", "at": at}));
        let seam = splice(9).expect("text is joined unread");
        assert!(matches!(problem.measure(&seam), Ok(Measured::Valid(_))), "{seam}");
        let parents = ["1.5\n2.000000\n".to_owned(), "1.500000\n-2.00000\n".to_owned()];
        let broken = problem
            .apply(&parents, &json!({"operator": "splice", "at": 5}))
            .expect("text is joined unread");
        assert!(problem.measure(&broken).is_err() || problem.measure(&broken) != problem.measure(&parents[0]));
        assert!(problem.measure("1.0-2.0\n3\n").is_err());
    }
}
