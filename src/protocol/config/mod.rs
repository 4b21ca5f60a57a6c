//! The experiment's configuration (`ch02 §2`, `ch02 §8`): what to measure and what to aim for.
//!
//! Two levels: a task store needs little and takes any configuration that has it ([`ExperimentConfig::from_yaml`]);
//! whoever writes one, or shows one from a file, holds it to every rule ([`ExperimentConfig::checked`]).

mod block;
mod duration;
mod fault;
mod metric;
mod node;
mod settings;
mod store;
#[cfg(test)]
mod tests;
mod yaml;

use serde::{Deserialize, Serialize};

use self::block::{Block, Faults};
use self::node::Node;
use super::{DispatchMode, Extra};

pub use fault::{ConfigFault, ConfigFaults, TextPosition};
pub use metric::{Direction, EvaluationSchema, MetricType, Objective};
pub use settings::{AutoCheckpoint, Baseline, Deadlines, IdeationPolicy, Settings, TerminationPolicy};
pub use yaml::from_yaml;

/// How many faults of one text are told; the place of each takes another look at the text.
const TOLD: usize = 20;

/// An experiment's configuration. Keys it does not know are kept (`ch02 §2`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExperimentConfig {
    /// How many variants may be in flight at once, at least 1.
    pub parallel_variants: u32,
    /// What is measured, in the order of the text; fixed for the life of the experiment (`ch08 §4.2`).
    pub evaluation_schema: EvaluationSchema,
    /// What to optimise.
    pub objective: Objective,
    /// The dispatch mode to begin with; absent keys take their defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatch_mode: Option<Extra>,
    /// When the orchestrator ends the experiment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_policy: Option<serde_json::Value>,
    /// Everything else, role bindings among it.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Which rules a configuration is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rules {
    Store,
    All,
}

impl ExperimentConfig {
    /// The most that a configuration has, in bytes.
    pub const LONGEST: usize = yaml::LONGEST;

    /// Reads a configuration from YAML, of which JSON is a part, as far as a task store goes: what is measured and
    /// who decides what to begin with. Fields that only orchestrators and worker hosts read are kept as they are.
    ///
    /// A key that is given twice counts as given last, in the place where it was first; mappings under `<<` are merged.
    ///
    /// # Errors
    /// All faults, each with its place, in words for the person who wrote the text; of a text that is not YAML the
    /// first.
    pub fn from_yaml(text: &str) -> Result<Self, ConfigFaults> {
        Self::read(text, Rules::Store)
    }

    /// The same, held to every rule that there is for a configuration. Where the published JSON Schema and the
    /// reference's own reader of configurations differ, this goes with the reader, which is what decides whether an
    /// experiment runs:
    ///
    /// - numbers that must be whole have no fraction, be it `.0`, and text is never taken for a number;
    /// - unknown keys of `dispatch_mode` may hold anything, and so may unknown keys everywhere but in
    ///   `auto_checkpoint`, which is closed;
    /// - a duration is above zero, and may have a clock form;
    /// - keys that belong to another kind of a policy are not looked at;
    /// - no optional field may be `null`, `ideation_policy.max_total` excepted;
    /// - `dispatch_mode.termination: auto` needs a `termination_policy`.
    ///
    /// One thing is stricter: numbers are finite, because the wire has no others.
    ///
    /// # Errors
    /// As [`ExperimentConfig::from_yaml`].
    pub fn checked(text: &str) -> Result<Self, ConfigFaults> {
        Self::read(text, Rules::All)
    }

    fn read(text: &str, rules: Rules) -> Result<Self, ConfigFaults> {
        let tree = yaml::read(text)?;
        let config = judge(&tree, |root| {
            let dispatch_mode = store::dispatch_mode(root, rules);
            if rules == Rules::All {
                settings::read(root, dispatch_mode);
            }
            store::read(root, rules)
        });
        config.map_err(|found| faults(found, |at| yaml::place(text, at)))
    }

    /// What it tells orchestrators and worker hosts.
    ///
    /// # Errors
    /// The faults in it, without places, when it was not held to every rule before.
    pub fn settings(&self) -> Result<Settings, ConfigFaults> {
        self.judge(|root| {
            let dispatch_mode = store::dispatch_mode(root, Rules::Store);
            Some(settings::read(root, dispatch_mode))
        })
    }

    /// The dispatch mode the experiment starts with.
    ///
    /// # Errors
    /// When a known key is neither `auto` nor `manual`.
    pub fn initial_dispatch_mode(&self) -> Result<DispatchMode, ConfigFaults> {
        self.judge(|root| Some(store::dispatch_mode(root, Rules::Store)))
    }

    fn judge<T>(&self, read: impl FnOnce(&Block) -> Option<T>) -> Result<T, ConfigFaults> {
        let tree = serde_json::to_value(self).and_then(|value| Node::of(&value));
        let tree = tree.map_err(|fault| ConfigFaults::of_text(None, fault.to_string()))?;
        judge(&tree, read).map_err(|found| faults(found, |_| None))
    }

    /// The metric that the objective is, when its expression is a single metric of the schema.
    pub fn objective_metric(&self) -> Option<&str> {
        let expr = self.objective.expr.trim();
        self.evaluation_schema.contains_key(expr).then_some(expr)
    }

    /// The first fault of an evaluation against the schema (`ch08 §4.3`), in words.
    pub fn evaluation_fault(&self, evaluation: &super::Evaluation) -> Option<String> {
        evaluation
            .iter()
            .find_map(|(name, value)| match self.evaluation_schema.get(name) {
                None => Some(format!("{name} is not a metric of this experiment")),
                Some(kind) if !kind.admits(value) => {
                    Some(format!("{name} must be {kind:?}, got {value}").to_lowercase())
                }
                Some(_) => None,
            })
    }
}

/// What was read of a tree in which no fault was found.
fn judge<T>(tree: &Node, read: impl FnOnce(&Block) -> Option<T>) -> Result<T, Vec<block::Found>> {
    let faults = Faults::default();
    let read = Block::root(tree, &faults).and_then(|root| read(&root));
    let found = faults.into_sorted();
    match read {
        Some(read) if found.is_empty() => Ok(read),
        _ => Err(found),
    }
}

fn faults(found: Vec<block::Found>, place: impl Fn(usize) -> Option<TextPosition>) -> ConfigFaults {
    let more = found.len().saturating_sub(TOLD);
    let told = found.into_iter().take(TOLD).map(|fault| ConfigFault {
        place: place(fault.at),
        field: fault.field,
        words: fault.words,
    });
    ConfigFaults::new(told.collect(), more)
}
