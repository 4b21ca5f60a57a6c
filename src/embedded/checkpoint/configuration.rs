//! Which configuration an imported experiment goes on under.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::archive::Member;
use super::import::Checked;
use super::{CheckpointError, invalid};
use crate::embedded::hub::Hosted;
use crate::embedded::storage::Write;
use crate::protocol::*;

/// The configuration the experiment goes on under, and its text: the archive's, since its entities were judged by
/// it. Some archives carry none that can be read; then the receiver's own, or one that admits what was measured.
pub(super) async fn configuration(
    write: &mut Write,
    checked: &Checked,
    onto: Option<&Hosted>,
    warnings: &mut Vec<String>,
) -> Result<(String, ExperimentConfig), CheckpointError> {
    let fault = match ExperimentConfig::from_yaml(&checked.config) {
        Ok(config) => return Ok((checked.config.clone(), config)),
        Err(faults) => faults.in_one_line(),
    };
    let name = Member::Config.name();
    if let Some(hosted) = onto {
        warnings.push(format!(
            "{name} cannot be used ({fault}): the configuration of the receiver stays"
        ));
        let text = write.config_text_of(hosted).await?;
        return Ok((text, hosted.config.clone()));
    }
    let text = makeshift(&checked.ledger.metrics);
    let config = ExperimentConfig::from_yaml(&text).map_err(|fault| invalid(format!("{name}: {fault}")))?;
    warnings.push(format!(
        "{name} cannot be used ({fault}): one was made that admits the metrics measured so far: {text}"
    ));
    Ok((text, config))
}

/// A configuration with these metrics, as far as they may be metrics, or with one called `score`.
fn makeshift(metrics: &BTreeMap<String, MetricType>) -> String {
    let of = |schema: Value, expr: &str| {
        let objective = json!({ "expr": expr, "direction": "maximize" });
        json!({ "parallel_variants": 1, "evaluation_schema": schema, "objective": objective }).to_string()
    };
    let is_metric =
        |name: &&String| ExperimentConfig::from_yaml(&of(json!({ name.as_str(): "real" }), name.as_str())).is_ok();
    let schema: serde_json::Map<String, Value> = metrics
        .keys()
        .filter(is_metric)
        .map(|name| (name.clone(), json!(metrics.get(name))))
        .collect();
    match schema.keys().next().cloned() {
        Some(first) => of(Value::Object(schema), &first),
        None => of(json!({ "score": "real" }), "score"),
    }
}
