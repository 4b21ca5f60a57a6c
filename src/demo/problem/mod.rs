//! The optimisation problems: pure functions from text to text and numbers, the same on every machine.
//!
//! A genome is the text of one file. Ideators call [`Problem::propose`], executors [`Problem::apply`],
//! evaluators [`Problem::measure`]; none trusts what the step before it claimed.

mod knapsack;
mod rastrigin;
mod sequence;
mod tour;

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::protocol::{Evaluation, MetricType};

/// A named algorithm, since the library's own choice may differ from release to release.
pub(super) type Rng = Xoshiro256PlusPlus;

/// The generator of one purpose: the same `seed` and `label` give the same numbers for good.
pub(super) fn rng(seed: u64, label: &str) -> Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(label.as_bytes());
    Rng::from_seed(hash.finalize().into())
}

/// A candidate to breed from.
pub(super) struct Parent<'a> {
    pub genome: &'a str,
    pub score: f64,
}

/// What an ideator wants tried.
#[derive(Debug)]
pub(super) struct Proposal {
    /// Indices into the parents offered, the one to change first.
    pub parents: Vec<usize>,
    /// Names the operator; a slug of EDEN (`ch02 §5.1`).
    pub slug: String,
    /// All the executor needs besides the parents.
    pub mutation: Value,
    /// Improvement hoped for, in units of the objective; an estimate, and negative when only exploring.
    pub gain: f64,
    /// The reason, for people.
    pub why: String,
}

/// Why an executor cannot make the candidate.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum ApplyError {
    /// A parent is not a genome of this problem.
    #[error("a parent cannot be read: {0}")]
    Parent(#[from] Unreadable),
    /// The mutation is none of this problem's.
    #[error("the mutation cannot be read: {0}")]
    Mutation(String),
    /// The candidate would break a constraint.
    #[error("infeasible: {0}")]
    Infeasible(String),
}

/// Text that is not a genome.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreadable(pub String);

/// What an evaluator found.
#[derive(Debug, PartialEq)]
pub(super) enum Measured {
    /// A solution, with its metrics.
    Valid(Evaluation),
    /// Readable but no solution: it breaks a constraint.
    Invalid(String),
}

