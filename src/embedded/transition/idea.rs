//! Drafting ideas and making them ready (`ch02 §5`, `ch03 §2`).

use super::{Change, Refusal, attributed, draft, good_parents, good_target, good_uri, same_experiment, text};
use crate::protocol::*;

/// `– → drafting`. Open after termination too, since only tasks are held back then (`ch02 §2.5`).
pub(in crate::embedded) fn create_idea(
    experiment: &Experiment,
    by: &WorkerId,
    mut idea: Idea,
    exists: bool,
) -> Result<Change, Refusal> {
    if !is_slug(&idea.slug) {
        return Err(Refusal::bad(format!(
            "slug must be lowercase letters, digits and hyphens, got {:?}",
            idea.slug
        )));
    }
    good_parents(&idea.parent_commits)?;
    good_uri(Some(&idea.artifacts_uri), "artifacts_uri")?;
    good_target(idea.intended_executor.as_ref(), "intended_executor")?;
    good_target(idea.intended_evaluator.as_ref(), "intended_evaluator")?;
    idea.created_by = attributed(idea.created_by.as_ref(), by)?;
    if idea.state != IdeaState::Drafting {
        return Err(Refusal::precondition("an idea is created drafting"));
    }
    same_experiment(experiment, &idea.experiment_id)?;
    if exists {
        return Err(Refusal::new(
            ErrorType::AlreadyExists,
            format!("idea {} exists", idea.idea_id),
        ));
    }
    let event = draft("idea.drafted", [("idea_id", text(&idea.idea_id))]);
    Ok(Change {
        idea: Some(idea),
        events: vec![event],
        ..Change::default()
    })
}

pub(super) fn is_slug(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(plain) && text.chars().all(|c| plain(c) || c == '-')
}

/// `drafting → ready`.
pub(in crate::embedded) fn mark_ready(mut idea: Idea) -> Result<Change, Refusal> {
    if idea.state != IdeaState::Drafting {
        return Err(Refusal::illegal(format!(
            "idea {} is {}, not drafting",
            idea.idea_id, idea.state
        )));
    }
    idea.state = IdeaState::Ready;
    let event = draft("idea.ready", [("idea_id", text(&idea.idea_id))]);
    Ok(Change {
        idea: Some(idea),
        events: vec![event],
        ..Change::default()
    })
}
