//! The experiment itself (`ch02 §2`, `ch04 §8`, `§13`) and its entry in the registry (`ch11 §2`).

use serde_json::Value;

use super::{ChangeSet, check_uri, new_event, parse_name, text};
use crate::embedded::{ProtocolError, ProtocolResult};
use crate::protocol::*;

/// `running → terminated`. A repeat changes nothing, so the first reason and actor stay (`ch04 §8`).
pub(crate) fn terminate(mut experiment: Experiment, request: TerminateRequest, by: &WorkerId) -> ChangeSet {
    if experiment.state == ExperimentState::Terminated {
        return ChangeSet::default();
    }
    experiment.state = ExperimentState::Terminated;
    ChangeSet {
        experiment: Some(experiment),
        events: vec![new_event(
            "experiment.terminated",
            [("reason", text(request.reason)), ("terminated_by", text(by))],
        )],
        ..ChangeSet::default()
    }
}

/// Checks the values of a partial dispatch mode (`ch02 §2.4`). Unknown keys are allowed.
pub(crate) fn check_dispatch_patch(patch: &Extra) -> ProtocolResult {
    let is_mode = |value: &Value| matches!(value.as_str(), Some("auto" | "manual"));
    match patch.iter().find(|(_, value)| !is_mode(value)) {
        Some((key, value)) => Err(ProtocolError::bad_request(format!(
            "{key} must be auto or manual, got {value}"
        ))),
        None => Ok(()),
    }
}

/// Applies a partial dispatch mode that was checked. The event names only what changed.
pub(crate) fn update_dispatch_mode(current: Extra, patch: Extra, by: &WorkerId) -> (Extra, ChangeSet) {
    let changed: Extra = patch
        .into_iter()
        .filter(|(key, value)| current.get(key) != Some(value))
        .collect();
    if changed.is_empty() {
        return (current, ChangeSet::default());
    }
    let mut mode = current;
    mode.extend(changed.clone());
    let event = new_event(
        "experiment.dispatch_mode_changed",
        [
            ("dispatch_mode", Value::Object(mode.clone())),
            ("changed", Value::Object(changed)),
            ("updated_by", text(by)),
        ],
    );
    let change = ChangeSet {
        dispatch_mode: Some(mode.clone()),
        events: vec![event],
        ..ChangeSet::default()
    };
    (mode, change)
}

/// Records that a policy raised an error. Nothing but the log changes (`ch03 §6.1`).
pub(crate) fn policy_error(request: PolicyErrorRequest) -> ProtocolResult<ChangeSet> {
    if request.policy_kind.is_empty() || request.error_type.is_empty() {
        return Err(ProtocolError::bad_request(
            "policy_kind and error_type must not be empty",
        ));
    }
    let event = new_event(
        "experiment.policy_error",
        [
            ("policy_kind", text(request.policy_kind)),
            ("error_type", text(request.error_type)),
            ("error_message", text(request.error_message)),
        ],
    );
    Ok(ChangeSet {
        events: vec![event],
        ..ChangeSet::default()
    })
}

/// A new registry entry (`ch11 §2.1`).
pub(crate) fn register_experiment(
    id: ExperimentId,
    request: RegisterExperiment,
    exists: bool,
    now: Timestamp,
) -> ProtocolResult<RegistryEntry> {
    check_uri(Some(&request.config_uri), "config_uri")?;
    let name = parse_name(request.name.as_deref())?;
    if exists {
        let detail = format!("experiment {id} is registered already");
        return Err(ProtocolError::already_exists(detail));
    }
    Ok(RegistryEntry {
        experiment_id: id,
        name,
        config_uri: request.config_uri,
        created_at: now,
        last_known_state: ExperimentState::Running,
        lease: None,
        warnings: Vec::new(),
        extra: Extra::new(),
    })
}

/// Parses a configuration, and returns the initial dispatch mode that it asks for.
pub(crate) fn parse_config(text: &str) -> ProtocolResult<(ExperimentConfig, Extra)> {
    let config = ExperimentConfig::from_yaml(text).map_err(|fault| ProtocolError::bad_request(fault.to_string()))?;
    let mode = config.initial_dispatch_mode();
    let mode = mode.map_err(|fault| ProtocolError::bad_request(fault.to_string()))?;
    match serde_json::to_value(mode) {
        Ok(Value::Object(mode)) => Ok((config, mode)),
        _ => Err(ProtocolError::bad_request("dispatch_mode must be a mapping")),
    }
}

/// The experiment that begins when a registered id is seeded.
pub(crate) fn seed(entry: &RegistryEntry, base: Option<CommitSha>, now: Timestamp) -> Experiment {
    Experiment {
        experiment_id: entry.experiment_id.clone(),
        name: entry.name.clone(),
        state: ExperimentState::Running,
        created_at: now,
        base_commit_sha: base,
        imported_from: None,
        extra: Extra::new(),
    }
}
