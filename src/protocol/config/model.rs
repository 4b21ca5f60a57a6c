//! The configuration itself, as it is sent and as it is asked about.

use serde::{Deserialize, Serialize};

use super::metric::{EvaluationSchema, Objective};
use crate::protocol::{Evaluation, Extra};

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

impl ExperimentConfig {
    /// The most that the text of a configuration has, in bytes. Some parsers take the square of the length of a text.
    pub const LONGEST: usize = 64 * 1024;

    /// The metric that the objective is, when its expression is a single metric of the schema.
    pub fn objective_metric(&self) -> Option<&str> {
        let expr = self.objective.expr.trim();
        self.evaluation_schema.contains_key(expr).then_some(expr)
    }

    /// The first fault of an evaluation against the schema (`ch08 §4.3`), as a sentence.
    pub fn evaluation_fault(&self, evaluation: &Evaluation) -> Option<String> {
        evaluation
            .iter()
            .find_map(|(name, value)| match self.evaluation_schema.get(name) {
                None => Some(format!("{name} is not a metric of this experiment")),
                Some(kind) if !kind.admits(value) => Some(format!("{name} must be {kind}, got {value}")),
                Some(_) => None,
            })
    }
}
