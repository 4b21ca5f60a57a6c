//! The executor: turns an idea into a commit.

use std::collections::HashSet;

use super::ideator::MUTATION;
use super::{Driver, View, is_open_to, names};
use crate::demo::credentials::{Crew, Member};
use crate::demo::repo::{Author, Change};
use crate::demo::{DemoError, data_uri};
use crate::protocol::{Extra, Idea, Submission, SubmissionStatus, Task, TaskKind, Timestamp};
use crate::protocol::{Variant, VariantId, VariantStatus};

impl Driver {
    pub(super) async fn execute(&mut self, crew: &Crew, view: &View) -> Result<(), DemoError> {
        let mut tried = HashSet::new();
        for member in &crew.executors {
            match view.held_by(member) {
                Some(task) => self.realise(member, task).await?,
                None if self.terminated => {}
                None => {
                    for task in view
                        .pending(TaskKind::Execution)
                        .filter(|task| is_open_to(task, member))
                    {
                        if self.foreign.contains(&task.task_id) || !tried.insert(&task.task_id) {
                            continue;
                        }
                        if self.is_ours(member, task).await? {
                            self.claim(member, task).await?;
                            break;
                        }
                        self.foreign.insert(task.task_id.clone());
                    }
                }
            }
        }
        Ok(())
    }

    async fn is_ours(&self, member: &Member, task: &Task) -> Result<bool, DemoError> {
        match task.idea_id() {
            Some(id) => Ok(member.client.idea(&id).await?.extra.contains_key(MUTATION)),
            None => Ok(false),
        }
    }

    async fn realise(&mut self, member: &Member, task: &Task) -> Result<(), DemoError> {
        let (Some(idea_id), Some(claim)) = (task.idea_id(), &task.claim) else {
            return Ok(());
        };
        let idea = member.client.idea(&idea_id).await?;
        let (variant_id, exists) = self.free_variant(member, &idea).await?;
        if exists && self.is_dropped(task) {
            return Ok(());
        }
        let made = self.make(&idea).await?;
        let branch = names::branch("work", &variant_id, &idea.slug);
        let (status, commit, description) = match made {
            Ok(genome) => {
                let commit = self.commit(member, &idea, &branch, genome, claim.claimed_at).await?;
                (SubmissionStatus::Success, Some(commit), describe(&idea))
            }
            Err(why) => (SubmissionStatus::Error, None, why),
        };
        if !exists {
            let variant = self.variant(&variant_id, &idea, commit.is_some().then_some(branch), &description);
            let created = member.client.create_variant(&variant).await;
            if self.act(created).await?.is_none() || self.is_dropped(task) {
                return Ok(());
            }
        }
        let mut submission = Submission::new(status);
        submission.variant_id = Some(variant_id);
        if commit.is_none() {
            submission.artifacts_uri = Some(data_uri(&description));
        }
        submission.commit_sha = commit;
        let submitted = member.client.submit(&task.task_id, submission).await;
        self.act(submitted).await?;
        Ok(())
    }

    /// The variant to make: the one begun under this task, or the first id nobody has used. A task that was
    /// taken back has spent its variant (`ch04 §5`).
    async fn free_variant(&self, member: &Member, idea: &Idea) -> Result<(VariantId, bool), DemoError> {
        let mut attempt = 1;
        loop {
            let id = super::named(names::variant(&idea.idea_id, attempt))?;
            match member.client.variant(&id).await {
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
        let plan = self.plan.clone();
        let made = tokio::task::spawn_blocking(move || match plan.problem.apply(&parents, &mutation) {
            Ok(genome) if parents.contains(&genome) => Err("The outcome equals a parent.".to_owned()),
            Ok(genome) => Ok(genome),
            Err(fault) => Err(fault.to_string()),
        });
        Ok(made.await?)
    }

    async fn commit(
        &self,
        member: &Member,
        idea: &Idea,
        branch: &str,
        genome: String,
        at: Timestamp,
    ) -> Result<crate::protocol::CommitSha, DemoError> {
        let (branch, name, file) = (branch.to_owned(), member.name.clone(), self.plan.problem.file());
        let parents = idea.parent_commits.clone();
        let message = format!("{}\n\n{}\n", idea.slug, describe(idea));
        let commit = self.git(move |repo| {
            repo.commit(&Change {
                branch: &branch,
                parents: &parents,
                file,
                text: &genome,
                message: &message,
                author: Author { name: &name, at },
            })
        });
        Ok(commit.await??)
    }

    fn variant(&self, id: &VariantId, idea: &Idea, branch: Option<String>, description: &str) -> Variant {
        Variant {
            variant_id: id.clone(),
            experiment_id: self.experiment.clone(),
            kind: None,
            status: VariantStatus::Starting,
            idea_id: Some(idea.idea_id.clone()),
            parent_commits: idea.parent_commits.clone(),
            branch,
            commit_sha: None,
            variant_commit_sha: None,
            description: Some(description.into()),
            evaluation: None,
            artifacts_uri: None,
            executor_artifacts_uri: None,
            started_at: self.now(),
            completed_at: None,
            executed_by: None,
            evaluated_by: None,
            extra: Extra::new(),
        }
    }
}

fn describe(idea: &Idea) -> String {
    let parents = match idea.parent_commits.len() {
        1 => "one parent".to_owned(),
        n => format!("{n} parents"),
    };
    format!("{} on {parents}, hoped to gain {}.", idea.slug, idea.priority)
}
