//! Chooses the configuration of an imported experiment.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{CheckedArchive, CheckpointResult, Member, invalid};
use crate::embedded::HostedExperiment;
use crate::embedded::storage::WriteSession;
use crate::protocol::*;

/// The configuration of the experiment and its text: the archive's, since its entities were checked against it. Some
/// archives have none that can be read. Then it is the receiver's own, or a generated one that admits the metrics
/// that were measured. The session is in the scope of `existing`.
pub(super) async fn choose_config(
    write: &mut WriteSession,
    checked: &CheckedArchive,
    existing: Option<&HostedExperiment>,
    warnings: &mut Vec<String>,
) -> CheckpointResult<(String, ExperimentConfig)> {
    let fault = match ExperimentConfig::from_yaml(&checked.config) {
        Ok(config) => return Ok((checked.config.clone(), config)),
        Err(faults) => faults.in_one_line(),
    };
    let name = Member::Config.name();
    if let Some(hosted) = existing {
        warnings.push(format!(
            "{name} cannot be used ({fault}): the configuration of the receiver stays"
        ));
        return Ok((write.config_text().await?, hosted.config.clone()));
    }
    let text = generate_config(&checked.index.metrics);
    let config = ExperimentConfig::from_yaml(&text).map_err(|fault| invalid(format!("{name}: {fault}")))?;
    warnings.push(format!(
        "{name} cannot be used ({fault}): one was made that admits the metrics measured so far: {text}"
    ));
    Ok((text, config))
}

/// A configuration with those of these metrics that have a valid name, or with one called `score`.
fn generate_config(metrics: &BTreeMap<String, MetricType>) -> String {
    let with = |schema: Value, expr: &str| {
        let objective = json!({ "expr": expr, "direction": "maximize" });
        json!({ "parallel_variants": 1, "evaluation_schema": schema, "objective": objective }).to_string()
    };
    let is_metric =
        |name: &&String| ExperimentConfig::from_yaml(&with(json!({ name.as_str(): "real" }), name.as_str())).is_ok();
    let schema: serde_json::Map<String, Value> = metrics
        .keys()
        .filter(is_metric)
        .map(|name| (name.clone(), json!(metrics.get(name))))
        .collect();
    match schema.keys().next().cloned() {
        Some(first) => with(Value::Object(schema), &first),
        None => with(json!({ "score": "real" }), "score"),
    }
}
