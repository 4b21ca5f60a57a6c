//! The experiment itself (`ch02 §2`, `ch04 §8`, `§13`) and its entry in the registry (`ch11 §2`).

use serde_json::Value;

use super::{Change, Refusal, draft, good_name, good_uri, text};
use crate::protocol::*;

/// `running → terminated`; the first reason and actor stay (`ch04 §8`).
pub(in crate::embedded) fn terminate(mut experiment: Experiment, request: TerminateRequest, by: &WorkerId) -> Change {
    if experiment.state == ExperimentState::Terminated {
        return Change::default();
    }
    experiment.state = ExperimentState::Terminated;
    Change {
        experiment: Some(experiment),
        events: vec![draft(
            "experiment.terminated",
            [("reason", text(request.reason)), ("terminated_by", text(by))],
        )],
        ..Change::default()
    }
}

/// Whether every value of a partial dispatch mode is one (`ch02 §2.4`). Unknown keys are tolerated.
pub(in crate::embedded) fn good_dispatch_patch(patch: &Extra) -> Result<(), Refusal> {
    let is_mode = |value: &Value| matches!(value.as_str(), Some("auto" | "manual"));
    match patch.iter().find(|(_, value)| !is_mode(value)) {
        Some((key, value)) => Err(Refusal::bad(format!("{key} must be auto or manual, got {value}"))),
        None => Ok(()),
    }
}

/// Applies a good partial dispatch mode. The event names what really changed.
pub(in crate::embedded) fn update_dispatch_mode(current: Extra, patch: Extra, by: &WorkerId) -> (Extra, Change) {
    let changed: Extra = patch
        .into_iter()
        .filter(|(key, value)| current.get(key) != Some(value))
        .collect();
    if changed.is_empty() {
        return (current, Change::default());
    }
    let mut mode = current;
    mode.extend(changed.clone());
    let event = draft(
        "experiment.dispatch_mode_changed",
        [
            ("dispatch_mode", Value::Object(mode.clone())),
            ("changed", Value::Object(changed)),
            ("updated_by", text(by)),
        ],
    );
    let change = Change {
        dispatch_mode: Some(mode.clone()),
        events: vec![event],
        ..Change::default()
    };
    (mode, change)
}

/// An event with no change behind it: the policy raised, and the log says so (`ch03 §6.1`).
pub(in crate::embedded) fn policy_error(request: PolicyErrorRequest) -> Result<Change, Refusal> {
    if request.policy_kind.is_empty() || request.error_type.is_empty() {
        return Err(Refusal::bad("policy_kind and error_type must not be empty"));
    }
    let event = draft(
        "experiment.policy_error",
        [
            ("policy_kind", text(request.policy_kind)),
            ("error_type", text(request.error_type)),
            ("error_message", text(request.error_message)),
        ],
    );
    Ok(Change {
        events: vec![event],
        ..Change::default()
    })
}

/// A new registry entry (`ch11 §2.1`).
pub(in crate::embedded) fn register_experiment(
    id: ExperimentId,
    request: RegisterExperiment,
    exists: bool,
    now: Timestamp,
) -> Result<RegistryEntry, Refusal> {
    good_uri(Some(&request.config_uri), "config_uri")?;
    let name = good_name(request.name.as_deref())?;
    if exists {
        let detail = format!("experiment {id} is registered already");
        return Err(Refusal::new(ErrorType::AlreadyExists, detail));
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

/// A configuration as written, and the first dispatch mode that it asks for.
pub(in crate::embedded) fn good_config(text: &str) -> Result<(ExperimentConfig, Extra), Refusal> {
    let config = ExperimentConfig::from_yaml(text).map_err(|fault| Refusal::bad(fault.to_string()))?;
    let mode = config.initial_dispatch_mode();
    let mode = mode.map_err(|fault| Refusal::bad(fault.to_string()))?;
    match serde_json::to_value(mode) {
        Ok(Value::Object(mode)) => Ok((config, mode)),
        _ => Err(Refusal::bad("dispatch_mode must be a mapping")),
    }
}

/// The experiment that begins when a registered id is seeded.
pub(in crate::embedded) fn seed(entry: &RegistryEntry, base: Option<CommitSha>, now: Timestamp) -> Experiment {
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
