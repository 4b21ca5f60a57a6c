//! What must hold for an entity of any state that is imported: the rules of its own shape. References between entities
//! are checked by the reader of the archive.

use super::{check_claim, check_target, check_uri, variant};
use crate::embedded::{ProtocolError, ProtocolResult};
use crate::protocol::*;

/// A task of any state.
pub(crate) fn check_task(task: &Task, experiment: &ExperimentId) -> ProtocolResult {
    check_claim(task)?;
    let named = task.payload.get("experiment_id").and_then(serde_json::Value::as_str);
    let is_good = match task.kind {
        TaskKind::Ideation => named == Some(experiment.as_str()),
        TaskKind::Execution => task.idea_id().is_some(),
        TaskKind::Evaluation => task.variant_id().is_some(),
    };
    if !is_good {
        return Err(ProtocolError::bad_request(format!(
            "the payload does not name what a task of kind {} is about",
            task.kind
        )));
    }
    check_target(task.target.as_ref(), "target")
}

/// A variant of any status.
pub(crate) fn check_variant(variant: &Variant) -> ProtocolResult {
    if variant.variant_commit_sha.is_some() && variant.status != VariantStatus::Success {
        return Err(ProtocolError::bad_request(
            "variant_commit_sha is present only on a successful variant",
        ));
    }
    let is_measured = variant.commit_sha.is_some() && variant.evaluation.is_some();
    if variant.status == VariantStatus::Success && !is_measured {
        return Err(ProtocolError::bad_request(
            "a successful variant has a commit and an evaluation",
        ));
    }
    variant::check_variant(variant)
}

/// A submission for a task of this kind.
pub(crate) fn check_submission(submission: &Submission, kind: TaskKind) -> ProtocolResult {
    if submission.kind.is_some_and(|named| named != kind) {
        return Err(ProtocolError::bad_request(format!("the task is of kind {kind}")));
    }
    let is_whole = match kind {
        TaskKind::Ideation => submission.idea_ids.is_some(),
        TaskKind::Execution | TaskKind::Evaluation => submission.variant_id.is_some(),
    };
    if !is_whole {
        return Err(ProtocolError::bad_request(format!(
            "it does not answer a task of kind {kind}"
        )));
    }
    check_uri(submission.artifacts_uri.as_deref(), "artifacts_uri")
}

/// A group: no member twice.
pub(crate) fn check_group(group: &Group) -> ProtocolResult {
    let mut seen = std::collections::HashSet::new();
    match group.members.iter().find(|member| !seen.insert(*member)) {
        Some(member) => Err(ProtocolError::bad_request(format!("{member} is a member twice"))),
        None => Ok(()),
    }
}

/// `^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$` (`ch05 §1`).
pub(crate) fn check_event_type(kind: &str) -> ProtocolResult {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    if kind.contains('.') && kind.split('.').all(is_word) {
        return Ok(());
    }
    Err(ProtocolError::bad_request(format!(
        "{kind:?} cannot be the type of an event"
    )))
}
