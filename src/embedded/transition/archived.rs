//! What an entity must be to be taken over as it is: the rules of its own shape, in whatever state it is. How
//! entities refer to each other is for the reader of the archive to check.

use super::{Refusal, good_target, good_uri, variant};
use crate::protocol::*;

/// A task of any state.
pub(in crate::embedded) fn good_task(task: &Task, experiment: &ExperimentId) -> Result<(), Refusal> {
    let is_held = matches!(task.state, TaskState::Claimed | TaskState::Submitted);
    if task.claim.is_some() != is_held {
        return Err(Refusal::bad("claim is present exactly on a claimed or submitted task"));
    }
    let named = task.payload.get("experiment_id").and_then(serde_json::Value::as_str);
    let is_good = match task.kind {
        TaskKind::Ideation => named == Some(experiment.as_str()),
        TaskKind::Execution => task.idea_id().is_some(),
        TaskKind::Evaluation => task.variant_id().is_some(),
    };
    if !is_good {
        return Err(Refusal::bad(format!(
            "the payload does not name what a task of kind {} is about",
            task.kind
        )));
    }
    good_target(task.target.as_ref(), "target")
}

/// A variant as it may stand in an archive.
pub(in crate::embedded) fn good_variant(variant: &Variant) -> Result<(), Refusal> {
    if variant.variant_commit_sha.is_some() && variant.status != VariantStatus::Success {
        return Err(Refusal::bad(
            "variant_commit_sha is present only on a successful variant",
        ));
    }
    let is_measured = variant.commit_sha.is_some() && variant.evaluation.is_some();
    if variant.status == VariantStatus::Success && !is_measured {
        return Err(Refusal::bad("a successful variant has a commit and an evaluation"));
    }
    variant::good_variant(variant)
}

/// What was handed in for a task of this kind.
pub(in crate::embedded) fn good_submission(submission: &Submission, kind: TaskKind) -> Result<(), Refusal> {
    if submission.kind.is_some_and(|named| named != kind) {
        return Err(Refusal::bad(format!("the task is of kind {kind}")));
    }
    let is_whole = match kind {
        TaskKind::Ideation => submission.idea_ids.is_some(),
        TaskKind::Execution | TaskKind::Evaluation => submission.variant_id.is_some(),
    };
    if !is_whole {
        return Err(Refusal::bad(format!("it does not answer a task of kind {kind}")));
    }
    good_uri(submission.artifacts_uri.as_deref(), "artifacts_uri")
}

/// A group: no member twice.
pub(in crate::embedded) fn good_group(group: &Group) -> Result<(), Refusal> {
    let mut seen = std::collections::HashSet::new();
    match group.members.iter().find(|member| !seen.insert(*member)) {
        Some(member) => Err(Refusal::bad(format!("{member} is a member twice"))),
        None => Ok(()),
    }
}

/// `^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$` (`ch05 §1`).
pub(in crate::embedded) fn good_event_kind(kind: &str) -> Result<(), Refusal> {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    if kind.contains('.') && kind.split('.').all(is_word) {
        return Ok(());
    }
    Err(Refusal::bad(format!("{kind:?} cannot be the type of an event")))
}
