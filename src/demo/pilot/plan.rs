//! What an experiment's configuration asks of the pilot.

use serde::Deserialize;
use serde_json::Value;

use crate::demo::DemoError;
use crate::demo::problem::{self, Problem};
use crate::protocol::{Direction, ExperimentConfig};

/// The `pilot:` block, which is what makes the pilot take an experiment on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PilotConfig {
    /// Which problem, by name.
    pub problem: String,
    /// Makes the problem and every choice of the search.
    #[serde(default)]
    pub seed: u64,
    /// Cities, coordinates, signs or items; 0 for the usual number.
    #[serde(default)]
    pub size: usize,
    /// Time between two actions, in milliseconds.
    #[serde(default = "default_pace")]
    pub pace_ms: u64,
    /// Executors, and as many evaluators.
    #[serde(default = "default_workers")]
    pub workers: u32,
    /// Ideas proposed for one ideation task.
    #[serde(default = "default_ideas")]
    pub ideas_per_task: u8,
    /// One claim in so many is dropped half done, as by a machine that went away; 0 for none.
    #[serde(default)]
    pub drop_one_in: u64,
    /// How long a claim is good for, in seconds.
    #[serde(default = "default_claim")]
    pub claim_seconds: u32,
    /// After so many variants the pace has halved, after twice as many it is a third, and so on, so that
    /// a deployment left alone does not fill its disk.
    #[serde(default = "default_settle")]
    pub settle_after: u64,
}

fn default_pace() -> u64 {
    1000
}

fn default_workers() -> u32 {
    1
}

fn default_ideas() -> u8 {
    2
}

fn default_claim() -> u32 {
    60
}

fn default_settle() -> u64 {
    2000
}

/// When to end the experiment (`ch03 §6`).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum TerminationPolicy {
    NeverTerminate,
    MaxVariants {
        target: u64,
    },
    MaxWallTime {
        duration: String,
    },
    ConvergenceWindow {
        metric: String,
        window: u64,
        #[serde(default = "maximize")]
        direction: Direction,
    },
    TargetCondition {
        metric: String,
        threshold: f64,
        #[serde(default = "maximize")]
        direction: Direction,
    },
}

fn maximize() -> Direction {
    Direction::Maximize
}

/// How many ideation tasks to keep going (`ch03 §6.2`).
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum IdeationPolicy {
    MaintainPending {
        #[serde(default = "default_target")]
        target: usize,
        #[serde(default)]
        max_total: Option<u64>,
    },
    FixedTotal {
        total: u64,
    },
}

fn default_target() -> usize {
    1
}

/// The `baseline:` block (`ch02 §2.7`).
#[derive(Debug, Clone, Deserialize)]
pub(super) struct BaselineConfig {
    #[serde(default = "enabled")]
    pub enabled: bool,
    #[serde(default)]
    pub metrics: Option<crate::protocol::Evaluation>,
}

fn enabled() -> bool {
    true
}

/// A configuration that the pilot can follow.
pub(in crate::demo) struct Plan {
    pub(super) pilot: PilotConfig,
    pub problem: Box<dyn Problem>,
    /// The metric that is the objective.
    pub metric: String,
    pub direction: Direction,
    pub parallel: usize,
    pub(super) termination: TerminationPolicy,
    pub(super) ideation: IdeationPolicy,
    pub(super) baseline: BaselineConfig,
    pub config: ExperimentConfig,
}

