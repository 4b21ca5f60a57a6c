//! The ideator: breeds proposals from the best variants.

use super::ledger::Candidate;
use super::{Driver, View, is_open_to, names};
use crate::demo::credentials::{Crew, Member};
use crate::demo::problem::{Parent, Proposal, rng};
use crate::demo::{DemoError, data_uri};
use crate::protocol::{Extra, Idea, IdeaState, Submission, SubmissionStatus, Task, TaskKind};

/// The member of an idea that tells the executor what to do.
pub(super) const MUTATION: &str = "x_mutation";

impl Driver {
    pub(super) async fn ideate(&mut self, crew: &Crew, view: &View) -> Result<(), DemoError> {
        if self.elite.best_first().is_empty() {
            // Until the baseline is measured there is nothing to breed from.
            return Ok(());
        }
        let mut pending = view.pending(TaskKind::Ideation);
        for member in &crew.ideators {
            match view.held_by(member) {
                Some(task) => self.propose(member, task).await?,
                None if self.terminated => {}
                None => {
                    if let Some(task) = pending.find(|task| is_open_to(task, member)) {
                        self.claim(member, task).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn propose(&mut self, member: &Member, task: &Task) -> Result<(), DemoError> {
        let mut ideas = Vec::new();
        for place in 0..self.plan.pilot.ideas_per_task.clamp(1, 26) {
            let id = super::named(names::idea(&task.task_id, place))?;
            let plan = self.plan.clone();
            let elite = self.elite.best_first().to_vec();
            let label = id.to_string();
            let bred = tokio::task::spawn_blocking(move || {
                let parents: Vec<Parent<'_>> = elite
                    .iter()
                    .map(|candidate| Parent {
                        genome: &candidate.genome,
                        score: candidate.score,
                    })
                    .collect();
                let mut rng = rng(plan.pilot.seed, &label);
                let proposal = plan.problem.propose(&parents, &mut rng).ok()?;
                let parents: Vec<Candidate> = proposal.parents.iter().filter_map(|&i| elite.get(i).cloned()).collect();
                Some((proposal, parents))
            });
            // A genome that somebody else committed may be past understanding.
            let Some((proposal, parents)) = bred.await? else {
                continue;
            };
            let idea = self.idea(id.clone(), &proposal, &parents);
            let drafted = member.client.create_idea(&idea).await;
            // Left from before an interruption, it is as good as drafted now.
            self.act(drafted).await?;
            let ready = member.client.mark_ready(&id).await;
            self.act(ready).await?;
            ideas.push(id);
        }
        let mut submission = Submission::new(if ideas.is_empty() {
            SubmissionStatus::Error
        } else {
            SubmissionStatus::Success
        });
        submission.idea_ids = Some(ideas);
        let submitted = member.client.submit(&task.task_id, submission).await;
        self.act(submitted).await?;
        Ok(())
    }

    fn idea(&self, idea_id: crate::protocol::IdeaId, proposal: &Proposal, parents: &[Candidate]) -> Idea {
        let mut extra = Extra::new();
        extra.insert(MUTATION.into(), proposal.mutation.clone());
        Idea {
            idea_id,
            experiment_id: self.experiment.clone(),
            slug: proposal.slug.clone(),
            priority: (proposal.gain * 1e6).round() / 1e6,
            parent_commits: parents.iter().map(|parent| parent.commit.clone()).collect(),
            artifacts_uri: data_uri(&self.rationale(proposal, parents)),
            state: IdeaState::Drafting,
            created_at: self.now(),
            created_by: None,
            intended_executor: None,
            intended_evaluator: None,
            extra,
        }
    }

    fn rationale(&self, proposal: &Proposal, parents: &[Candidate]) -> String {
        let metric = &self.plan.metric;
        let mut text = format!("{}\n\nParents:\n", proposal.why);
        for parent in parents {
            text.push_str(&format!("- {} ({metric} {})\n", parent.variant, parent.score));
        }
        text.push_str(&format!(
            "\nHoped for: {} of {metric} by {:.6}.\nMutation: {}\n",
            if proposal.gain >= 0.0 { "a gain" } else { "a loss" },
            proposal.gain.abs(),
            proposal.mutation
        ));
        text
    }
}
