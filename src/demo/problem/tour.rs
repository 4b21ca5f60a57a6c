//! The shortest round trip through fixed cities.

use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::search_space::{Parents, Rng, SearchSpace, Unreadable, best_of, dashed, parse_lines, rng};
use crate::protocol::MetricType;

/// Cities in a square of 100 km; the genome is one city number a line, in the order of the visit.
pub(super) struct Tour {
    cities: Vec<(f64, f64)>,
    seed: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "operator", rename_all = "kebab-case")]
pub(super) enum Move {
    /// Reverses stretches, given by their first and last places, one after the other.
    TwoOpt { stretches: Vec<(usize, usize)> },
    /// Takes `length` cities at `from` out and puts them back before position `to` of the rest.
    OrOpt { from: usize, length: usize, to: usize },
    /// Keeps `from..=to` of the first parent and visits the others in the order of the second.
    OrderCrossover { from: usize, to: usize },
    /// Copies `from..=to` of the second parent over the same places of the first.
    Graft { from: usize, to: usize },
}

impl Tour {
    pub(super) fn new(size: usize, seed: u64) -> Self {
        let size = if size == 0 { 120 } else { size.clamp(5, 2000) };
        let mut rng = rng(seed, "cities");
        let cities = (0..size)
            .map(|_| (rng.random_range(0.0..100.0), rng.random_range(0.0..100.0)))
            .collect();
        Self { cities, seed }
    }

    fn leg(&self, a: usize, b: usize) -> f64 {
        let ((ax, ay), (bx, by)) = (self.cities[a], self.cities[b]);
        (ax - bx).hypot(ay - by)
    }

    fn legs<'a>(&'a self, tour: &'a [usize]) -> impl Iterator<Item = (usize, usize)> + 'a {
        tour.iter().copied().zip(tour.iter().copied().cycle().skip(1))
    }

    fn length(&self, tour: &[usize]) -> f64 {
        self.legs(tour).map(|(a, b)| self.leg(a, b)).sum()
    }

    fn crossings(&self, tour: &[usize]) -> usize {
        let side = |p: usize, q: usize, r: usize| {
            let ((px, py), (qx, qy), (rx, ry)) = (self.cities[p], self.cities[q], self.cities[r]);
            (qx - px) * (ry - py) - (qy - py) * (rx - px)
        };
        let legs: Vec<_> = self.legs(tour).collect();
        let mut count = 0;
        for (i, &(a, b)) in legs.iter().enumerate() {
            count += legs[i + 1..]
                .iter()
                .filter(|&&(c, d)| side(a, b, c) * side(a, b, d) < 0.0 && side(c, d, a) * side(c, d, b) < 0.0)
                .count();
        }
        count
    }

    /// One local move: mostly a reversal, else a few stops put elsewhere.
    fn local_move(&self, tour: &[usize], rng: &mut Rng) -> (Move, f64) {
        let n = tour.len();
        if rng.random_bool(0.7) {
            let (i, j) = (rng.random_range(0..n), rng.random_range(0..n));
            let (from, to) = (i.min(j), i.max(j));
            let stretches = vec![(from, to)];
            (Move::TwoOpt { stretches }, self.reversal_gain(tour, from, to))
        } else {
            let length = rng.random_range(1..=3);
            let (from, to) = (rng.random_range(0..=n - length), rng.random_range(0..n - length));
            let made = moved(tour, from, length, to);
            let gain = made.map_or(0.0, |made| self.length(tour) - self.length(&made));
            (Move::OrOpt { from, length, to }, gain)
        }
    }

    /// What reversing a stretch gains: only the legs at its ends change.
    fn reversal_gain(&self, tour: &[usize], from: usize, to: usize) -> f64 {
        let n = tour.len();
        let (before, after) = (tour[(from + n - 1) % n], tour[(to + 1) % n]);
        if before == tour[to] {
            return 0.0;
        }
        self.leg(before, tour[from]) + self.leg(tour[to], after)
            - self.leg(before, tour[to])
            - self.leg(tour[from], after)
    }

