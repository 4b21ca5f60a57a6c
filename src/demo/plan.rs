//! What an experiment's configuration asks of the pilot.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::error::DemoError;
use super::problem::{self, Problem};
use super::repo::Repo;
use crate::protocol::{Baseline, CommitSha, ConfigFaults, Direction, Evaluation, ExperimentConfig};
use crate::protocol::{IdeationPolicy, TerminationPolicy, Timestamp};

/// The `pilot:` block. The pilot takes on the experiments that have one.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PilotConfig {
    /// Which problem, by name.
    pub problem: String,
    /// Determines the problem and every choice of the search.
    pub seed: u64,
    /// Cities, coordinates, signs or items; 0 for the usual number.
    pub size: usize,
    /// Time between two actions, in milliseconds.
    pub pace_ms: u64,
    /// Executors, and as many evaluators.
    pub workers: u32,
    /// Ideas proposed for one ideation task.
    pub ideas_per_task: u8,
    /// One claim in so many is abandoned halfway, as by a machine that failed; 0 for none.
    pub drop_one_in: u64,
    /// How long a claim is good for, in seconds.
    pub claim_seconds: u32,
    /// After so many variants the pace is half, after twice as many a third, and so on, so that a deployment that is
    /// left running does not fill its disk.
    pub settle_after: u64,
}

impl Default for PilotConfig {
    fn default() -> Self {
        Self {
            problem: String::new(),
            seed: 0,
            size: 0,
            pace_ms: 1000,
            workers: 1,
            ideas_per_task: 2,
            drop_one_in: 0,
            claim_seconds: 60,
            settle_after: 2000,
        }
    }
}

/// A configuration that the pilot can follow.
pub(super) struct Plan {
    pub pilot: PilotConfig,
    pub problem: Box<dyn Problem>,
    /// The metric that is the objective.
    pub metric: String,
    pub direction: Direction,
    /// How many variants may be in flight.
    pub parallel: usize,
    pub termination: TerminationPolicy,
    pub ideation: IdeationPolicy,
    pub baseline: Baseline,
    pub config: ExperimentConfig,
}

impl Plan {
    /// The plan in a configuration, or none when it has no `pilot:` block.
    ///
    /// # Errors
    /// [`DemoError::Plan`], as a sentence for the author of the configuration.
    pub fn read(config: ExperimentConfig) -> Result<Option<Self>, DemoError> {
        let Some(block) = config.extra.get("pilot") else {
            return Ok(None);
        };
        let pilot = PilotConfig::deserialize(block).map_err(|fault| DemoError::Plan(format!("pilot: {fault}")))?;
        let problem = problem::find(&pilot.problem, pilot.size, pilot.seed).ok_or_else(|| {
            let known = problem::NAMES;
            DemoError::Plan(format!(
                "pilot: there is no problem {:?}; there are {known}",
                pilot.problem
            ))
        })?;
        let metric = objective(&config, &pilot.problem, &*problem)?;
        let of_policy = |faults: ConfigFaults| DemoError::Plan(faults.in_one_line());
        Ok(Some(Self {
            metric,
            direction: config.objective.direction,
            parallel: usize::try_from(config.parallel_variants).unwrap_or(usize::MAX),
            termination: config
                .when_to_terminate()
                .map_err(of_policy)?
                .unwrap_or(TerminationPolicy::NeverTerminate),
            // One task at a time: ideas that wait are bred from parents that are no longer the best.
            ideation: config
                .when_to_ideate()
                .map_err(of_policy)?
                .unwrap_or(IdeationPolicy::MaintainPending {
                    target: 1,
                    max_total: None,
                }),
            baseline: config.baseline().map_err(of_policy)?,
            pilot,
            problem,
            config,
        }))
    }

    /// The time between two actions once there are so many variants.
    pub fn pace(&self, variants: u64) -> Duration {
        let pace = self.pilot.pace_ms.clamp(1, 3_600_000);
        Duration::from_millis(pace + pace.saturating_mul(variants) / self.pilot.settle_after.max(1))
    }

    /// The objective's value in an evaluation.
    pub fn score(&self, evaluation: Option<&Evaluation>) -> Option<f64> {
        metric_value(evaluation, &self.metric)
    }

    /// The repository at `path` and its seed commit; it is made when it is not there.
    pub async fn ensure_repository(&self, path: PathBuf, at: Timestamp) -> Result<(Repo, CommitSha), DemoError> {
        let (file, genome, about) = (self.problem.file(), self.problem.initial(), self.problem.about());
        let made =
            tokio::task::spawn_blocking(move || Repo::ensure(&path, &[(file, &genome), ("README.md", &about)], at));
        Ok(made.await??)
    }
}

/// The value of a metric, when it is a number.
pub(super) fn metric_value(evaluation: Option<&Evaluation>, metric: &str) -> Option<f64> {
    evaluation?.get(metric)?.as_f64()
}

/// The objective, which must be a metric of the problem; the others may be left out, but not have another type.
fn objective(config: &ExperimentConfig, name: &str, problem: &dyn Problem) -> Result<String, DemoError> {
    let metrics = problem.metrics();
    let is_known = |metric: &&str| metrics.iter().any(|(known, _)| known == metric);
    let Some(metric) = config.objective_metric().filter(is_known) else {
        let names: Vec<_> = metrics.iter().map(|(metric, _)| *metric).collect();
        let names = names.join(", ");
        let fault = format!("objective: for the problem {name} it must be one of {names}");
        return Err(DemoError::Plan(fault));
    };
    let differs = |name: &str, kind| config.evaluation_schema.get(name).is_some_and(|given| given != kind);
    match metrics.iter().find(|(name, kind)| differs(name, *kind)) {
        Some((name, _)) => Err(DemoError::Plan(format!("evaluation_schema: {name} has another type"))),
        None => Ok(metric.to_owned()),
    }
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
    fn a_plan_that_cannot_be_followed_is_refused_with_a_reason() {
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
        assert_eq!(plan.baseline, Baseline::Evaluated);
        assert_eq!((plan.pilot.seed, plan.pilot.pace_ms), (4, 1000));
    }
}
