//! The experiment's configuration (`ch02 §2`, `ch02 §8`): what to measure and what to aim for.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::weight::is_light;
use super::{DispatchMode, Extra};

/// The type of a metric in the evaluation schema (`ch02 §8`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricType {
    /// A number without a fraction.
    Integer,
    /// A finite number.
    Real,
    /// A string.
    Text,
}

impl MetricType {
    /// Whether a value of an evaluation may stand under a metric of this type; `null` always may (`ch02 §1.3`).
    pub fn admits(self, value: &serde_json::Value) -> bool {
        match (self, value) {
            (_, serde_json::Value::Null) | (Self::Text, serde_json::Value::String(_)) => true,
            (Self::Real, serde_json::Value::Number(number)) => number.as_f64().is_some_and(f64::is_finite),
            (Self::Integer, serde_json::Value::Number(number)) => {
                number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|n| n.fract() == 0.0)
            }
            _ => false,
        }
    }
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Larger is better.
    Maximize,
    /// Smaller is better.
    Minimize,
}

impl Direction {
    /// Whether `candidate` beats `best`.
    pub fn better(self, candidate: f64, best: f64) -> bool {
        match self {
            Self::Maximize => candidate > best,
            Self::Minimize => candidate < best,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Maximize => "maximize",
            Self::Minimize => "minimize",
        })
    }
}

/// What the experiment optimises.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objective {
    /// An expression over metric names. Switchboard draws it when it is the name of one metric.
    pub expr: String,
    /// Which way is better.
    pub direction: Direction,
}

/// An experiment's configuration. Keys it does not know are kept (`ch02 §2`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExperimentConfig {
    /// How many variants may be in flight at once, at least 1.
    pub parallel_variants: u32,
    /// Metric name to type; fixed for the life of the experiment (`ch08 §4.2`).
    pub evaluation_schema: BTreeMap<String, MetricType>,
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

/// Why a configuration is refused; each says what to mend.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not YAML, or a member is missing or of the wrong type.
    #[error("{0}")]
    Syntax(#[from] serde_yaml::Error),
    /// More text than any configuration needs; some parsers take the square of its length.
    #[error("a configuration has at most {LONGEST} bytes")]
    TooLong,
    /// Its aliases, written out, are more than any configuration needs.
    #[error("the aliases of the configuration stand for too much")]
    TooHeavy,
    /// `parallel_variants` is 0.
    #[error("parallel_variants must be at least 1")]
    NoParallelVariants,
    /// `evaluation_schema` is empty.
    #[error("evaluation_schema must name at least one metric")]
    NoMetrics,
    /// A metric name breaks the grammar or is reserved.
    #[error("evaluation_schema: {name:?} cannot be the name of a metric")]
    MetricName {
        /// The offending name.
        name: String,
    },
    /// `dispatch_mode` holds something other than `auto` or `manual`.
    #[error("dispatch_mode: {0}")]
    DispatchMode(serde_json::Error),
}

/// Names that the protocol itself uses for variants (`ch02 §8`).
const RESERVED_METRICS: [&str; 11] = [
    "variant_id",
    "commit_sha",
    "parent_commits",
    "branch",
    "status",
    "artifacts_uri",
    "executor_artifacts_uri",
    "description",
    "timestamp",
    "started_at",
    "completed_at",
];

/// In bytes.
const LONGEST: usize = 64 * 1024;
/// A text without aliases stays far below.
const HEAVIEST: usize = 32 * LONGEST;