impl Plan {
    /// The plan in a configuration, or none when it has no `pilot:` block.
    ///
    /// # Errors
    /// [`DemoError::Plan`] in words for the person who wrote the configuration.
    pub(in crate::demo) fn read(config: ExperimentConfig) -> Result<Option<Self>, DemoError> {
        let Some(block) = config.extra.get("pilot") else {
            return Ok(None);
        };
        let pilot: PilotConfig = parse("pilot", block)?;
        let problem = problem::find(&pilot.problem, pilot.size, pilot.seed).ok_or_else(|| {
            DemoError::Plan(format!(
                "pilot: there is no problem {:?}; there are {}",
                pilot.problem,
                problem::NAMES
            ))
        })?;
        let metric = config
            .objective_metric()
            .filter(|metric| problem.metrics().iter().any(|(name, _)| name == metric))
            .map(str::to_owned)
            .ok_or_else(|| DemoError::Plan(wanted(&pilot.problem, &*problem)))?;
        if let Some((name, _)) = problem
            .metrics()
            .iter()
            .find(|(name, kind)| config.evaluation_schema.get(name).is_some_and(|given| given != *kind))
        {
            return Err(DemoError::Plan(format!("evaluation_schema: {name} has another type")));
        }
        let termination = match &config.termination_policy {
            Some(policy) => parse("termination_policy", policy)?,
            None => TerminationPolicy::NeverTerminate,
        };
        let ideation = match config.extra.get("ideation_policy") {
            Some(policy) => parse("ideation_policy", policy)?,
            None => IdeationPolicy::MaintainPending {
                target: default_target(),
                max_total: None,
            },
        };
        let baseline = match config.extra.get("baseline") {
            Some(block) => parse("baseline", block)?,
            None => BaselineConfig {
                enabled: true,
                metrics: None,
            },
        };
        Ok(Some(Self {
            direction: config.objective.direction,
            parallel: usize::try_from(config.parallel_variants).unwrap_or(usize::MAX),
            pilot,
            problem,
            metric,
            termination,
            ideation,
            baseline,
            config,
        }))
    }
}

fn wanted(name: &str, problem: &dyn Problem) -> String {
    let metrics: Vec<_> = problem.metrics().iter().map(|(metric, _)| *metric).collect();
    format!(
        "objective: for the problem {name} it must be one of {}",
        metrics.join(", ")
    )
}

fn parse<T: serde::de::DeserializeOwned>(block: &str, value: &Value) -> Result<T, DemoError> {
    serde_json::from_value(value.clone()).map_err(|fault| DemoError::Plan(format!("{block}: {fault}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pilot: &str, rest: &str) -> Result<Option<Plan>, DemoError> {
        let text = format!(
            "parallel_variants: 1\nevaluation_schema: {{length: real}}\n\
             objective: {{expr: length, direction: minimize}}\n{pilot}\n{rest}\n"
        );
        Plan::read(ExperimentConfig::from_yaml(&text).expect("a configuration"))
    }

    #[test]
    fn a_configuration_without_the_block_is_left_alone() {
        assert!(matches!(read("", ""), Ok(None)));
    }

    #[test]
    fn what_cannot_be_followed_is_said_in_words() {
        let fault = |pilot: &str, rest: &str| match read(pilot, rest) {
            Err(fault) => fault.to_string(),
            Ok(_) => String::new(),
        };
        assert!(fault("pilot: {problem: chess}", "").contains("there are tour"));
        assert!(fault("pilot: {problem: knapsack}", "").contains("must be one of value"));
        assert!(fault("pilot: {problem: tour, speed: 9}", "").contains("unknown field"));
        assert!(fault("pilot: {problem: tour}", "termination_policy: {kind: soon}").contains("termination_policy"));
    }

    #[test]
    fn policies_are_read() {
        let plan = read(
            "pilot: {problem: tour, seed: 4}",
            "termination_policy: {kind: max_variants, target: 9}\nideation_policy: {kind: fixed_total, total: 3}",
        )
        .expect("followed")
        .expect("taken on");
        assert_eq!(plan.termination, TerminationPolicy::MaxVariants { target: 9 });
        assert!(matches!(plan.ideation, IdeationPolicy::FixedTotal { total: 3 }));
        assert!(plan.baseline.enabled);
        assert_eq!((plan.pilot.seed, plan.pilot.pace_ms), (4, 1000));
    }
}
