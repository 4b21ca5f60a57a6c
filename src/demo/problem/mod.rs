//! The optimisation problems: pure functions from text to text and numbers, the same on every machine.
//!
//! A genome is the text of one file. Ideators call [`Problem::propose`], executors [`Problem::apply`], evaluators
//! [`Problem::measure`]; none trusts the result of an earlier step. Each problem is a [`search_space::SearchSpace`].

mod knapsack;
mod rastrigin;
mod search_space;
mod sequence;
mod tour;

pub(super) use search_space::{Measured, Parent, Problem, Proposal, rng};

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

/// The names that [`find`] knows, for messages.
pub(super) const NAMES: &str = "tour, rastrigin, low-autocorrelation, knapsack";

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
    fn the_measured_metrics_are_the_declared_ones() {
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
