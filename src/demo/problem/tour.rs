//! The shortest round trip through fixed cities.

use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;

/// Cities in a square of 100 km; the genome is one city number a line, in the order of the visit.
pub(super) struct Tour {
    cities: Vec<(f64, f64)>,
    seed: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "operator", rename_all = "kebab-case")]
enum Move {
    /// Reverses the stretch `from..=to`.
    TwoOpt { from: usize, to: usize },
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

    fn parse(&self, genome: &str) -> Result<Vec<usize>, Unreadable> {
        genome
            .lines()
            .enumerate()
            .map(|(line, text)| match text.trim().parse() {
                Ok(city) if city < self.cities.len() => Ok(city),
                _ => Err(Unreadable(format!("line {}: {text:?} is no city", line + 1))),
            })
            .collect()
    }

    fn fault(&self, tour: &[usize]) -> Option<String> {
        let mut visits = vec![0_usize; self.cities.len()];
        tour.iter().for_each(|&city| visits[city] += 1);
        let missing = visits.iter().filter(|&&n| n == 0).count();
        let again = visits.iter().filter(|&&n| n > 1).count();
        (missing + again > 0).then(|| format!("{missing} cities are left out and {again} are visited again"))
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

    fn local(&self, tour: &[usize], rng: &mut Rng) -> (Move, f64) {
        let n = tour.len();
        if rng.random_bool(0.7) {
            let (i, j) = (rng.random_range(0..n), rng.random_range(0..n));
            let (from, to) = (i.min(j), i.max(j));
            let (before, after) = (tour[(from + n - 1) % n], tour[(to + 1) % n]);
            let gain = if before == tour[to] {
                0.0
            } else {
                self.leg(before, tour[from]) + self.leg(tour[to], after)
                    - self.leg(before, tour[to])
                    - self.leg(tour[from], after)
            };
            (Move::TwoOpt { from, to }, gain)
        } else {
            let length = rng.random_range(1..=3);
            let (from, to) = (rng.random_range(0..=n - length), rng.random_range(0..n - length));
            let step = Move::OrOpt { from, length, to };
            let gain = Self::changed(tour, &[], &step).map_or(0.0, |made| self.length(tour) - self.length(&made));
            (step, gain)
        }
    }

    /// The new order, which may break the rules of a tour; none when a position is out of range.
    fn changed(tour: &[usize], other: &[usize], step: &Move) -> Option<Vec<usize>> {
        let mut made = tour.to_vec();
        match *step {
            Move::TwoOpt { from, to } => made.get_mut(from..=to)?.reverse(),
            Move::OrOpt { from, length, to } => {
                let end = from.checked_add(length).filter(|&end| end <= made.len())?;
                let moved: Vec<usize> = made.drain(from..end).collect();
                if to > made.len() {
                    return None;
                }
                made.splice(to..to, moved);
            }
            Move::OrderCrossover { from, to } => {
                let kept = tour.get(from..=to)?;
                let mut rest = other.iter().filter(|city| !kept.contains(city));
                for place in (0..from).chain(to + 1..tour.len()) {
                    made[place] = *rest.next()?;
                }
            }
            Move::Graft { from, to } => made.get_mut(from..=to)?.copy_from_slice(other.get(from..=to)?),
        }
        Some(made)
    }
}

impl Problem for Tour {
    fn file(&self) -> &'static str {
        "tour.txt"
    }

    fn about(&self) -> String {
        format!(
            "# Round trip\n\n{} cities lie in a square of 100 by 100 km (seed {}). `tour.txt` lists each once, in the \
             order of the visit; the trip ends where it began. Shorter is better.\n",
            self.cities.len(),
            self.seed
        )
    }

    fn metrics(&self) -> &'static [(&'static str, MetricType)] {
        &[
            ("length", MetricType::Real),
            ("longest_leg", MetricType::Real),
            ("crossings", MetricType::Integer),
        ]
    }

    fn initial(&self) -> String {
        write(&(0..self.cities.len()).collect::<Vec<_>>())
    }

    fn propose(&self, parents: &[Parent<'_>], rng: &mut Rng) -> Result<Proposal, Unreadable> {
        let chosen = pick(parents, rng);
        let tour = self.parse(parents[chosen].genome)?;
        let n = tour.len();
        let mate = match rng.random_range(0..100) {
            0..10 => mate(parents, chosen, rng),
            _ => None,
        };
        let (step, gain, with) = match mate {
            Some(mate) => {
                let length = rng.random_range(2..=n / 3 + 2).min(n - 1);
                let from = rng.random_range(0..n - length);
                let to = from + length;
                let other = self.parse(parents[mate].genome)?;
                let step = if rng.random_bool(0.25) {
                    Move::Graft { from, to }
                } else {
                    Move::OrderCrossover { from, to }
                };
                // Between the parents, somewhat below the better: what crossing good tours usually gives.
                let gain = 0.1 * (self.length(&other) - self.length(&tour)).min(0.0);
                (step, gain, Some(mate))
            }
            None => {
                let mut best = self.local(&tour, rng);
                for _ in 0..40 {
                    let next = self.local(&tour, rng);
                    if next.1 > best.1 {
                        best = next;
                    }
                }
                (best.0, best.1, None)
            }
        };
        let (slug, why) = match step {
            Move::TwoOpt { from, to } => (
                format!("two-opt-{from}-{to}"),
                format!("Reverse stops {from} to {to}: the two legs at its ends change, all others stay."),
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
        };
        Ok(Proposal {
            parents: [Some(chosen), with].into_iter().flatten().collect(),
            slug,
            mutation: encode(&step),
            gain,
            why,
        })
    }

    fn apply(&self, parents: &[String], mutation: &Value) -> Result<String, ApplyError> {
        let step: Move = decode(mutation)?;
        let tour = self.parse(first(parents)?)?;
        let other = match step {
            Move::OrderCrossover { .. } | Move::Graft { .. } => self.parse(second(parents)?)?,
            _ => Vec::new(),
        };
        let made = Self::changed(&tour, &other, &step)
            .ok_or_else(|| ApplyError::Mutation("a position lies outside the tour".into()))?;
        match self.fault(&made) {
            Some(fault) => Err(ApplyError::Infeasible(fault)),
            None => Ok(write(&made)),
        }
    }

    fn measure(&self, genome: &str) -> Result<Measured, Unreadable> {
        let tour = self.parse(genome)?;
        if let Some(fault) = self.fault(&tour) {
            return Ok(Measured::Invalid(fault));
        }
        let longest = self.legs(&tour).map(|(a, b)| self.leg(a, b)).fold(0.0, f64::max);
        Ok(Measured::Valid(Evaluation::from_iter([
            ("length".to_owned(), json!(self.length(&tour))),
            ("longest_leg".to_owned(), json!(longest)),
            ("crossings".to_owned(), json!(self.crossings(&tour))),
        ])))
    }
}

fn write(tour: &[usize]) -> String {
    tour.iter().map(|city| format!("{city}\n")).collect()
}

#[cfg(test)]
mod tests {
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
            &json!({"operator": "two-opt", "from": 1, "to": 2}),
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
    fn foreign_text_and_positions_are_refused_not_feared() {
        let tour = square();
        assert!(tour.measure("0\nfive\n").is_err());
        assert!(matches!(tour.measure("0\n1\n"), Ok(Measured::Invalid(_))));
        let parent = ["0\n1\n2\n3\n4\n".to_owned()];
        for mutation in [
            json!({"operator": "two-opt", "from": 3, "to": 9}),
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
