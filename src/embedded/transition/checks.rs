//! Checks that several transitions share.

use crate::embedded::{ProtocolError, ProtocolResult};
use crate::protocol::*;

pub(super) fn require_running(experiment: &Experiment) -> ProtocolResult {
    match experiment.state {
        ExperimentState::Running => Ok(()),
        ExperimentState::Terminated => Err(ProtocolError::illegal_transition(
            "the experiment is terminated: no task is created or claimed any more",
        )),
    }
}

pub(super) fn require_same_experiment(experiment: &Experiment, named: &ExperimentId) -> ProtocolResult {
    if experiment.experiment_id == *named {
        return Ok(());
    }
    Err(ProtocolError::invalid_precondition(format!(
        "the body belongs to experiment {named}, not to {}",
        experiment.experiment_id
    )))
}

/// The value of `created_by`: the caller. A body that names somebody else is refused (`ch07 §13`).
pub(super) fn created_by(named: Option<&Actor>, by: &WorkerId) -> ProtocolResult<Option<Actor>> {
    let caller = Actor::Worker(by.clone());
    match named {
        Some(named) if *named != caller => Err(ProtocolError::bad_request(format!(
            "created_by is {named}, but the caller is {caller}: leave it out"
        ))),
        _ => Ok(Some(caller)),
    }
}

/// A claim belongs to the states claimed and submitted.
pub(super) fn check_claim(task: &Task) -> ProtocolResult {
    let is_claimed = matches!(task.state, TaskState::Claimed | TaskState::Submitted);
    if task.claim.is_some() != is_claimed {
        return Err(ProtocolError::bad_request(
            "claim is present exactly on a claimed or submitted task",
        ));
    }
    Ok(())
}

pub(super) fn check_target(target: Option<&Target>, field: &str) -> ProtocolResult {
    match target {
        Some(target) if (target.kind == TargetKind::Group) != target.id.as_group().is_some() => Err(
            ProtocolError::bad_request(format!("{field}: {} is not the id of a {}", target.id, target.kind)),
        ),
        _ => Ok(()),
    }
}

/// Requires the characters of RFC 3986 and a scheme (`ch02 §1.5`). What the URI means is up to its reader.
pub(super) fn check_uri(uri: Option<&str>, field: &str) -> ProtocolResult {
    let Some(uri) = uri else { return Ok(()) };
    let scheme_is_good = uri.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.is_empty()
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    });
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b);
    if scheme_is_good && uri.bytes().all(allowed) {
        Ok(())
    } else {
        Err(ProtocolError::bad_request(format!(
            "{field} must be a URI with a scheme, got {uri:?}"
        )))
    }
}

pub(super) fn check_parents(parents: &[CommitSha]) -> ProtocolResult {
    if parents.is_empty() {
        return Err(ProtocolError::bad_request(
            "parent_commits must name at least one commit",
        ));
    }
    Ok(())
}

/// Parses a display name. An ill-formed one is 422 (`ch02 §1.7`).
pub(super) fn parse_name(name: Option<&str>) -> ProtocolResult<Option<DisplayName>> {
    name.map(DisplayName::parse)
        .transpose()
        .map_err(|error| ProtocolError::new(ErrorType::InvalidName, error.to_string()))
}
