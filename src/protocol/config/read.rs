//! Reading a configuration and finding all its faults.

use super::block::{Block, Faults, UnplacedFault};
use super::fault::{ConfigFault, ConfigFaults, TextPosition};
use super::model::ExperimentConfig;
use super::node::Node;
use super::settings::{Baseline, IdeationPolicy, Settings, TerminationPolicy};
use super::store::Rules;
use super::{settings, store, yaml};
use crate::protocol::DispatchMode;

/// How many faults of one text are reported. Finding the position of each means reading the text again.
pub(super) const MOST_REPORTED: usize = 20;

impl ExperimentConfig {
    /// Reads a configuration from YAML, of which JSON is a part, by the rules of a task store: what is measured and
    /// who decides at first. Fields that only orchestrators and worker hosts read are kept as they are.
    ///
    /// Of a key that is given twice the last value counts, in the order of the first; mappings under `<<` are merged.
    ///
    /// # Errors
    /// All faults, each with its position, as sentences for the author of the text; of a text that is not YAML the
    /// first.
    pub fn from_yaml(text: &str) -> Result<Self, ConfigFaults> {
        Self::read(text, Rules::Store)
    }

    /// Reads a configuration by every rule that there is. Where the published JSON Schema and the reference's own
    /// reader of configurations differ, this follows the reader, which decides whether an experiment runs:
    ///
    /// - numbers that must be whole have no fraction, be it `.0`, and text is never taken for a number;
    /// - unknown keys of `dispatch_mode` may hold anything, and so may unknown keys everywhere but in
    ///   `auto_checkpoint`, which is closed;
    /// - a duration is above zero, and may have a clock form;
    /// - keys that belong to another kind of a policy are ignored;
    /// - no optional field may be `null`, except `ideation_policy.max_total`;
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
        let config = read_tree(&tree, |root| {
            let dispatch_mode = store::dispatch_mode(root, rules);
            if rules == Rules::All {
                settings::read(root, dispatch_mode);
            }
            store::read(root, rules)
        });
        config.map_err(|found| report(found, |at| yaml::position(text, at)))
    }

    /// What it tells orchestrators and worker hosts.
    ///
    /// # Errors
    /// Its faults, without positions, unless it was read by every rule.
    pub fn settings(&self) -> Result<Settings, ConfigFaults> {
        self.read_again(|root| {
            let dispatch_mode = store::dispatch_mode(root, Rules::Store);
            Some(settings::read(root, dispatch_mode))
        })
    }

    /// The dispatch mode the experiment starts with.
    ///
    /// # Errors
    /// When a known key is neither `auto` nor `manual`.
    pub fn initial_dispatch_mode(&self) -> Result<DispatchMode, ConfigFaults> {
        self.read_again(|root| Some(store::dispatch_mode(root, Rules::Store)))
    }

    /// When the experiment ends, of a configuration whose other fields may have faults.
    ///
    /// # Errors
    /// The faults of `termination_policy`.
    pub fn when_to_terminate(&self) -> Result<Option<TerminationPolicy>, ConfigFaults> {
        self.read_again(|root| Some(settings::termination_policy(root)))
    }

    /// When ideation tasks are created, of a configuration whose other fields may have faults; `None` when it does
    /// not say.
    ///
    /// # Errors
    /// The faults of `ideation_policy`.
    pub fn when_to_ideate(&self) -> Result<Option<IdeationPolicy>, ConfigFaults> {
        self.read_again(|root| Some(settings::ideation_policy(root)))
    }

    /// What becomes of the seed, of a configuration whose other fields may have faults.
    ///
    /// # Errors
    /// The faults of `baseline`.
    pub fn baseline(&self) -> Result<Baseline, ConfigFaults> {
        self.read_again(|root| Some(settings::baseline(root)))
    }

    fn read_again<T>(&self, read: impl FnOnce(&Block) -> Option<T>) -> Result<T, ConfigFaults> {
        let tree = serde_json::to_value(self).and_then(|value| Node::of(&value));
        let tree = tree.map_err(|fault| ConfigFaults::of_text(None, fault.to_string()))?;
        read_tree(&tree, read).map_err(|found| report(found, |_| None))
    }
}

/// What was read of a tree in which no fault was found.
fn read_tree<T>(tree: &Node, read: impl FnOnce(&Block) -> Option<T>) -> Result<T, Vec<UnplacedFault>> {
    let faults = Faults::default();
    let read = Block::root(tree, &faults).and_then(|root| read(&root));
    let found = faults.into_sorted();
    match read {
        Some(read) if found.is_empty() => Ok(read),
        _ => Err(found),
    }
}

fn report(found: Vec<UnplacedFault>, position: impl Fn(usize) -> Option<TextPosition>) -> ConfigFaults {
    let more = found.len().saturating_sub(MOST_REPORTED);
    let reported = found.into_iter().take(MOST_REPORTED).map(|fault| ConfigFault {
        position: position(fault.at),
        field: fault.field,
        message: fault.message,
    });
    ConfigFaults::new(reported.collect(), more)
}
