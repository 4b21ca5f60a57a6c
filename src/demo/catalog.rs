//! The experiments of the demo. The registry is the only memory of which exist: each is known by its
//! `config_uri`.

use tracing::info;

use super::pilot::Plan;
use super::repo::{Author, Repo};
use super::{DemoError, Options};
use crate::client::ClientError;
use crate::protocol::{CommitSha, ErrorType, ExperimentConfig, ExperimentId, Timestamp};
use crate::protocol::{RegisterExperiment, RegistryEntry, SeedRequest};

struct Entry {
    uri: &'static str,
    name: &'static str,
    /// None leaves it registered but unseeded.
    config: Option<&'static str>,
}

/// In this order they are registered; the first is what a newcomer sees first.
const FIXED: [Entry; 3] = [
    Entry {
        uri: "switchboard-demo:///tour",
        name: "Round trip through 120 cities",
        config: Some(TOUR),
    },
    Entry {
        uri: "switchboard-demo:///rastrigin",
        name: "Rastrigin's valley in 30 dimensions",
        config: Some(RASTRIGIN),
    },
    Entry {
        uri: "switchboard-demo:///knapsack",
        name: "Knapsack, waiting for its configuration",
        config: None,
    },
];

/// The runs of the experiment that ends by itself are numbered after this.
const SERIES: &str = "switchboard-demo:///quiet-pulse/";

const TOUR: &str = "\
# The busy one: a few events a second.
parallel_variants: 4
evaluation_schema:
  length: real        # km, the whole trip
  longest_leg: real   # km
  crossings: integer  # pairs of legs that cross
objective: {expr: length, direction: minimize}
ideation_policy: {kind: maintain_pending, target: 1}
pilot:
  problem: tour
  seed: 11
  pace_ms: 280
  workers: 3
  ideas_per_task: 3
  drop_one_in: 150
";

const RASTRIGIN: &str = "\
# The slow and steady one: an event every few seconds.
parallel_variants: 2
evaluation_schema:
  value: real       # the function; 0 is the least there is
  slope: real       # length of the gradient
  settled: integer  # coordinates that have found their dip
objective: {expr: value, direction: minimize}
pilot:
  problem: rastrigin
  seed: 23
  pace_ms: 1800
  workers: 2
  ideas_per_task: 2
  drop_one_in: 60
";

pub(super) const SAMPLE: &str = "\
# What to measure: each evaluation may hold these metrics and no others.
evaluation_schema:
  value: integer   # of everything in the knapsack
  weight: integer
  items: integer

# What to aim for: the name of one metric, and which way is better.
objective: {expr: value, direction: maximize}

# How many variants may be in the making at the same time.
parallel_variants: 2

# What the orchestrator decides by itself. Integration is the step that puts a measured variant
# on a variant/* branch; set any of these to manual to keep the decision to yourself.
dispatch_mode:
  ideation_creation: auto
  execution_dispatch: auto
  evaluation_dispatch: auto
  integration: auto
  termination: manual

# The demo's pilot takes on every experiment that has this block; without it, bring your own workers.
pilot:
  problem: knapsack  # or tour, rastrigin, low-autocorrelation, with an objective that fits
  seed: 42           # another seed is another problem of the same kind
  pace_ms: 900       # time between two actions
  workers: 2         # executors, and as many evaluators
";

/// Each run goes on for twice as long as the last, so that the list of ended runs grows ever more slowly.
fn series_config(run: u32) -> String {
    let target = 40_u64.saturating_mul(1 << run.saturating_sub(1).min(16));
    format!(
        "# Ends by itself after {target} variants; then the next run begins.\n\
         parallel_variants: 3\n\
         evaluation_schema:\n  merit_factor: real\n  energy: integer\n  peak: integer\n\
         objective: {{expr: merit_factor, direction: maximize}}\n\
         dispatch_mode: {{termination: auto}}\n\
         termination_policy: {{kind: max_variants, target: {target}}}\n\
         pilot:\n  problem: low-autocorrelation\n  seed: {run}\n  pace_ms: 320\n  workers: 2\n  drop_one_in: 120\n"
    )
}

fn run_of(entry: &RegistryEntry) -> Option<u32> {
    entry.config_uri.strip_prefix(SERIES)?.parse().ok()
}

