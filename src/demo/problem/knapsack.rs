//! The most valuable load that a knapsack can carry.

use std::collections::BTreeSet;

use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::search_space::{Parents, Rng, SearchSpace, Unreadable, best_of, dashed, rng};
use crate::protocol::MetricType;

/// The genome is one item name a line. Weights and values go together, which makes the choice hard.
pub(super) struct Knapsack {
    /// Weight and value.
    items: Vec<(u32, u32)>,
    capacity: u32,
    seed: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "operator", rename_all = "kebab-case")]
pub(super) enum Move {
    /// Puts an item in.
    Pack { item: usize },
    /// Takes items out and puts others in.
    Swap { out: Vec<usize>, pack: Vec<usize> },
    /// Items before `at` as in the first parent, the others as in the second.
    Crossover { at: usize },
}

impl Knapsack {
    pub(super) fn new(size: usize, seed: u64) -> Self {
        let size = if size == 0 { 200 } else { size.clamp(4, 1000) };
        let mut rng = rng(seed, "items");
        let items: Vec<(u32, u32)> = (0..size)
            .map(|_| {
                let weight = rng.random_range(50..1000);
                (weight, weight + rng.random_range(1..300))
            })
            .collect();
        let capacity = items.iter().map(|(weight, _)| weight).sum::<u32>() * 2 / 5;
        Self { items, capacity, seed }
    }

    fn weight(&self, load: &BTreeSet<usize>) -> u32 {
        load.iter().map(|&item| self.items[item].0).sum()
    }

    fn value(&self, load: &BTreeSet<usize>) -> u32 {
        load.iter().map(|&item| self.items[item].1).sum()
    }

    /// Puts one item in, or exchanges a few.
    fn step(&self, load: &BTreeSet<usize>, rng: &mut Rng) -> Move {
        let some = |from: &[usize], most: usize, rng: &mut Rng| -> Vec<usize> {
            let count = rng.random_range(1..=most);
            (0..count.min(from.len()))
                .map(|_| from[rng.random_range(0..from.len())])
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect()
        };
        let inside: Vec<usize> = load.iter().copied().collect();
        let outside: Vec<usize> = (0..self.items.len()).filter(|item| !load.contains(item)).collect();
        match some(&outside, 1, rng).as_slice() {
            [item] if rng.random_bool(0.3) => Move::Pack { item: *item },
            _ => Move::Swap {
                out: some(&inside, 2, rng),
                pack: some(&outside, 2, rng),
            },
        }
    }
}

impl SearchSpace for Knapsack {
    type Solution = BTreeSet<usize>;
    type Move = Move;

