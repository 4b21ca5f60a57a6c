//! What the problems share: how a candidate is bred, made and measured.

use std::str::FromStr;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::protocol::{Evaluation, MetricType};

/// A named algorithm, since the library's default may differ from release to release.
pub type Rng = Xoshiro256PlusPlus;

/// The generator for one purpose: the same `seed` and `label` always give the same numbers.
pub fn rng(seed: u64, label: &str) -> Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(label.as_bytes());
    Rng::from_seed(hash.finalize().into())
}

/// A measured candidate to breed from.
pub struct Parent<'a> {
    pub genome: &'a str,
    pub score: f64,
}

/// What an ideator wants tried.
#[derive(Debug)]
pub struct Proposal {
    /// Indices into the parents offered, the one to change first.
    pub parents: Vec<usize>,
    /// Names the move; a slug of EDEN (`ch02 §5.1`).
    pub slug: String,
    /// All that the executor needs besides the parents.
    pub mutation: Value,
    /// The estimated improvement, in units of the objective; negative when only exploring.
    pub gain: f64,
    /// The reason, for people.
    pub why: String,
}

/// Why an executor cannot make a candidate.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum ApplyError {
    /// A parent is not a genome of this problem.
    #[error("a parent cannot be read: {0}")]
    Parent(#[from] Unreadable),
    /// The mutation is not one of this problem, or does not fit the parents.
    #[error("the mutation cannot be read: {0}")]
    Mutation(String),
    /// The candidate would break a constraint.
    #[error("infeasible: {0}")]
    Infeasible(String),
}

impl ApplyError {
    pub(super) fn misfit() -> Self {
        Self::Mutation("it names a place or a parent that is not there".into())
    }
}

/// Text that is not a genome.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// What an evaluator found.
#[derive(Debug, PartialEq)]
pub enum Measured {
    /// A solution, with its metrics.
    Valid(Evaluation),
    /// Readable, but it breaks a constraint.
    Invalid(String),
}

/// One optimisation problem of one size and seed, as the pilot uses it: everything is text.
pub trait Problem: Send + Sync {
    /// The file that holds the genome.
    fn file(&self) -> &'static str;
    /// What is to be solved, for the repository's README.
    fn about(&self) -> String;
    /// The metrics that [`Problem::measure`] gives.
    fn metrics(&self) -> &'static [(&'static str, MetricType)];
    /// The genome to begin with: valid, and poor.
    fn initial(&self) -> String;
    /// A change worth trying. `parents` is not empty and is ordered best first.
    fn propose(&self, parents: &[Parent<'_>], rng: &mut Rng) -> Result<Proposal, Unreadable>;
    /// The candidate that `mutation` makes of `parents`.
    fn apply(&self, parents: &[String], mutation: &Value) -> Result<String, ApplyError>;
    /// The true metrics of a genome.
    fn measure(&self, genome: &str) -> Result<Measured, Unreadable>;
}

/// The solutions of one problem and the moves between them, by type. It makes a [`Problem`].
pub(super) trait SearchSpace: Send + Sync {
    type Solution;
    type Move: Serialize + DeserializeOwned;

    const FILE: &'static str;
    const METRICS: &'static [(&'static str, MetricType)];
    /// So many of a hundred proposals cross two parents.
    const CROSSINGS: i32;

    fn about(&self) -> String;
    fn initial(&self) -> Self::Solution;
    fn parse(&self, genome: &str) -> Result<Self::Solution, Unreadable>;
    fn write(solution: &Self::Solution) -> String;

    /// A move from the first parent, or one that crosses it with its mate, and the estimated gain.
    fn choose(&self, parents: &Parents<'_, Self::Solution>, rng: &mut Rng) -> (Self::Move, f64);

    /// The slug of a move, and the reason for it.
    fn describe(step: &Self::Move) -> (String, String);

    /// What a move makes, which may break a constraint; none when it does not fit the parents.
    fn changed(
        &self,
        step: &Self::Move,
        first: &Self::Solution,
        second: Option<&Self::Solution>,
    ) -> Option<Self::Solution>;

    /// The constraint that a solution breaks, if it breaks one.
    fn violation(&self, _solution: &Self::Solution) -> Option<String> {
        None
    }

    /// The values of [`SearchSpace::METRICS`], in that order.
    fn values(&self, solution: &Self::Solution) -> [Value; 3];

    /// The genome that a move makes of the genomes of its parents.
    fn make(&self, step: &Self::Move, parents: &[String]) -> Result<String, ApplyError> {
        make_of_solutions(self, step, parents)
    }
}

/// What a proposal is bred from.
pub(super) struct Parents<'a, S> {
    pub first: Candidate<'a, S>,
    pub mate: Option<Candidate<'a, S>>,
}

/// A parent that has been read.
pub(super) struct Candidate<'a, S> {
    pub solution: S,
    pub genome: &'a str,
    pub score: f64,
}