    /// The best of some local moves. Reversals go on while they gain, which takes long on a bad tour.
    fn improve(&self, tour: &[usize], rng: &mut Rng) -> (Move, f64) {
        let (mut step, mut gain) = best_of(41, || self.local_move(tour, rng));
        while let Move::TwoOpt { stretches } = &mut step
            && stretches.len() < 3
            && let Some(made) = reversed(tour, stretches)
            && let (Move::TwoOpt { stretches: more }, further) = best_of(41, || self.local_move(&made, rng))
            && further > 0.0
        {
            stretches.extend(more);
            gain += further;
        }
        (step, gain)
    }
}

fn reversed(tour: &[usize], stretches: &[(usize, usize)]) -> Option<Vec<usize>> {
    let mut made = tour.to_vec();
    for &(from, to) in stretches {
        made.get_mut(from..=to)?.reverse();
    }
    Some(made)
}

fn moved(tour: &[usize], from: usize, length: usize, to: usize) -> Option<Vec<usize>> {
    let mut made = tour.to_vec();
    let end = from.checked_add(length).filter(|&end| end <= made.len())?;
    let taken: Vec<usize> = made.drain(from..end).collect();
    if to > made.len() {
        return None;
    }
    made.splice(to..to, taken);
    Some(made)
}

impl SearchSpace for Tour {
    type Solution = Vec<usize>;
    type Move = Move;

    const FILE: &'static str = "tour.txt";
    const METRICS: &'static [(&'static str, MetricType)] = &[
        ("length", MetricType::Real),
        ("longest_leg", MetricType::Real),
        ("crossings", MetricType::Integer),
    ];
    const CROSSINGS: i32 = 10;

    fn about(&self) -> String {
        format!(
            "# Round trip\n\n{} cities lie in a square of 100 by 100 km (seed {}). `tour.txt` lists each once, in the \
             order of the visit; the trip ends where it began. Shorter is better.\n",
            self.cities.len(),
            self.seed
        )
    }

    fn initial(&self) -> Vec<usize> {
        (0..self.cities.len()).collect()
    }

    fn parse(&self, genome: &str) -> Result<Vec<usize>, Unreadable> {
        parse_lines(genome, "city", |&city| city < self.cities.len())
    }

    fn write(tour: &Vec<usize>) -> String {
        tour.iter().map(|city| format!("{city}\n")).collect()
    }

    fn choose(&self, parents: &Parents<'_, Vec<usize>>, rng: &mut Rng) -> (Move, f64) {
        let tour = &parents.first.solution;
        let Some(mate) = &parents.mate else {
            return self.improve(tour, rng);
        };
        let n = tour.len();
        let length = rng.random_range(2..=n / 3 + 2).min(n - 1);
        let from = rng.random_range(0..n - length);
        let to = from + length;
        let step = if rng.random_bool(0.25) {
            Move::Graft { from, to }
        } else {
            Move::OrderCrossover { from, to }
        };
        // Crossing good tours usually gives one between them, somewhat worse than the better.
        let gain = 0.1 * (self.length(&mate.solution) - self.length(tour)).min(0.0);
        (step, gain)
    }

    fn describe(step: &Move) -> (String, String) {
        match step {
            Move::TwoOpt { stretches } => (
                format!("two-opt-{}", dashed(stretches.iter().flat_map(|(from, to)| [from, to]))),
                format!("Reverse the stretches {stretches:?} in turn: only the legs at their ends change, and shrink."),
            ),
            Move::OrOpt { from, length, to } => (
                format!("or-opt-{from}-{length}-{to}"),
                format!("Move {length} stops at {from} to place {to}: a detour may vanish there."),
            ),
            Move::OrderCrossover { from, to } => (
                format!("order-crossover-{from}-{to}"),
                format!("Keep stops {from} to {to} of the first parent, visit the rest in the second one's order."),
            ),
            Move::Graft { from, to } => (
                format!("graft-{from}-{to}"),
                format!("Put stops {from} to {to} of the second parent in as they are; a tour only if they fit."),
            ),
        }
    }

    fn changed(&self, step: &Move, tour: &Vec<usize>, other: Option<&Vec<usize>>) -> Option<Vec<usize>> {
        match *step {
            Move::TwoOpt { ref stretches } => reversed(tour, stretches),
            Move::OrOpt { from, length, to } => moved(tour, from, length, to),
            Move::OrderCrossover { from, to } => {
                let mut made = tour.clone();
                let kept = tour.get(from..=to)?;
                let mut rest = other?.iter().filter(|city| !kept.contains(city));
                for place in (0..from).chain(to + 1..tour.len()) {
                    made[place] = *rest.next()?;
                }
                Some(made)
            }
            Move::Graft { from, to } => {
                let mut made = tour.clone();
                made.get_mut(from..=to)?.copy_from_slice(other?.get(from..=to)?);
                Some(made)
            }
        }
    }

    fn violation(&self, tour: &Vec<usize>) -> Option<String> {
        let mut visits = vec![0_usize; self.cities.len()];
        tour.iter().for_each(|&city| visits[city] += 1);
        let missing = visits.iter().filter(|&&n| n == 0).count();
        let again = visits.iter().filter(|&&n| n > 1).count();
        (missing + again > 0).then(|| format!("{missing} cities are left out and {again} are visited again"))
    }

    fn values(&self, tour: &Vec<usize>) -> [Value; 3] {
        let longest = self.legs(tour).map(|(a, b)| self.leg(a, b)).fold(0.0, f64::max);
        [json!(self.length(tour)), json!(longest), json!(self.crossings(tour))]
    }
}

