//! Variants: creation, the baseline, evaluation errors and integration (`ch02 §9`, `ch06 §3.4`, `ch07 §5`).

use super::{ChangeSet, check_parents, check_uri, new_event, require_same_experiment, text};
use crate::embedded::{ProtocolError, ProtocolResult};
use crate::protocol::*;

/// What the store contains about the entities that a new variant names.
#[derive(Debug, Default)]
pub(crate) struct VariantReferences {
    /// The variant id is taken.
    pub(crate) exists: bool,
    /// The idea exists.
    pub(crate) idea_exists: bool,
    /// Another variant has the same branch.
    pub(crate) branch_taken: bool,
}

/// `– → starting`, or straight to `success` for a baseline that brings its metrics (`ch02 §9.4`).
pub(crate) fn create_variant(
    experiment: &Experiment,
    config: &ExperimentConfig,
    mut variant: Variant,
    found: &VariantReferences,
    now: Timestamp,
) -> ProtocolResult<ChangeSet> {
    check_variant(&variant)?;
    require_server_fields_absent(&variant)?;
    require_same_experiment(experiment, &variant.experiment_id)?;
    let baseline = variant.is_baseline();
    let measured = baseline && variant.status == VariantStatus::Success;
    if variant.status != VariantStatus::Starting && !measured {
        return Err(ProtocolError::invalid_precondition(format!(
            "a variant is created starting, not {}",
            variant.status
        )));
    }
    if !measured && (variant.evaluation.is_some() || variant.completed_at.is_some()) {
        return Err(ProtocolError::invalid_precondition(
            "a starting variant has neither evaluation nor completed_at",
        ));
    }
    if found.exists {
        return Err(ProtocolError::already_exists(format!(
            "variant {} exists",
            variant.variant_id
        )));
    }
    if let (Some(idea), false, false) = (&variant.idea_id, baseline, found.idea_exists) {
        return Err(ProtocolError::not_found("idea", idea));
    }
    if let (Some(branch), true) = (&variant.branch, found.branch_taken) {
        return Err(ProtocolError::invalid_precondition(format!(
            "another variant has branch {branch}"
        )));
    }
    let mut started = new_event("variant.started", [("variant_id", text(&variant.variant_id))]);
    if let Some(idea) = &variant.idea_id {
        started.data.insert("idea_id".to_owned(), text(idea));
    }
    if baseline {
        started.data.insert("kind".to_owned(), text("baseline"));
    }
    let mut events = vec![started];
    if measured {
        let commit = baseline_commit(&variant, config)?;
        variant.completed_at.get_or_insert(now);
        events.push(new_event(
            "variant.succeeded",
            [("variant_id", text(&variant.variant_id)), ("commit_sha", text(commit))],
        ));
    }
    Ok(ChangeSet::variant(variant, events))
}

/// What must hold for a variant of any status (`ch02 §9`).
pub(crate) fn check_variant(variant: &Variant) -> ProtocolResult {
    if variant.kind.is_some() && !variant.is_baseline() {
        return Err(ProtocolError::bad_request("kind is baseline or absent"));
    }
    if variant.idea_id.is_none() && !variant.is_baseline() {
        return Err(ProtocolError::bad_request("idea_id is absent only on a baseline"));
    }
    let branch = variant.branch.as_deref();
    if branch.is_some_and(|branch| branch.strip_prefix("work/").is_none_or(str::is_empty)) {
        return Err(ProtocolError::bad_request("branch must begin with work/"));
    }
    check_parents(&variant.parent_commits)?;
    check_uri(variant.artifacts_uri.as_deref(), "artifacts_uri")?;
    check_uri(variant.executor_artifacts_uri.as_deref(), "executor_artifacts_uri")
}

/// Refuses what only the server writes, later (`ch02 §10`).
fn require_server_fields_absent(variant: &Variant) -> ProtocolResult {
    if variant.variant_commit_sha.is_some() {
        return Err(ProtocolError::bad_request(
            "variant_commit_sha is written by integrate: leave it out",
        ));
    }
    if variant.executed_by.is_some() || variant.evaluated_by.is_some() {
        return Err(ProtocolError::bad_request(
            "executed_by and evaluated_by are written by the server: leave them out",
        ));
    }
    Ok(())
}

fn baseline_commit(variant: &Variant, config: &ExperimentConfig) -> ProtocolResult<CommitSha> {
    let evaluation = variant.evaluation.as_ref().filter(|metrics| !metrics.is_empty());
    let evaluation =
        evaluation.ok_or_else(|| ProtocolError::invalid_precondition("a measured baseline needs its evaluation"))?;
    if let Some(fault) = config.evaluation_fault(evaluation) {
        return Err(ProtocolError::invalid_precondition(fault));
    }
    let commit = variant.commit_sha.clone();
    commit.ok_or_else(|| ProtocolError::invalid_precondition("a measured baseline needs its commit_sha"))
}

/// `starting → evaluation_error`. Nothing of earlier attempts is kept (`ch03 §4.4`).
pub(crate) fn declare_evaluation_error(mut variant: Variant, now: Timestamp) -> ProtocolResult<ChangeSet> {
    if variant.status != VariantStatus::Starting {
        return Err(ProtocolError::illegal_transition(format!(
            "variant {} is {}, not starting",
            variant.variant_id, variant.status
        )));
    }
    variant.status = VariantStatus::EvaluationError;
    variant.completed_at = Some(now);
    let event = new_event(
        "variant.evaluation_errored",
        [("variant_id", text(&variant.variant_id))],
    );
    Ok(ChangeSet::variant(variant, vec![event]))
}

/// Records the squash commit, once (`ch07 §5`). The same commit again changes nothing.
pub(crate) fn integrate(mut variant: Variant, commit: CommitSha) -> ProtocolResult<ChangeSet> {
    if variant.is_baseline() {
        return Err(ProtocolError::invalid_precondition("a baseline is never integrated"));
    }
    if variant.status != VariantStatus::Success {
        return Err(ProtocolError::invalid_precondition(format!(
            "variant {} is {}, not success",
            variant.variant_id, variant.status
        )));
    }
    match &variant.variant_commit_sha {
        Some(stored) if *stored == commit => return Ok(ChangeSet::default()),
        Some(stored) => {
            return Err(ProtocolError::invalid_precondition(format!(
                "variant {} is integrated as {stored} already",
                variant.variant_id
            )));
        }
        None => {}
    }
    let event = new_event(
        "variant.integrated",
        [
            ("variant_id", text(&variant.variant_id)),
            ("variant_commit_sha", text(&commit)),
        ],
    );
    variant.variant_commit_sha = Some(commit);
    Ok(ChangeSet::variant(variant, vec![event]))
}