impl<T: SearchSpace> Problem for T {
    fn file(&self) -> &'static str {
        T::FILE
    }

    fn about(&self) -> String {
        SearchSpace::about(self)
    }

    fn metrics(&self) -> &'static [(&'static str, MetricType)] {
        T::METRICS
    }

    fn initial(&self) -> String {
        T::write(&SearchSpace::initial(self))
    }

    fn propose(&self, parents: &[Parent<'_>], rng: &mut Rng) -> Result<Proposal, Unreadable> {
        let chosen = pick(parents, rng);
        let crosses = rng.random_range(0..100) < T::CROSSINGS;
        let mate = if crosses { pick_mate(parents, chosen, rng) } else { None };
        let read = |index: usize| -> Result<_, Unreadable> {
            let Parent { genome, score } = parents[index];
            let solution = self.parse(genome)?;
            Ok(Candidate {
                solution,
                genome,
                score,
            })
        };
        let read = Parents {
            first: read(chosen)?,
            mate: mate.map(read).transpose()?,
        };
        let (step, gain) = self.choose(&read, rng);
        let (slug, why) = T::describe(&step);
        Ok(Proposal {
            parents: [Some(chosen), mate].into_iter().flatten().collect(),
            slug,
            mutation: serde_json::to_value(&step).unwrap_or(Value::Null),
            // JSON has no infinity.
            gain: gain.max(-1e6),
            why,
        })
    }

    fn apply(&self, parents: &[String], mutation: &Value) -> Result<String, ApplyError> {
        let step = T::Move::deserialize(mutation).map_err(|e| ApplyError::Mutation(e.to_string()))?;
        self.make(&step, parents)
    }

    fn measure(&self, genome: &str) -> Result<Measured, Unreadable> {
        let solution = self.parse(genome)?;
        if let Some(broken) = self.violation(&solution) {
            return Ok(Measured::Invalid(broken));
        }
        let names = T::METRICS.iter().map(|(name, _)| (*name).to_owned());
        Ok(Measured::Valid(names.zip(self.values(&solution)).collect()))
    }
}

/// [`SearchSpace::make`] by way of the solutions.
pub(super) fn make_of_solutions<T: SearchSpace + ?Sized>(
    space: &T,
    step: &T::Move,
    parents: &[String],
) -> Result<String, ApplyError> {
    let [first, others @ ..] = parents else {
        return Err(ApplyError::misfit());
    };
    let first = space.parse(first)?;
    let second = others.first().map(|other| space.parse(other)).transpose()?;
    let made = space
        .changed(step, &first, second.as_ref())
        .ok_or_else(ApplyError::misfit)?;
    match space.violation(&made) {
        Some(broken) => Err(ApplyError::Infeasible(broken)),
        None => Ok(T::write(&made)),
    }
}

/// Mostly the best, sometimes another, so that one lineage does not displace all others.
fn pick(parents: &[Parent<'_>], rng: &mut Rng) -> usize {
    if rng.random_bool(0.7) {
        0
    } else {
        rng.random_range(0..parents.len())
    }
}

/// A second parent of another score than the first, if there is one.
fn pick_mate(parents: &[Parent<'_>], first: usize, rng: &mut Rng) -> Option<usize> {
    let score = parents.get(first)?.score;
    let others: Vec<usize> = (0..parents.len()).filter(|&i| parents[i].score != score).collect();
    (!others.is_empty()).then(|| others[rng.random_range(0..others.len())])
}

/// The best of `count` moves by their gain; of equal ones the first.
pub(super) fn best_of<M>(count: usize, mut choose: impl FnMut() -> (M, f64)) -> (M, f64) {
    let mut best = choose();
    for _ in 1..count {
        let next = choose();
        if next.1 > best.1 {
            best = next;
        }
    }
    best
}

/// Numbers for a slug, `3-14-15`.
pub(super) fn dashed<'a>(numbers: impl IntoIterator<Item = &'a usize>) -> String {
    let numbers: Vec<String> = numbers.into_iter().map(ToString::to_string).collect();
    numbers.join("-")
}

/// One value a line; `what` names one in the message.
pub(super) fn parse_lines<T: FromStr>(
    genome: &str,
    what: &str,
    is_valid: impl Fn(&T) -> bool,
) -> Result<Vec<T>, Unreadable> {
    let parse = |(line, text): (usize, &str)| {
        let value = text.trim().parse().ok().filter(&is_valid);
        value.ok_or_else(|| Unreadable(format!("line {}: {text:?} is no {what}", line + 1)))
    };
    genome.lines().enumerate().map(parse).collect()
}

/// The values when there are `count`; `what` names them in the message.
pub(super) fn exactly<T>(count: usize, what: &str, values: Vec<T>) -> Result<Vec<T>, Unreadable> {
    if values.len() == count {
        return Ok(values);
    }
    let found = values.len();
    Err(Unreadable(format!("{found} {what} where {count} are needed")))
}