/// One optimisation problem at one size and seed.
pub(super) trait Problem: Send + Sync {
    /// The file that holds the genome.
    fn file(&self) -> &'static str;
    /// What is to be solved, as the repository's README.
    fn about(&self) -> String;
    /// The metrics [`Problem::measure`] gives.
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

/// The problem of that name, if there is one; `size` 0 means its usual size.
pub(super) fn find(name: &str, size: usize, seed: u64) -> Option<Box<dyn Problem>> {
    Some(match name {
        "tour" => Box::new(tour::Tour::new(size, seed)),
        "rastrigin" => Box::new(rastrigin::Rastrigin::new(size, seed)),
        "low-autocorrelation" => Box::new(sequence::Sequence::new(size, seed)),
        "knapsack" => Box::new(knapsack::Knapsack::new(size, seed)),
        _ => return None,
    })
}

/// The names [`find`] knows, for messages.
pub(super) const NAMES: &str = "tour, rastrigin, low-autocorrelation, knapsack";

fn encode(mutation: &impl Serialize) -> Value {
    serde_json::to_value(mutation).unwrap_or(Value::Null)
}

fn decode<T: DeserializeOwned>(mutation: &Value) -> Result<T, ApplyError> {
    serde_json::from_value(mutation.clone()).map_err(|e| ApplyError::Mutation(e.to_string()))
}

fn second(parents: &[String]) -> Result<&str, ApplyError> {
    match parents {
        [_, second, ..] => Ok(second),
        _ => Err(ApplyError::Mutation("it needs two parents".into())),
    }
}

fn first(parents: &[String]) -> Result<&str, ApplyError> {
    match parents.first() {
        Some(first) => Ok(first),
        None => Err(ApplyError::Mutation("it needs a parent".into())),
    }
}

/// Mostly the best, sometimes another, so that one lineage does not take all.
fn pick(parents: &[Parent<'_>], rng: &mut Rng) -> usize {
    use rand::RngExt;
    if rng.random_bool(0.7) {
        0
    } else {
        rng.random_range(0..parents.len())
    }
}

/// A second parent other than `first` and of another score, if there is one.
fn mate(parents: &[Parent<'_>], first: usize, rng: &mut Rng) -> Option<usize> {
    use rand::RngExt;
    let score = parents.get(first)?.score;
    let others: Vec<usize> = (0..parents.len()).filter(|&i| parents[i].score != score).collect();
    (!others.is_empty()).then(|| others[rng.random_range(0..others.len())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Direction;

    /// A bare search on `problem`; gives the score before, after `steps`, and how many candidates failed.
    fn search(problem: &dyn Problem, metric: &str, direction: Direction, steps: u64) -> (f64, f64, u64) {
        let score = |genome: &str| match problem.measure(genome) {
            Ok(Measured::Valid(found)) => found[metric].as_f64(),
            _ => None,
        };
        let start = problem.initial();
        let begun = score(&start).expect("the initial genome is valid");
        let mut pool = vec![(start, begun)];
        let mut failed = 0;
        for step in 0..steps {
            let parents: Vec<Parent<'_>> = pool
                .iter()
                .map(|(genome, score)| Parent { genome, score: *score })
                .collect();
            let proposal = problem
                .propose(&parents, &mut rng(7, &step.to_string()))
                .expect("parents are valid");
            let chosen: Vec<String> = proposal.parents.iter().map(|&i| pool[i].0.clone()).collect();
            let made = problem.apply(&chosen, &proposal.mutation);
            match made.ok().and_then(|genome| Some((score(&genome)?, genome))) {
                Some((score, genome)) => pool.push((genome, score)),
                None => failed += 1,
            }
            pool.sort_by(|a, b| match direction {
                Direction::Minimize => a.1.total_cmp(&b.1),
                Direction::Maximize => b.1.total_cmp(&a.1),
            });
            pool.dedup_by(|a, b| a.1 == b.1);
            pool.truncate(12);
        }
        (begun, pool[0].1, failed)
    }

    #[test]
    fn every_search_improves_early_and_is_not_done_soon() {
        for (name, metric, direction) in [
            ("tour", "length", Direction::Minimize),
            ("rastrigin", "value", Direction::Minimize),
            ("low-autocorrelation", "merit_factor", Direction::Maximize),
            ("knapsack", "value", Direction::Maximize),
        ] {
            let problem = find(name, 0, 1).expect("a known name");
            let (begun, early, _) = search(&*problem, metric, direction, 20);
            let (_, later, failed) = search(&*problem, metric, direction, 400);
            let (_, late, _) = search(&*problem, metric, direction, 1200);
            println!("{name}: {begun} -> {early} -> {later} -> {late}, {failed} of 400 failed");
            assert!(
                direction.better(early, begun),
                "{name} does not move: {begun} to {early}"
            );
            assert!(direction.better(later, early), "{name} stops soon: {early} to {later}");
            assert!(direction.better(late, later), "{name} is done soon: {later} to {late}");
            assert!(failed < 80, "{name} fails too often: {failed} of 400");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_proposal() {
        let problem = find("tour", 0, 1).expect("a known name");
        let genome = problem.initial();
        let parents = [Parent {
            genome: &genome,
            score: 1.0,
        }];
        let propose = |label| problem.propose(&parents, &mut rng(3, label)).expect("valid").mutation;
        assert_eq!(propose("a"), propose("a"));
        assert_ne!(propose("a"), propose("b"));
    }

    #[test]
    fn what_is_measured_is_what_is_declared() {
        for name in NAMES.split(", ") {
            let problem = find(name, 0, 1).expect("a known name");
            let Ok(Measured::Valid(found)) = problem.measure(&problem.initial()) else {
                panic!("{name}: the initial genome is not valid");
            };
            assert_eq!(found.len(), problem.metrics().len(), "{name}");
            for (metric, kind) in problem.metrics() {
                assert!(kind.admits(&found[*metric]), "{name}.{metric}");
            }
        }
    }
}
