//! The minimum of Rastrigin's function: a bowl with a dip at every integer point.

use std::f64::consts::TAU;

use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::search_space::{
    ApplyError, Parents, Rng, SearchSpace, Unreadable, best_of, dashed, exactly, make_of_solutions, parse_lines, rng,
};
use crate::protocol::MetricType;

/// Half the width of the domain.
const REACH: f64 = 5.12;

/// The genome is one coordinate a line; the least value, 0, is at the origin.
pub(super) struct Rastrigin {
    dimensions: usize,
    seed: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "operator", rename_all = "kebab-case")]
pub(super) enum Move {
    /// Adds to coordinates, axis by axis.
    Step { axes: Vec<usize>, by: Vec<f64> },
    /// Goes `share` of the way to the second parent, or past it.
    Blend { share: f64 },
    /// The first parent's file up to byte `at`, then the second's. A cut inside a number may give text that is no number.
    Splice { at: usize },
}

impl Rastrigin {
    pub(super) fn new(size: usize, seed: u64) -> Self {
        let dimensions = if size == 0 { 30 } else { size.clamp(1, 100) };
        Self { dimensions, seed }
    }

    /// Mostly along one axis: a small step of some scale, or a hop of about one dip.
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
        // For a hop the bowl alone, since the ripple cancels over a whole dip; for a small step the slope.
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

impl SearchSpace for Rastrigin {
    type Solution = Vec<f64>;
    type Move = Move;

    const FILE: &'static str = "point.txt";
    const METRICS: &'static [(&'static str, MetricType)] = &[
        ("value", MetricType::Real),
        ("slope", MetricType::Real),
        ("settled", MetricType::Integer),
    ];
    const CROSSINGS: i32 = 12;

    fn about(&self) -> String {
        format!(
            "# Rastrigin's valley\n\nThe sum over {} coordinates of x² - 10 cos 2πx + 10, each between -{REACH} and {REACH} \
             (seed {}). `point.txt` holds one coordinate a line. There is a dip at every integer point; the deepest, \
             0, is at the origin.\n",
            self.dimensions, self.seed
        )
    }

    fn initial(&self) -> Vec<f64> {
        let mut rng = rng(self.seed, "start");
        (0..self.dimensions)
            .map(|_| rng.random_range(2.0..5.0) * if rng.random_bool(0.5) { 1.0 } else { -1.0 })
            .collect()
    }

    fn parse(&self, genome: &str) -> Result<Vec<f64>, Unreadable> {
        let point = parse_lines(genome, "number", |x: &f64| x.is_finite())?;
        exactly(self.dimensions, "coordinates", point)
    }

    fn write(point: &Vec<f64>) -> String {
        point.iter().map(|x| format!("{x:.6}\n")).collect()
    }

    fn choose(&self, parents: &Parents<'_, Vec<f64>>, rng: &mut Rng) -> (Move, f64) {
        match &parents.mate {
            Some(_) if rng.random_bool(0.3) => {
                let at = rng.random_range(1..parents.first.genome.len().max(2));
                (Move::Splice { at }, -1.0)
            }
            Some(mate) => {
                let share = (rng.random_range(-0.3..1.3_f64) * 100.0).round() / 100.0;
                let gain = share * (parents.first.score - mate.score);
                (Move::Blend { share }, gain.min(0.0))
            }
            None => best_of(3, || self.step(&parents.first.solution, rng)),
        }
    }

    fn describe(step: &Move) -> (String, String) {
        match step {
            Move::Step { axes, by } => (
                format!("step-{}", dashed(axes)),
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
        }
    }

    fn changed(&self, step: &Move, point: &Vec<f64>, other: Option<&Vec<f64>>) -> Option<Vec<f64>> {
        let mut made = point.clone();
        match step {
            Move::Step { axes, by } => {
                for (&axis, by) in axes.iter().zip(by) {
                    *made.get_mut(axis)? += by;
                }
            }
            Move::Blend { share } => {
                for (x, y) in made.iter_mut().zip(other?) {
                    *x += share * (y - *x);
                }
            }
            // A splice joins texts: see `make`.
            Move::Splice { .. } => return None,
        }
        Some(made)
    }

    fn make(&self, step: &Move, parents: &[String]) -> Result<String, ApplyError> {
        let Move::Splice { at } = *step else {
            return make_of_solutions(self, step, parents);
        };
        let head = parents.first().and_then(|first| first.get(..at));
        let tail = parents.get(1).and_then(|second| second.get(at..));
        let joined = head.zip(tail).map(|(head, tail)| format!("{head}{tail}"));
        joined.ok_or_else(ApplyError::misfit)
    }

    fn violation(&self, point: &Vec<f64>) -> Option<String> {
        let (axis, x) = point.iter().enumerate().find(|(_, x)| x.abs() > REACH)?;
        Some(format!("coordinate {axis} is {x}, outside -{REACH} to {REACH}"))
    }

    fn values(&self, point: &Vec<f64>) -> [Value; 3] {
        let slope = point.iter().map(|&x| slope(x).powi(2)).sum::<f64>().sqrt();
        let settled = point.iter().filter(|x| x.abs() < 0.1).count();
        [json!(value(point)), json!(slope), json!(settled)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Measured, Problem};
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
        assert!(problem.measure(&broken).is_err(), "{broken}");
        assert!(problem.measure("1.0-2.0\n3\n").is_err());
    }
}
