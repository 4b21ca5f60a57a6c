//! The executor: makes a commit of an idea.

use super::driver::Driver;
use super::ideator::MUTATION;
use super::ids;
use crate::demo::data_uri::data_uri;
use crate::demo::error::DemoError;
use crate::demo::repo::Change;
use crate::demo::workers::WorkerClient;
use crate::protocol::{Idea, Submission, SubmissionStatus, Task, Variant, VariantId, VariantStatus};

impl Driver {
    /// Whether the idea of a task holds a mutation. One that does not is remembered, so that it is read once.
    pub(super) async fn is_ours(&mut self, executor: &WorkerClient, task: &Task) -> Result<bool, DemoError> {
        if self.foreign.contains(&task.task_id) {
            return Ok(false);
        }
        let is_ours = match task.idea_id() {
            Some(id) => executor.client.idea(&id).await?.extra.contains_key(MUTATION),
            None => false,
        };
        if !is_ours {
            self.foreign.insert(task.task_id.clone());
        }
        Ok(is_ours)
    }

    pub(super) async fn execute(&mut self, executor: &WorkerClient, task: &Task) -> Result<(), DemoError> {
        let (Some(idea_id), Some(claim)) = (task.idea_id(), &task.claim) else {
            return Ok(());
        };
        let idea = executor.client.idea(&idea_id).await?;
        let (variant_id, exists) = self.free_variant(executor, &idea).await?;
        if exists && self.is_dropped(task) {
            return Ok(());
        }
        let branch = ids::branch("work", &variant_id, &idea.slug);
        let made = match self.make(&idea).await? {
            Ok(genome) => {
                let change = Change {
                    branch: branch.clone(),
                    parents: idea.parent_commits.clone(),
                    file: self.plan.problem.file().into(),
                    text: genome,
                    message: format!("{}\n\n{}\n", idea.slug, describe(&idea)),
                    author: executor.name.clone(),
                    // The claim's own time, so that a repeated commit is the same.
                    at: claim.claimed_at,
                };
                Ok(self.git(move |repo| repo.commit(&change)).await??)
            }
            Err(why) => Err(why),
        };
        let (status, commit_sha, why_not) = match made {
            Ok(commit) => (SubmissionStatus::Success, Some(commit), None),
            Err(why) => (SubmissionStatus::Error, None, Some(why)),
        };
        if !exists {
            let started = Variant {
                idea_id: Some(idea.idea_id.clone()),
                branch: commit_sha.is_some().then_some(branch),
                description: Some(why_not.clone().unwrap_or_else(|| describe(&idea))),
                ..Variant::starting(
                    variant_id.clone(),
                    self.experiment.clone(),
                    idea.parent_commits,
                    self.now(),
                )
            };
            let created = self.act(executor.client.create_variant(&started)).await?;
            if created.is_none() || self.is_dropped(task) {
                return Ok(());
            }
        }
        let submission = Submission {
            variant_id: Some(variant_id),
            commit_sha,
            artifacts_uri: why_not.as_deref().map(data_uri),
            ..Submission::new(status)
        };
        self.submit(executor, task, submission).await
    }

    /// The variant to make, and whether it exists: the one that was started under this task, or the first id that is
    /// free. A reclaimed task has used up its variant (`ch04 §5`).
    async fn free_variant(&self, executor: &WorkerClient, idea: &Idea) -> Result<(VariantId, bool), DemoError> {
        let mut attempt = 1;
        loop {
            let id = ids::variant(&idea.idea_id, attempt)?;
            match executor.client.variant(&id).await {
                Ok(variant) if variant.status == VariantStatus::Starting => return Ok((id, true)),
                Ok(_) => attempt += 1,
                Err(fault) if fault.is_not_found() => return Ok((id, false)),
                Err(fault) => return Err(fault.into()),
            }
        }
    }

    /// The genome of an idea, or why there is none.
    async fn make(&self, idea: &Idea) -> Result<Result<String, String>, DemoError> {
        let Some(parents) = self.genomes(&idea.parent_commits).await? else {
            return Ok(Err("A parent commit holds no genome.".into()));
        };
        let mutation = idea.extra.get(MUTATION).cloned().unwrap_or_default();
        self.compute(move |plan| match plan.problem.apply(&parents, &mutation) {
            Ok(genome) if parents.contains(&genome) => Err("The outcome equals a parent.".to_owned()),
            Ok(genome) => Ok(genome),
            Err(fault) => Err(fault.to_string()),
        })
        .await
    }
}

fn describe(idea: &Idea) -> String {
    let parents = match idea.parent_commits.len() {
        1 => "one parent".to_owned(),
        n => format!("{n} parents"),
    };
    format!("{} on {parents}, hoped to gain {}.", idea.slug, idea.priority)
}
