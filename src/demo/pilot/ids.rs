//! The ids that the pilot gives. Each follows from what it is for, so that work that is repeated after an interruption
//! finds what was created before instead of creating it twice.

use crate::protocol::{ExperimentId, IdError, IdeaId, TaskId, VariantId};

/// A few characters that tell experiments apart.
fn prefix(experiment: &ExperimentId) -> &str {
    let id = experiment.as_str();
    &id[id.len() - 6..]
}

/// The ideation task of that number.
pub(super) fn ideation(experiment: &ExperimentId, number: u64) -> Result<TaskId, IdError> {
    format!("ideate-{}-{number}", prefix(experiment)).parse()
}

/// The idea at that place of an ideation task's answer, from 0.
pub(super) fn idea(task: &TaskId, place: u8) -> Result<IdeaId, IdError> {
    let letter = char::from(b'a' + place.min(25));
    format!("idea-{}{letter}", tail(task.as_str(), "ideate-")).parse()
}

/// The one execution task of an idea: however it ends, the idea is completed (`ch04 §4.3`).
pub(super) fn execution(idea: &IdeaId) -> Result<TaskId, IdError> {
    format!("execute-{}", tail(idea.as_str(), "idea-")).parse()
}

/// The variant of an idea. Attempts after the first follow a reclaimed task.
pub(super) fn variant(idea: &IdeaId, attempt: u32) -> Result<VariantId, IdError> {
    // It becomes part of a branch name, and the idea ids of other clients may have any characters.
    let tail: String = tail(idea.as_str(), "idea-")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' })
        .collect();
    match attempt {
        1 => format!("v-{tail}"),
        n => format!("v-{tail}-{n}"),
    }
    .parse()
}

/// The baseline of an experiment.
pub(super) fn baseline(experiment: &ExperimentId) -> Result<VariantId, IdError> {
    format!("baseline-{}", prefix(experiment)).parse()
}

/// How many evaluation tasks a variant gets before it is declared an evaluation error.
pub(super) const EVALUATIONS: u32 = 2;

/// The evaluation task of a variant, counted from 1.
pub(super) fn evaluation(variant: &VariantId, attempt: u32) -> Result<TaskId, IdError> {
    let tail = tail(variant.as_str(), "v-");
    match attempt {
        1 => format!("evaluate-{tail}"),
        n => format!("evaluate-{tail}-r{n}"),
    }
    .parse()
}

/// The branch of an executor or of the integrator (`ch06 §3`).
pub(super) fn branch(kind: &str, variant: &VariantId, slug: &str) -> String {
    format!("{kind}/{variant}-{slug}")
}

fn tail<'a>(id: &'a str, prefix: &str) -> &'a str {
    id.strip_prefix(prefix).unwrap_or(id)
}

/// The number of the ideation task that a variant comes from; none when its id is not one of the pilot's.
pub(super) fn task_number(variant: &VariantId) -> Option<u64> {
    let digits = variant.as_str().strip_prefix("v-")?.split('-').nth(1)?;
    digits.trim_end_matches(|c: char| c.is_ascii_lowercase()).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_follow_from_each_other_share_their_end() -> Result<(), IdError> {
        let experiment: ExperimentId = "exp_01k00000000000000000abc123".parse()?;
        let task = ideation(&experiment, 12)?;
        let idea = idea(&task, 1)?;
        let variant_id = variant(&idea, 2)?;
        assert_eq!(task.as_str(), "ideate-abc123-12");
        assert_eq!(execution(&idea)?.as_str(), "execute-abc123-12b");
        assert_eq!(variant_id.as_str(), "v-abc123-12b-2");
        assert_eq!(evaluation(&variant_id, 2)?.as_str(), "evaluate-abc123-12b-2-r2");
        assert_eq!(branch("work", &variant_id, "flip-3"), "work/v-abc123-12b-2-flip-3");
        Ok(())
    }

    #[test]
    fn foreign_idea_ids_make_branches_that_git_takes() -> Result<(), IdError> {
        assert_eq!(variant(&"a b..c~^:/é".parse()?, 1)?.as_str(), "v-a-b--c-----");
        Ok(())
    }
}