/// Registers and seeds what is missing.
pub(super) async fn ensure(options: &Options) -> Result<(), DemoError> {
    let registered = options.client.control().experiments().await?;
    for entry in FIXED {
        let id = match registered.iter().find(|known| known.config_uri == entry.uri) {
            Some(known) => known.experiment_id.clone(),
            None => register(options, entry.uri, entry.name).await?,
        };
        if let Some(config) = entry.config {
            host(options, &id, config).await?;
        }
    }
    match last_run(&registered) {
        Some((run, entry)) => host(options, &entry.experiment_id, &series_config(run)).await,
        None => begin(options, 1).await,
    }
}

/// Begins the next run when the last one of the series has ended. For the holder of its lease, so that of several
/// pilots one does.
pub(super) async fn follow_on(options: &Options, ended: &ExperimentId) -> Result<(), DemoError> {
    let registered = options.client.control().experiments().await?;
    match last_run(&registered) {
        Some((run, last)) if last.experiment_id == *ended => begin(options, run + 1).await,
        // Registered by an attempt that got no further.
        Some((run, last))
            if registered
                .iter()
                .any(|run| run.experiment_id == *ended && run_of(run).is_some()) =>
        {
            host(options, &last.experiment_id, &series_config(run)).await
        }
        _ => Ok(()),
    }
}

fn last_run(registered: &[RegistryEntry]) -> Option<(u32, &RegistryEntry)> {
    let runs = registered.iter().filter_map(|entry| Some((run_of(entry)?, entry)));
    runs.max_by_key(|(run, _)| *run)
}

async fn begin(options: &Options, run: u32) -> Result<(), DemoError> {
    let name = format!("Quiet radar pulse, run {run}");
    let id = register(options, &format!("{SERIES}{run}"), &name).await?;
    host(options, &id, &series_config(run)).await
}

async fn register(options: &Options, uri: &str, name: &str) -> Result<ExperimentId, ClientError> {
    let request = RegisterExperiment {
        config_uri: uri.into(),
        name: Some(name.into()),
        experiment_id: None,
    };
    let entry = options.client.control().register(&request).await?;
    info!(experiment.id = %entry.experiment_id, name, "registered an experiment of the demo");
    Ok(entry.experiment_id)
}

/// Seeds an experiment unless it is hosted already.
async fn host(options: &Options, id: &ExperimentId, config: &str) -> Result<(), DemoError> {
    match options.client.experiment(id).read().await {
        Ok(_) => return Ok(()),
        Err(fault) if fault.is_not_found() => {}
        Err(fault) => return Err(fault.into()),
    }
    let parsed = ExperimentConfig::from_yaml(config)?;
    let base_commit_sha = match Plan::read(parsed)? {
        Some(plan) => Some(lay_down(options, id, &plan, options.clock.now()).await?.1),
        None => None,
    };
    let request = SeedRequest {
        config: config.into(),
        base_commit_sha,
    };
    match options.client.control().seed(id, &request).await {
        Err(fault) if fault.error_type() != Some(ErrorType::AlreadyExists) => Err(fault.into()),
        _ => Ok(()),
    }
}

/// The repository of an experiment, made when it is not there, and its seed commit.
pub(super) async fn lay_down(
    options: &Options,
    id: &ExperimentId,
    plan: &Plan,
    at: Timestamp,
) -> Result<(Repo, CommitSha), DemoError> {
    let path = options.repository(id);
    let (file, genome, about) = (plan.problem.file(), plan.problem.initial(), plan.problem.about());
    let made = tokio::task::spawn_blocking(move || {
        let author = Author {
            name: "switchboard",
            at,
        };
        Repo::ensure(&path, &[(file, &genome), ("README.md", &about)], &author)
    });
    Ok(made.await??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_configuration_of_the_catalog_is_taken_on() {
        let texts = FIXED.iter().filter_map(|entry| entry.config.map(str::to_owned));
        for text in texts.chain([SAMPLE.to_owned(), series_config(1), series_config(40)]) {
            let config = ExperimentConfig::from_yaml(&text).expect("a good configuration");
            let plan = Plan::read(config).expect("a plan that can be followed");
            let plan = plan.expect("a pilot block");
            let metrics: Vec<_> = plan.problem.metrics().iter().map(|(name, _)| *name).collect();
            assert!(
                metrics
                    .iter()
                    .all(|name| plan.config.evaluation_schema.contains_key(name))
            );
        }
    }
}
