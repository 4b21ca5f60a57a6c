//! The ideator: breeds proposals from the best variants.

use super::driver::Driver;
use super::elite::Candidate;
use super::ids;
use crate::demo::data_uri::data_uri;
use crate::demo::error::DemoError;
use crate::demo::problem::{Parent, Proposal, rng};
use crate::demo::workers::WorkerClient;
use crate::protocol::{Extra, Idea, IdeaId, IdeaState, Submission, SubmissionStatus, Task};

/// The member of an idea that tells the executor what to do.
pub(super) const MUTATION: &str = "x_mutation";

impl Driver {
    pub(super) async fn ideate(&mut self, ideator: &WorkerClient, task: &Task) -> Result<(), DemoError> {
        let mut ideas = Vec::new();
        for place in 0..self.plan.pilot.ideas_per_task.clamp(1, 26) {
            let id = ids::idea(&task.task_id, place)?;
            let Some((proposal, parents)) = self.breed(&id).await? else {
                continue;
            };
            let idea = self.idea(id.clone(), &proposal, &parents);
            // Already there after an interruption: then it only has to be marked ready.
            self.act(ideator.client.create_idea(&idea)).await?;
            self.act(ideator.client.mark_ready(&id)).await?;
            ideas.push(id);
        }
        let status = match ideas.is_empty() {
            true => SubmissionStatus::Error,
            false => SubmissionStatus::Success,
        };
        let submission = Submission {
            idea_ids: Some(ideas),
            ..Submission::new(status)
        };
        self.submit(ideator, task, submission).await
    }

    /// A proposal and its parents; none when a parent's genome, from another client, cannot be read.
    async fn breed(&self, id: &IdeaId) -> Result<Option<(Proposal, Vec<Candidate>)>, DemoError> {
        let elite = self.elite.best_first().to_vec();
        let label = id.to_string();
        self.compute(move |plan| {
            let parents: Vec<Parent<'_>> = elite
                .iter()
                .map(|candidate| Parent {
                    genome: &candidate.genome,
                    score: candidate.score,
                })
                .collect();
            let mut rng = rng(plan.pilot.seed, &label);
            let proposal = plan.problem.propose(&parents, &mut rng).ok()?;
            let parents = proposal.parents.iter().filter_map(|&i| elite.get(i).cloned());
            let parents = parents.collect();
            Some((proposal, parents))
        })
        .await
    }

    fn idea(&self, idea_id: IdeaId, proposal: &Proposal, parents: &[Candidate]) -> Idea {
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
            extra: Extra::from_iter([(MUTATION.to_owned(), proposal.mutation.clone())]),
        }
    }

    fn rationale(&self, proposal: &Proposal, parents: &[Candidate]) -> String {
        let metric = &self.plan.metric;
        let list: String = parents
            .iter()
            .map(|parent| format!("- {} ({metric} {})\n", parent.variant, parent.score))
            .collect();
        let change = if proposal.gain >= 0.0 { "a gain" } else { "a loss" };
        format!(
            "{}\n\nParents:\n{list}\nHoped for: {change} of {metric} by {:.6}.\nMutation: {}\n",
            proposal.why,
            proposal.gain.abs(),
            proposal.mutation
        )
    }
}
