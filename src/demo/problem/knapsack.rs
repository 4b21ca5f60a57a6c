//! The most valuable load that a knapsack can carry.

use std::collections::BTreeSet;

use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;

/// The genome is one item name a line. Weights and values go together, which makes the choice hard.
pub(super) struct Knapsack {
    /// Weight and value.
    items: Vec<(u32, u32)>,
    capacity: u32,
    seed: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "operator", rename_all = "kebab-case")]
enum Move {
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

    fn weight(&self, load: &BTreeSet<usize>) -> u32 {
        load.iter().map(|&item| self.items[item].0).sum()
    }

    fn value(&self, load: &BTreeSet<usize>) -> u32 {
        load.iter().map(|&item| self.items[item].1).sum()
    }

    fn fault(&self, load: &BTreeSet<usize>) -> Option<String> {
        let weight = self.weight(load);
        (weight > self.capacity).then(|| format!("{weight} is heavier than the {} it carries", self.capacity))
    }

    fn changed(load: &BTreeSet<usize>, other: &BTreeSet<usize>, step: &Move) -> BTreeSet<usize> {
        let mut made = load.clone();
        match step {
            Move::Pack { item } => {
                made.insert(*item);
            }
            Move::Swap { out, pack } => {
                out.iter().for_each(|item| {
                    made.remove(item);
                });
                made.extend(pack);
            }
            Move::Crossover { at } => made = load.range(..at).chain(other.range(at..)).copied().collect(),
        }
        made
    }

    fn choose(&self, load: &BTreeSet<usize>, rng: &mut Rng) -> Move {
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

impl Problem for Knapsack {
    fn file(&self) -> &'static str {
        "load.txt"
    }

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

    fn metrics(&self) -> &'static [(&'static str, MetricType)] {
        &[
            ("value", MetricType::Integer),
            ("weight", MetricType::Integer),
            ("items", MetricType::Integer),
        ]
    }

    fn initial(&self) -> String {
        let mut load = BTreeSet::new();
        for item in 0..self.items.len() / 5 {
            if self.weight(&load) + self.items[item].0 <= self.capacity {
                load.insert(item);
            }
        }
        write(&load)
    }

    fn propose(&self, parents: &[Parent<'_>], rng: &mut Rng) -> Result<Proposal, Unreadable> {
        let chosen = pick(parents, rng);
        let load = self.parse(parents[chosen].genome)?;
        let mate = match rng.random_range(0..100) {
            0..8 => mate(parents, chosen, rng),
            _ => None,
        };
        let other = match mate {
            Some(mate) => self.parse(parents[mate].genome)?,
            None => BTreeSet::new(),
        };
        // Now and then an ideator is careless with the scales, and an executor has to refuse.
        let slack = if rng.random_bool(0.06) { self.capacity / 50 } else { 0 };
        let mut best: Option<(Move, f64)> = None;
        for _ in 0..12 {
            let step = match mate {
                Some(_) => Move::Crossover {
                    at: rng.random_range(1..self.items.len()),
                },
                None => self.choose(&load, rng),
            };
            let made = Self::changed(&load, &other, &step);
            let hopeless = self.weight(&made) > self.capacity + slack;
            let gain = f64::from(self.value(&made)) - f64::from(self.value(&load));
            let gain = if hopeless { f64::NEG_INFINITY } else { gain };
            if best.as_ref().is_none_or(|(_, most)| gain > *most) {
                best = Some((step, gain));
            }
        }
        let (step, gain) = best.unwrap_or((Move::Pack { item: 0 }, 0.0));
        let join = |items: &[usize]| items.iter().map(ToString::to_string).collect::<Vec<_>>().join("-");
        let (slug, why) = match &step {
            Move::Pack { item } => (format!("pack-{item}"), format!("Put item-{item} in as well.")),
            Move::Swap { out, pack } => (
                format!("swap-{}-for-{}", join(out), join(pack)),
                format!("Take items {out:?} out and put {pack:?} in: more value, if the weight allows."),
            ),
            Move::Crossover { at } => (
                format!("crossover-{at}"),
                format!("Items before {at} as in the first parent, the others as in the second."),
            ),
        };
        Ok(Proposal {
            parents: [Some(chosen), mate].into_iter().flatten().collect(),
            slug,
            mutation: encode(&step),
            gain: gain.max(-1e6),
            why,
        })
    }

    fn apply(&self, parents: &[String], mutation: &Value) -> Result<String, ApplyError> {
        let step: Move = decode(mutation)?;
        let load = self.parse(first(parents)?)?;
        let other = match step {
            Move::Crossover { .. } => self.parse(second(parents)?)?,
            _ => BTreeSet::new(),
        };
        let made = Self::changed(&load, &other, &step);
        if let Some(item) = made.iter().find(|&&item| item >= self.items.len()) {
            return Err(ApplyError::Mutation(format!("there is no item-{item}")));
        }
        match self.fault(&made) {
            Some(fault) => Err(ApplyError::Infeasible(fault)),
            None => Ok(write(&made)),
        }
    }

    fn measure(&self, genome: &str) -> Result<Measured, Unreadable> {
        let load = self.parse(genome)?;
        if let Some(fault) = self.fault(&load) {
            return Ok(Measured::Invalid(fault));
        }
        Ok(Measured::Valid(Evaluation::from_iter([
            ("value".to_owned(), json!(self.value(&load))),
            ("weight".to_owned(), json!(self.weight(&load))),
            ("items".to_owned(), json!(load.len())),
        ])))
    }
}

fn write(load: &BTreeSet<usize>) -> String {
    load.iter().map(|item| format!("item-{item}\n")).collect()
}

#[cfg(test)]
mod tests {
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
                match problem.measure(&write(&load)) {
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
