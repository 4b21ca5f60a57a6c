//! Variants: creation, the baseline, evaluation errors and integration (`ch02 §9`, `ch06 §3.4`, `ch07 §5`).

use super::{Change, Refusal, draft, good_parents, good_uri, same_experiment, text};
use crate::protocol::*;

/// What the store knows around a new variant.
#[derive(Debug, Default)]
pub(in crate::embedded) struct Surroundings {
    /// The variant id is taken.
    pub(in crate::embedded) exists: bool,
    /// The idea it names exists.
    pub(in crate::embedded) idea_exists: bool,
    /// Another variant has the same branch.
    pub(in crate::embedded) branch_taken: bool,
}

/// `– → starting`, or straight to `success` for a baseline that brings its metrics (`ch02 §9.4`).
pub(in crate::embedded) fn create_variant(
    experiment: &Experiment,
    config: &ExperimentConfig,
    mut variant: Variant,
    around: &Surroundings,
    now: Timestamp,
) -> Result<Change, Refusal> {
    good_variant(&variant)?;
    unwritten(&variant)?;
    same_experiment(experiment, &variant.experiment_id)?;
    let baseline = variant.is_baseline();
    let measured = baseline && variant.status == VariantStatus::Success;
    if variant.status != VariantStatus::Starting && !measured {
        return Err(Refusal::precondition(format!(
            "a variant is created starting, not {}",
            variant.status
        )));
    }
    if !measured && (variant.evaluation.is_some() || variant.completed_at.is_some()) {
        return Err(Refusal::precondition(
            "a starting variant has neither evaluation nor completed_at",
        ));
    }
    if around.exists {
        return Err(Refusal::new(
            ErrorType::AlreadyExists,
            format!("variant {} exists", variant.variant_id),
        ));
    }
    if let (Some(idea), false, false) = (&variant.idea_id, baseline, around.idea_exists) {
        return Err(Refusal::unknown("idea", idea));
    }
    if let (Some(branch), true) = (&variant.branch, around.branch_taken) {
        return Err(Refusal::precondition(format!("another variant has branch {branch}")));
    }
    let mut started = draft("variant.started", [("variant_id", text(&variant.variant_id))]);
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
        events.push(draft(
            "variant.succeeded",
            [("variant_id", text(&variant.variant_id)), ("commit_sha", text(commit))],
        ));
    }
    Ok(Change {
        variant: Some(variant),
        events,
        ..Change::default()
    })
}

/// What holds for a variant of any status (`ch02 §9`).
pub(in crate::embedded) fn good_variant(variant: &Variant) -> Result<(), Refusal> {
    if variant.kind.is_some() && !variant.is_baseline() {
        return Err(Refusal::bad("kind is baseline or absent"));
    }
    if variant.idea_id.is_none() && !variant.is_baseline() {
        return Err(Refusal::bad("idea_id is absent only on a baseline"));
    }
    let branch = variant.branch.as_deref();
    if branch.is_some_and(|branch| branch.strip_prefix("work/").is_none_or(str::is_empty)) {
        return Err(Refusal::bad("branch must begin with work/"));
    }
    good_parents(&variant.parent_commits)?;
    good_uri(variant.artifacts_uri.as_deref(), "artifacts_uri")?;
    good_uri(variant.executor_artifacts_uri.as_deref(), "executor_artifacts_uri")
}

/// What only the server writes, later (`ch02 §10`).
fn unwritten(variant: &Variant) -> Result<(), Refusal> {
    if variant.variant_commit_sha.is_some() {
        return Err(Refusal::bad("variant_commit_sha is written by integrate: leave it out"));
    }
    if variant.executed_by.is_some() || variant.evaluated_by.is_some() {
        return Err(Refusal::bad(
            "executed_by and evaluated_by are written by the server: leave them out",
        ));
    }
    Ok(())
}

fn baseline_commit(variant: &Variant, config: &ExperimentConfig) -> Result<CommitSha, Refusal> {
    let evaluation = variant.evaluation.as_ref().filter(|metrics| !metrics.is_empty());
    let evaluation = evaluation.ok_or_else(|| Refusal::precondition("a measured baseline needs its evaluation"))?;
    if let Some(fault) = config.evaluation_fault(evaluation) {
        return Err(Refusal::precondition(fault));
    }
    let commit = variant.commit_sha.clone();
    commit.ok_or_else(|| Refusal::precondition("a measured baseline needs its commit_sha"))
}

/// `starting → evaluation_error`; nothing of earlier attempts is kept (`ch03 §4.4`).
pub(in crate::embedded) fn declare_evaluation_error(mut variant: Variant, now: Timestamp) -> Result<Change, Refusal> {
    if variant.status != VariantStatus::Starting {
        return Err(Refusal::illegal(format!(
            "variant {} is {}, not starting",
            variant.variant_id, variant.status
        )));
    }
    variant.status = VariantStatus::EvaluationError;
    variant.completed_at = Some(now);
    let event = draft(
        "variant.evaluation_errored",
        [("variant_id", text(&variant.variant_id))],
    );
    Ok(Change {
        variant: Some(variant),
        events: vec![event],
        ..Change::default()
    })
}

/// Records the squash commit, once (`ch07 §5`). The same commit again changes nothing.
pub(in crate::embedded) fn integrate(mut variant: Variant, commit: CommitSha) -> Result<Change, Refusal> {
    if variant.is_baseline() {
        return Err(Refusal::precondition("a baseline is never integrated"));
    }
    if variant.status != VariantStatus::Success {
        return Err(Refusal::precondition(format!(
            "variant {} is {}, not success",
            variant.variant_id, variant.status
        )));
    }
    match &variant.variant_commit_sha {
        Some(stored) if *stored == commit => return Ok(Change::default()),
        Some(stored) => {
            return Err(Refusal::precondition(format!(
                "variant {} is integrated as {stored} already",
                variant.variant_id
            )));
        }
        None => {}
    }
    let event = draft(
        "variant.integrated",
        [
            ("variant_id", text(&variant.variant_id)),
            ("variant_commit_sha", text(&commit)),
        ],
    );
    variant.variant_commit_sha = Some(commit);
    Ok(Change {
        variant: Some(variant),
        events: vec![event],
        ..Change::default()
    })
}
