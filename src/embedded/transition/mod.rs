//! The state machines (`ch04`): pure functions from the entities they touch, a request and the time to the
//! entities as they become and the events that say so, or to a [`Refusal`]. No IO, so each rule is a unit test.

mod archived;
mod entry;
mod experiment;
mod idea;
#[cfg(test)]
mod invariants;
mod lease;
#[cfg(test)]
mod model;
mod registry;
#[cfg(test)]
mod rows;
mod submission;
mod task;
mod variant;

use std::fmt::Display;

use serde_json::Value;

use crate::protocol::*;

pub(super) use archived::{good_event_kind, good_group, good_submission, good_task, good_variant};
pub(super) use entry::Registered;
pub(super) use experiment::{
    good_config, good_dispatch_patch, policy_error, register_experiment, seed, terminate, update_dispatch_mode,
};
pub(super) use idea::{create_idea, good_idea, mark_ready};
pub(super) use lease::{KeptLease, LeaseChange, Reckoning, acquire, forget, reckon, release, renew};
pub(super) use registry::{add_member, new_group, new_worker, remove_member};
pub(super) use submission::{Cited, Verdict, accept, reject, submit, verdict};
pub(super) use task::{Referenced, Standing, claim, create_task, good_reassign, reassign, reclaim};
pub(super) use variant::{Surroundings, create_variant, declare_evaluation_error, integrate};

/// Why a request is not carried out: a type of the closed vocabulary, and words for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub(super) struct Refusal {
    pub(super) kind: ErrorType,
    pub(super) detail: String,
}

impl Refusal {
    pub(super) fn new(kind: ErrorType, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    pub(super) fn unknown(what: &str, id: impl Display) -> Self {
        Self::new(ErrorType::NotFound, format!("there is no {what} {id}"))
    }

    fn bad(detail: impl Into<String>) -> Self {
        Self::new(ErrorType::BadRequest, detail)
    }

    fn illegal(detail: impl Into<String>) -> Self {
        Self::new(ErrorType::IllegalTransition, detail)
    }

    fn precondition(detail: impl Into<String>) -> Self {
        Self::new(ErrorType::InvalidPrecondition, detail)
    }
}

/// Everything one commit writes. All of it lands, or none (`ch05 §2`).
#[derive(Debug, Default, PartialEq)]
pub(super) struct Change {
    pub(super) experiment: Option<Experiment>,
    pub(super) dispatch_mode: Option<Extra>,
    pub(super) task: Option<Task>,
    pub(super) submission: SubmissionChange,
    pub(super) idea: Option<Idea>,
    pub(super) variant: Option<Variant>,
    pub(super) events: Vec<Draft>,
}

/// What becomes of the stored submission of [`Change::task`].
#[derive(Debug, Default, PartialEq)]
pub(super) enum SubmissionChange {
    #[default]
    Keep,
    Put(Submission),
    Drop,
}

/// An event before the log gives it a place and an id.
#[derive(Debug, PartialEq)]
pub(super) struct Draft {
    pub(super) kind: &'static str,
    pub(super) data: Extra,
}

fn draft<const N: usize>(kind: &'static str, data: [(&str, Value); N]) -> Draft {
    Draft {
        kind,
        data: data.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    }
}

fn text(value: impl Display) -> Value {
    Value::String(value.to_string())
}

fn running(experiment: &Experiment) -> Result<(), Refusal> {
    match experiment.state {
        ExperimentState::Running => Ok(()),
        ExperimentState::Terminated => Err(Refusal::illegal(
            "the experiment is terminated: no task is created or claimed any more",
        )),
    }
}

fn same_experiment(experiment: &Experiment, named: &ExperimentId) -> Result<(), Refusal> {
    if experiment.experiment_id == *named {
        return Ok(());
    }
    Err(Refusal::precondition(format!(
        "the body belongs to experiment {named}, not to {}",
        experiment.experiment_id
    )))
}

/// Attribution comes from the bearer; a body that says otherwise is a mistake or a forgery (`ch07 §13`).
fn attributed(claimed: Option<&Actor>, by: &WorkerId) -> Result<Option<Actor>, Refusal> {
    let caller = Actor::Worker(by.clone());
    match claimed {
        Some(claimed) if *claimed != caller => Err(Refusal::bad(format!(
            "created_by is {claimed}, but the caller is {caller}: leave it out"
        ))),
        _ => Ok(Some(caller)),
    }
}

fn good_target(target: Option<&Target>, field: &str) -> Result<(), Refusal> {
    match target {
        Some(target) if (target.kind == TargetKind::Group) != target.id.as_group().is_some() => Err(Refusal::bad(
            format!("{field}: {} is not the id of a {}", target.id, target.kind),
        )),
        _ => Ok(()),
    }
}

/// RFC 3986 with a scheme (`ch02 §1.5`); what the URI means is for whoever reads it.
fn good_uri(uri: Option<&str>, field: &str) -> Result<(), Refusal> {
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
        Err(Refusal::bad(format!(
            "{field} must be a URI with a scheme, got {uri:?}"
        )))
    }
}

fn good_parents(parents: &[CommitSha]) -> Result<(), Refusal> {
    if parents.is_empty() {
        return Err(Refusal::bad("parent_commits must name at least one commit"));
    }
    Ok(())
}

/// A display name as the caller typed it; an ill-formed one is 422 (`ch02 §1.7`).
fn good_name(name: Option<&str>) -> Result<Option<DisplayName>, Refusal> {
    name.map(DisplayName::parse)
        .transpose()
        .map_err(|error| Refusal::new(ErrorType::InvalidName, error.to_string()))
}
