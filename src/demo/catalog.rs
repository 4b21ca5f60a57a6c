//! The experiments of the demo. Which of them exist is read from the registry; each is recognised by its `config_uri`.

use tracing::info;

use super::error::DemoError;
use super::options::Options;
use super::plan::Plan;
use crate::client::ClientError;
use crate::protocol::{ErrorType, ExperimentConfig, ExperimentId, RegisterExperiment, RegistryEntry, SeedRequest};

struct Entry {
    uri: &'static str,
    name: &'static str,
    /// Without one it stays registered but unseeded.
    config: Option<&'static str>,
}

/// In the order of registration; a newcomer sees the first one first.
const FIXED: [Entry; 3] = [
    Entry {
        uri: "switchboard-demo:///tour",
        name: "Round trip through 120 cities",
        config: Some(include_str!("configs/tour.yaml")),
    },
    Entry {
        uri: "switchboard-demo:///rastrigin",
        name: "Rastrigin's valley in 30 dimensions",
        config: Some(include_str!("configs/rastrigin.yaml")),
    },
    Entry {
        uri: "switchboard-demo:///knapsack",
        name: "Knapsack, waiting for its configuration",
        config: None,
    },
];

/// The experiment that ends by its own policy runs again and again; the number of a run follows this.
const SERIES: &str = "switchboard-demo:///quiet-pulse/";

/// For an operator to begin with.
pub(super) const SAMPLE: &str = include_str!("configs/sample.yaml");

/// Each run has twice as many variants as the last, so that the list of ended runs grows ever more slowly.
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

/// Registers and seeds what is missing.
pub(super) async fn ensure(options: &Options) -> Result<(), DemoError> {
    let registered = options.client.control().experiments().await?;
    for entry in FIXED {
        let id = match registered.iter().find(|known| known.config_uri == entry.uri) {
            Some(known) => known.experiment_id.clone(),
            None => register(options, entry.uri, entry.name).await?,
        };
        if let Some(config) = entry.config {
            ensure_seeded(options, &id, config).await?;
        }
    }
    match last_run(&registered) {
        Some((run, id)) => ensure_seeded(options, id, &series_config(run)).await,
        None => start_run(options, 1).await,
    }
}

/// Starts the next run of the series when `ended` was its last. Only the holder of its lease calls this, so that of
/// several pilots one does it.
pub(super) async fn ensure_next_run(options: &Options, ended: &ExperimentId) -> Result<(), DemoError> {
    let registered = options.client.control().experiments().await?;
    let is_run = |entry: &RegistryEntry| entry.experiment_id == *ended && run_of(entry).is_some();
    match last_run(&registered) {
        Some((run, last)) if last == ended => start_run(options, run + 1).await,
        // An earlier attempt registered the next run, and may not have seeded it.
        Some((run, last)) if registered.iter().any(is_run) => ensure_seeded(options, last, &series_config(run)).await,
        _ => Ok(()),
    }
}

fn run_of(entry: &RegistryEntry) -> Option<u32> {
    entry.config_uri.strip_prefix(SERIES)?.parse().ok()
}

fn last_run(registered: &[RegistryEntry]) -> Option<(u32, &ExperimentId)> {
    let runs = registered
        .iter()
        .filter_map(|entry| Some((run_of(entry)?, &entry.experiment_id)));
    runs.max_by_key(|(run, _)| *run)
}

async fn start_run(options: &Options, run: u32) -> Result<(), DemoError> {
    let name = format!("Quiet radar pulse, run {run}");
    let id = register(options, &format!("{SERIES}{run}"), &name).await?;
    ensure_seeded(options, &id, &series_config(run)).await
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

/// Seeds an experiment unless the task store hosts it already.
async fn ensure_seeded(options: &Options, id: &ExperimentId, config: &str) -> Result<(), DemoError> {
    match options.client.experiment(id).read().await {
        Ok(_) => return Ok(()),
        Err(fault) if fault.is_not_found() => {}
        Err(fault) => return Err(fault.into()),
    }
    let base_commit_sha = match Plan::read(ExperimentConfig::from_yaml(config)?)? {
        Some(plan) => {
            let repository = plan.ensure_repository(options.repository(id), options.clock.now());
            Some(repository.await?.1)
        }
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
