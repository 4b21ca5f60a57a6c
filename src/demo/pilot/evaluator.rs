//! The evaluator: reads the genome out of the commit and measures it.

use std::collections::HashSet;

use super::{Driver, View, is_open_to};
use crate::demo::credentials::{Crew, Member};
use crate::demo::problem::Measured;
use crate::demo::{DemoError, data_uri};
use crate::protocol::{Evaluation, Submission, SubmissionStatus, Task, TaskKind};

impl Driver {
    pub(super) async fn evaluate(&mut self, crew: &Crew, view: &View) -> Result<(), DemoError> {
        let mut tried = HashSet::new();
        for member in &crew.evaluators {
            match view.held_by(member) {
                Some(task) if self.is_dropped(task) => {}
                Some(task) => self.measure(member, task).await?,
                None if self.terminated => {}
                None => {
                    let task = view
                        .pending(TaskKind::Evaluation)
                        .find(|task| is_open_to(task, member) && !tried.contains(&task.task_id));
                    if let Some(task) = task {
                        tried.insert(&task.task_id);
                        self.claim(member, task).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn measure(&mut self, member: &Member, task: &Task) -> Result<(), DemoError> {
        let Some(id) = task.variant_id() else {
            return Ok(());
        };
        let commit = member.client.variant(&id).await?.commit_sha;
        let genome = self.genomes(commit.as_slice()).await?.and_then(|mut read| read.pop());
        let plan = self.plan.clone();
        let found = tokio::task::spawn_blocking(move || match genome {
            None => Err("The commit holds no genome.".to_owned()),
            Some(genome) => plan.problem.measure(&genome).map_err(|fault| fault.to_string()),
        });
        let mut submission = match found.await? {
            Ok(Measured::Valid(found)) => {
                let mut submission = Submission::new(SubmissionStatus::Success);
                submission.evaluation = Some(self.in_schema(found));
                submission
            }
            // The variant is no solution: that is what the measurement says of it.
            Ok(Measured::Invalid(why)) => {
                let mut submission = Submission::new(SubmissionStatus::Error);
                submission.artifacts_uri = Some(data_uri(&why));
                submission
            }
            // No measurement came about.
            Err(why) => {
                let mut submission = Submission::new(SubmissionStatus::EvaluationError);
                submission.artifacts_uri = Some(data_uri(&why));
                submission
            }
        };
        submission.variant_id = Some(id);
        let submitted = member.client.submit(&task.task_id, submission).await;
        self.act(submitted).await?;
        Ok(())
    }

    /// A configuration may ask for fewer metrics than there are (`ch08 §4.3`).
    fn in_schema(&self, found: Evaluation) -> Evaluation {
        let schema = &self.plan.config.evaluation_schema;
        found
            .into_iter()
            .filter(|(metric, _)| schema.contains_key(metric))
            .collect()
    }
}