impl ExperimentConfig {
    /// Reads a configuration from YAML, of which JSON is a part.
    ///
    /// # Errors
    /// The first rule that the text breaks, in words for the person who wrote it.
    pub fn from_yaml(text: &str) -> Result<Self, ConfigError> {
        if text.len() > LONGEST {
            return Err(ConfigError::TooLong);
        }
        if !is_light(serde_yaml::Deserializer::from_str(text), HEAVIEST) {
            return Err(ConfigError::TooHeavy);
        }
        let config: Self = serde_yaml::from_str(text)?;
        if config.parallel_variants == 0 {
            return Err(ConfigError::NoParallelVariants);
        }
        if config.evaluation_schema.is_empty() {
            return Err(ConfigError::NoMetrics);
        }
        if let Some(name) = config.evaluation_schema.keys().find(|name| !is_metric_name(name)) {
            return Err(ConfigError::MetricName { name: name.clone() });
        }
        config.initial_dispatch_mode()?;
        Ok(config)
    }

    /// The dispatch mode the experiment starts with.
    ///
    /// # Errors
    /// [`ConfigError::DispatchMode`] when a given key is neither `auto` nor `manual`.
    pub fn initial_dispatch_mode(&self) -> Result<DispatchMode, ConfigError> {
        let mut merged = serde_json::to_value(DispatchMode::default()).map_err(ConfigError::DispatchMode)?;
        if let (Some(merged), Some(given)) = (merged.as_object_mut(), &self.dispatch_mode) {
            merged.extend(given.clone());
        }
        serde_json::from_value(merged).map_err(ConfigError::DispatchMode)
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

fn is_metric_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !RESERVED_METRICS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
parallel_variants: 2
evaluation_schema: {score: real, retries: integer}
objective: {expr: score, direction: maximize}
dispatch_mode: {termination: auto}
ideation_command: [python, ideate.py]
";

    #[test]
    fn unknown_keys_are_kept_and_defaults_merged() -> Result<(), ConfigError> {
        let config = ExperimentConfig::from_yaml(GOOD)?;
        assert!(config.extra.contains_key("ideation_command"));
        assert_eq!(config.objective_metric(), Some("score"));
        assert_eq!(
            config.initial_dispatch_mode()?.termination,
            super::super::DecisionMode::Auto
        );
        Ok(())
    }

    #[test]
    fn faults_are_said_in_words() {
        let fault = |from: &str, to: &str| {
            ExperimentConfig::from_yaml(&GOOD.replace(from, to))
                .expect_err("refused")
                .to_string()
        };
        assert_eq!(
            fault("parallel_variants: 2", "parallel_variants: 0"),
            "parallel_variants must be at least 1"
        );
        assert_eq!(
            fault("score: real, retries: integer", ""),
            "evaluation_schema must name at least one metric"
        );
        assert!(fault("retries", "commit_sha").contains("cannot be the name"));
        assert!(fault("termination: auto", "termination: later").contains("dispatch_mode"));
        assert!(fault("{termination: auto}", "manual").contains("dispatch_mode"));
    }

    #[test]
    fn what_a_text_stands_for_is_bounded() {
        let fault = |text: String| ExperimentConfig::from_yaml(&format!("{GOOD}{text}"));
        let long = format!("note: {}", "x".repeat(LONGEST));
        assert!(matches!(fault(long), Err(ConfigError::TooLong)));
        let many = format!("a: &a [{}]\nb: [{}]", "x, ".repeat(9000), "*a, ".repeat(90));
        assert!(matches!(fault(many), Err(ConfigError::TooHeavy)));
        let large = format!("a: &a {}\nb: [{}]", "x".repeat(50_000), "*a, ".repeat(90));
        assert!(matches!(fault(large), Err(ConfigError::TooHeavy)));
        let plain = format!("a: &a [x, y]\nb: [*a, *a]\nc: [{}]", "x, ".repeat(20_000));
        assert!(fault(plain).is_ok());
    }

    #[test]
    fn metric_types_admit_their_values_only() {
        use serde_json::json;
        assert!(MetricType::Integer.admits(&json!(1.0)));
        assert!(!MetricType::Integer.admits(&json!(1.5)));
        assert!(!MetricType::Real.admits(&json!(true)));
        assert!(MetricType::Text.admits(&json!(null)));
    }
}
