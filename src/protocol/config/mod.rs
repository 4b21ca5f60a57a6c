//! The experiment's configuration (`ch02 §2`, `ch02 §8`): what to measure and what to aim for.
//!
//! Two levels of rules: a task store needs little and takes any configuration that has it
//! ([`ExperimentConfig::from_yaml`]); an author, or a page that shows a file, applies every rule
//! ([`ExperimentConfig::checked`]).
//!
//! A text is read into a tree ([`node`], [`yaml`]); its mappings are read field by field, and every fault is noted
//! ([`block`], [`store`], [`settings`]); the position of each fault is then looked up in the text ([`read`]).

mod block;
mod duration;
mod fault;
mod metric;
mod model;
mod node;
mod read;
mod settings;
mod store;
#[cfg(test)]
mod tests;
mod yaml;

pub use fault::{ConfigFault, ConfigFaults, TextPosition};
pub use metric::{Direction, EvaluationSchema, MetricType, Objective};
pub use model::ExperimentConfig;
pub use settings::{AutoCheckpoint, Baseline, Deadlines, IdeationPolicy, Settings, TerminationPolicy};
pub use yaml::from_yaml;
