//! Binary sequences of low autocorrelation: signs whose shifted copies resemble them as little as possible.

use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::search_space::{Parents, Rng, SearchSpace, Unreadable, best_of, dashed, exactly, rng};
use crate::protocol::MetricType;

/// The genome is one line of `+` and `-`. The merit factor N²/2E is to be large, where E sums the squared
/// correlations with every shift.
pub(super) struct Sequence {
    length: usize,
    seed: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "operator", rename_all = "kebab-case")]
pub(super) enum Move {
    /// Turns signs over.
    Flip { at: Vec<usize> },
    /// Moves the first `by` signs to the end.
    Rotate { by: usize },
    /// The first parent's signs before `at`, the second's from there.
    Crossover { at: usize },
}

impl Sequence {
    pub(super) fn new(size: usize, seed: u64) -> Self {
        let length = if size == 0 { 101 } else { size.clamp(4, 400) };
        Self { length, seed }
    }
}

fn correlation(signs: &[i64], shift: usize) -> i64 {
    signs.iter().zip(&signs[shift..]).map(|(a, b)| a * b).sum()
}

fn energy(signs: &[i64], shifts: usize) -> i64 {
    (1..shifts).map(|shift| correlation(signs, shift).pow(2)).sum()
}

#[expect(clippy::cast_precision_loss, reason = "energies are far below 2^52")]
fn merit(length: usize, energy: i64) -> f64 {
    (length * length) as f64 / (2.0 * energy as f64)
}

impl SearchSpace for Sequence {
    type Solution = Vec<i64>;
    type Move = Move;

    const FILE: &'static str = "sequence.txt";
    const METRICS: &'static [(&'static str, MetricType)] = &[
        ("merit_factor", MetricType::Real),
        ("energy", MetricType::Integer),
        ("peak", MetricType::Integer),
    ];
    const CROSSINGS: i32 = 12;

    fn about(&self) -> String {
        format!(
            "# Quiet sequence\n\n`sequence.txt` holds {} signs (seed {}). The merit factor N²/2E compares their number \
             with E, the sum of the squared correlations with all shifted copies; radar pulses want it large. Random \
             signs have about 1, and 6 is very good.\n",
            self.length, self.seed
        )
    }

    fn initial(&self) -> Vec<i64> {
        let mut rng = rng(self.seed, "start");
        (0..self.length)
            .map(|_| if rng.random_bool(0.5) { 1 } else { -1 })
            .collect()
    }

    fn parse(&self, genome: &str) -> Result<Vec<i64>, Unreadable> {
        let sign = |sign| match sign {
            '+' => Ok(1),
            '-' => Ok(-1),
            other => Err(Unreadable(format!("{other:?} is neither + nor -"))),
        };
        let signs = genome.trim_end().chars().map(sign).collect::<Result<_, _>>()?;
        exactly(self.length, "signs", signs)
    }

    fn write(signs: &Vec<i64>) -> String {
        let mut text: String = signs.iter().map(|&sign| if sign > 0 { '+' } else { '-' }).collect();
        text.push('\n');
        text
    }

    fn choose(&self, parents: &Parents<'_, Vec<i64>>, rng: &mut Rng) -> (Move, f64) {
        let n = self.length;
        let mate = parents.mate.as_ref().map(|mate| &mate.solution);
        // Only short shifts are estimated, so that the evaluator finds out something new.
        let shifts = n / 2 + 1;
        let merit = |signs: &[i64]| merit(n, energy(signs, shifts).max(1));
        let before = merit(&parents.first.solution);
        best_of(8, || {
            let step = if mate.is_some() {
                Move::Crossover {
                    at: rng.random_range(1..n),
                }
            } else if rng.random_bool(0.05) {
                Move::Rotate {
                    by: rng.random_range(1..n),
                }
            } else {
                let count = [1, 1, 1, 2, 2, 3][rng.random_range(0..6)];
                let mut at: Vec<usize> = (0..count).map(|_| rng.random_range(0..n)).collect();
                at.sort_unstable();
                at.dedup();
                Move::Flip { at }
            };
            let made = self.changed(&step, &parents.first.solution, mate);
            let gain = made.map_or(0.0, |made| merit(&made) - before);
            (step, gain)
        })
    }

    fn describe(step: &Move) -> (String, String) {
        match step {
            Move::Flip { at } => (
                format!("flip-{}", dashed(at)),
                format!("Turn the signs at {at:?} over: correlations at shifts up to half the length shrink."),
            ),
            Move::Rotate { by } => (
                format!("rotate-{by}"),
                format!("Move the first {by} signs to the end: the ends meet differently, the middle stays."),
            ),
            Move::Crossover { at } => (
                format!("crossover-{at}"),
                format!("The first parent up to sign {at}, the second from there."),
            ),
        }
    }

    fn changed(&self, step: &Move, signs: &Vec<i64>, other: Option<&Vec<i64>>) -> Option<Vec<i64>> {
        let mut made = signs.clone();
        match step {
            Move::Flip { at } => {
                for &place in at {
                    let sign = made.get_mut(place)?;
                    *sign = -*sign;
                }
            }
            Move::Rotate { by } => made.rotate_left(Some(*by).filter(|by| *by <= signs.len())?),
            Move::Crossover { at } => made.get_mut(*at..)?.copy_from_slice(other?.get(*at..)?),
        }
        Some(made)
    }

    fn values(&self, signs: &Vec<i64>) -> [Value; 3] {
        let energy = energy(signs, self.length);
        let peak = (1..self.length).map(|shift| correlation(signs, shift).abs()).max();
        [json!(merit(self.length, energy)), json!(energy), json!(peak)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Measured, Problem};
    use super::*;

    #[test]
    fn the_barker_sequence_of_thirteen_has_its_known_merit() {
        let Ok(Measured::Valid(found)) = Sequence::new(13, 0).measure("+++++--++-+-+\n") else {
            panic!("a Barker sequence is valid");
        };
        assert_eq!(found["energy"], json!(6));
        assert_eq!(found["peak"], json!(1));
        assert!((found["merit_factor"].as_f64().expect("a number") - 14.083).abs() < 0.001);
    }

    #[test]
    fn moves_do_what_their_names_say() {
        let problem = Sequence::new(4, 0);
        let parents = ["++--\n".to_owned(), "-+-+\n".to_owned()];
        let apply = |mutation| problem.apply(&parents, &mutation);
        assert_eq!(
            apply(json!({"operator": "flip", "at": [0, 3]})).as_deref(),
            Ok("-+-+\n")
        );
        assert_eq!(apply(json!({"operator": "rotate", "by": 1})).as_deref(), Ok("+--+\n"));
        assert_eq!(
            apply(json!({"operator": "crossover", "at": 2})).as_deref(),
            Ok("++-+\n")
        );
        assert!(apply(json!({"operator": "flip", "at": [4]})).is_err());
        assert!(apply(json!({"operator": "rotate", "by": 5})).is_err());
        assert!(problem.measure("+0+-\n").is_err());
    }
}