    const FILE: &'static str = "load.txt";
    const METRICS: &'static [(&'static str, MetricType)] = &[
        ("value", MetricType::Integer),
        ("weight", MetricType::Integer),
        ("items", MetricType::Integer),
    ];
    const CROSSINGS: i32 = 8;

    fn about(&self) -> String {
        let mut text = format!(
            "# Knapsack\n\nA knapsack carries {} (seed {}). `load.txt` names what is in it, one item a line; the more \
             value the better.\n\n| item | weight | value |\n|---|--:|--:|\n",
            self.capacity, self.seed
        );
        for (item, (weight, value)) in self.items.iter().enumerate() {
            text.push_str(&format!("| item-{item} | {weight} | {value} |\n"));
        }
        text
    }

    fn initial(&self) -> BTreeSet<usize> {
        let mut load = BTreeSet::new();
        for item in 0..self.items.len() / 5 {
            if self.weight(&load) + self.items[item].0 <= self.capacity {
                load.insert(item);
            }
        }
        load
    }

    fn parse(&self, genome: &str) -> Result<BTreeSet<usize>, Unreadable> {
        let mut load = BTreeSet::new();
        for name in genome.lines() {
            let item = name.strip_prefix("item-").and_then(|n| n.parse().ok());
            match item.filter(|&item| item < self.items.len()) {
                Some(item) if load.insert(item) => {}
                Some(_) => return Err(Unreadable(format!("{name} is packed twice"))),
                None => return Err(Unreadable(format!("there is no {name:?}"))),
            }
        }
        Ok(load)
    }

    fn write(load: &BTreeSet<usize>) -> String {
        load.iter().map(|item| format!("item-{item}\n")).collect()
    }

    fn choose(&self, parents: &Parents<'_, BTreeSet<usize>>, rng: &mut Rng) -> (Move, f64) {
        let load = &parents.first.solution;
        let mate = parents.mate.as_ref().map(|mate| &mate.solution);
        // A few proposals are too heavy on purpose, so that executors have something to refuse.
        let slack = if rng.random_bool(0.06) { self.capacity / 50 } else { 0 };
        best_of(12, || {
            let step = match mate {
                Some(_) => Move::Crossover {
                    at: rng.random_range(1..self.items.len()),
                },
                None => self.step(load, rng),
            };
            let made = self.changed(&step, load, mate);
            let fits = made.filter(|made| self.weight(made) <= self.capacity + slack);
            let gain = fits.map_or(f64::NEG_INFINITY, |made| {
                f64::from(self.value(&made)) - f64::from(self.value(load))
            });
            (step, gain)
        })
    }

    fn describe(step: &Move) -> (String, String) {
        match step {
            Move::Pack { item } => (format!("pack-{item}"), format!("Put item-{item} in as well.")),
            Move::Swap { out, pack } => (
                format!("swap-{}-for-{}", dashed(out), dashed(pack)),
                format!("Take items {out:?} out and put {pack:?} in: more value, if the weight allows."),
            ),
            Move::Crossover { at } => (
                format!("crossover-{at}"),
                format!("Items before {at} as in the first parent, the others as in the second."),
            ),
        }
    }

    fn changed(&self, step: &Move, load: &BTreeSet<usize>, other: Option<&BTreeSet<usize>>) -> Option<BTreeSet<usize>> {
        let made: BTreeSet<usize> = match step {
            Move::Pack { item } => load.iter().chain([item]).copied().collect(),
            Move::Swap { out, pack } => {
                let kept = load.iter().filter(|item| !out.contains(item));
                kept.chain(pack).copied().collect()
            }
            Move::Crossover { at } => load.range(..at).chain(other?.range(at..)).copied().collect(),
        };
        made.iter().all(|&item| item < self.items.len()).then_some(made)
    }

    fn violation(&self, load: &BTreeSet<usize>) -> Option<String> {
        let weight = self.weight(load);
        (weight > self.capacity).then(|| format!("{weight} is heavier than the {} it carries", self.capacity))
    }

    fn values(&self, load: &BTreeSet<usize>) -> [Value; 3] {
        [json!(self.value(load)), json!(self.weight(load)), json!(load.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::super::search_space::{ApplyError, Measured, Problem};
    use super::*;

    fn small() -> Knapsack {
        Knapsack {
            items: vec![(5, 10), (4, 40), (6, 30), (3, 50)],
            capacity: 10,
            seed: 0,
        }
    }

    #[test]
    fn no_load_of_the_textbook_case_beats_its_known_optimum() {
        let problem = small();
        let best = (0..16_usize)
            .filter_map(|mask| {
                let load = (0..4).filter(|item| mask >> item & 1 == 1).collect();
                match problem.measure(&Knapsack::write(&load)) {
                    Ok(Measured::Valid(found)) => found["value"].as_u64(),
                    _ => None,
                }
            })
            .max();
        assert_eq!(best, Some(90));
    }

    #[test]
    fn too_heavy_is_infeasible_and_nonsense_is_unreadable() {
        let problem = small();
        let parents = ["item-1\nitem-3\n".to_owned(), "item-0\nitem-2\n".to_owned()];
        let apply = |mutation| problem.apply(&parents, &mutation);
        assert!(matches!(
            apply(json!({"operator": "pack", "item": 2})),
            Err(ApplyError::Infeasible(_))
        ));
        assert!(matches!(
            apply(json!({"operator": "pack", "item": 9})),
            Err(ApplyError::Mutation(_))
        ));
        assert_eq!(
            apply(json!({"operator": "swap", "out": [1], "pack": [0]})).as_deref(),
            Ok("item-0\nitem-3\n")
        );
        assert_eq!(
            apply(json!({"operator": "crossover", "at": 2})).as_deref(),
            Ok("item-1\nitem-2\n")
        );
        assert!(problem.measure("item-1\nitem-1\n").is_err());
        assert!(problem.measure("item-4\n").is_err());
        assert!(matches!(problem.measure("item-0\nitem-2\n"), Ok(Measured::Invalid(_))));
    }
}
