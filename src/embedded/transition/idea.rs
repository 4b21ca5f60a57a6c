//! Drafting ideas and making them ready (`ch02 §5`, `ch03 §2`).

use super::{ChangeSet, check_parents, check_target, check_uri, created_by, new_event, require_same_experiment, text};
use crate::embedded::{ProtocolError, ProtocolResult};
use crate::protocol::*;

/// `– → drafting`. Allowed after termination too, which stops only tasks (`ch02 §2.5`).
pub(crate) fn create_idea(
    experiment: &Experiment,
    by: &WorkerId,
    mut idea: Idea,
    exists: bool,
) -> ProtocolResult<ChangeSet> {
    check_idea(&idea)?;
    idea.created_by = created_by(idea.created_by.as_ref(), by)?;
    if idea.state != IdeaState::Drafting {
        return Err(ProtocolError::invalid_precondition("an idea is created drafting"));
    }
    require_same_experiment(experiment, &idea.experiment_id)?;
    if exists {
        return Err(ProtocolError::already_exists(format!("idea {} exists", idea.idea_id)));
    }
    let event = new_event("idea.drafted", [("idea_id", text(&idea.idea_id))]);
    Ok(ChangeSet::idea(idea, event))
}

/// What must hold for an idea of any state (`ch02 §5`).
pub(crate) fn check_idea(idea: &Idea) -> ProtocolResult {
    if !is_slug(&idea.slug) {
        return Err(ProtocolError::bad_request(format!(
            "slug must be lowercase letters, digits and hyphens, got {:?}",
            idea.slug
        )));
    }
    check_parents(&idea.parent_commits)?;
    check_uri(Some(&idea.artifacts_uri), "artifacts_uri")?;
    check_target(idea.intended_executor.as_ref(), "intended_executor")?;
    check_target(idea.intended_evaluator.as_ref(), "intended_evaluator")
}

fn is_slug(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(plain) && text.chars().all(|c| plain(c) || c == '-')
}

/// `drafting → ready`.
pub(crate) fn mark_ready(mut idea: Idea) -> ProtocolResult<ChangeSet> {
    if idea.state != IdeaState::Drafting {
        return Err(ProtocolError::illegal_transition(format!(
            "idea {} is {}, not drafting",
            idea.idea_id, idea.state
        )));
    }
    idea.state = IdeaState::Ready;
    let event = new_event("idea.ready", [("idea_id", text(&idea.idea_id))]);
    Ok(ChangeSet::idea(idea, event))
}