#[cfg(test)]
mod tests {
    use super::super::search_space::{ApplyError, Measured, Parent, Problem};
    use super::*;

    fn square() -> Tour {
        Tour {
            cities: vec![(0.0, 0.0), (0.0, 10.0), (10.0, 10.0), (10.0, 0.0), (5.0, 0.0)],
            seed: 0,
        }
    }

    fn metric(tour: &Tour, genome: &str, name: &str) -> f64 {
        match tour.measure(genome) {
            Ok(Measured::Valid(found)) => found[name].as_f64().expect("a number"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_optimum_of_a_square_is_its_rim() {
        let tour = square();
        assert_eq!(metric(&tour, "0\n1\n2\n3\n4\n", "length"), 40.0);
        assert_eq!(metric(&tour, "0\n1\n2\n3\n4\n", "crossings"), 0.0);
        assert_eq!(metric(&tour, "0\n2\n1\n3\n4\n", "crossings"), 1.0);
    }

    #[test]
    fn two_opt_uncrosses_and_its_gain_is_true() {
        let tour = square();
        let crossed = "0\n2\n1\n3\n4\n".to_owned();
        let made = tour.apply(
            std::slice::from_ref(&crossed),
            &json!({"operator": "two-opt", "stretches": [[1, 2]]}),
        );
        assert_eq!(made.as_deref(), Ok("0\n1\n2\n3\n4\n"));
        for label in ["a", "b", "c", "d"] {
            let parent = Parent {
                genome: &crossed,
                score: 1.0,
            };
            let proposal = tour.propose(&[parent], &mut rng(1, label)).expect("valid");
            let made = tour
                .apply(std::slice::from_ref(&crossed), &proposal.mutation)
                .expect("feasible");
            let gained = metric(&tour, &crossed, "length") - metric(&tour, &made, "length");
            assert!((gained - proposal.gain).abs() < 1e-9, "{}", proposal.slug);
        }
    }

    #[test]
    fn a_graft_that_repeats_a_city_is_infeasible() {
        let parents = ["0\n1\n2\n3\n4\n".to_owned(), "4\n0\n1\n2\n3\n".to_owned()];
        let made = square().apply(&parents, &json!({"operator": "graft", "from": 0, "to": 1}));
        assert!(matches!(made, Err(ApplyError::Infeasible(_))), "{made:?}");
        let crossed = square().apply(&parents, &json!({"operator": "order-crossover", "from": 0, "to": 1}));
        assert_eq!(crossed.as_deref(), Ok("0\n1\n4\n2\n3\n"));
    }

    #[test]
    fn foreign_text_and_positions_are_refused() {
        let tour = square();
        assert!(tour.measure("0\nfive\n").is_err());
        assert!(matches!(tour.measure("0\n1\n"), Ok(Measured::Invalid(_))));
        let parent = ["0\n1\n2\n3\n4\n".to_owned()];
        for mutation in [
            json!({"operator": "two-opt", "stretches": [[3, 9]]}),
            json!({"operator": "two-opt", "stretches": [[3, 1]]}),
            json!({"operator": "or-opt", "from": 4, "length": 2, "to": 0}),
            json!({"operator": "graft", "from": 0, "to": 1}),
            json!(null),
        ] {
            assert!(
                matches!(tour.apply(&parent, &mutation), Err(ApplyError::Mutation(_))),
                "{mutation}"
            );
        }
    }
}
