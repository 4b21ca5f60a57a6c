//! The evaluator: reads the genome of a commit and measures it.

use super::driver::Driver;
use crate::demo::data_uri::data_uri;
use crate::demo::error::DemoError;
use crate::demo::problem::Measured;
use crate::demo::workers::WorkerClient;
use crate::protocol::{Evaluation, Submission, SubmissionStatus, Task};

impl Driver {
    pub(super) async fn evaluate(&mut self, evaluator: &WorkerClient, task: &Task) -> Result<(), DemoError> {
        let Some(variant_id) = task.variant_id().filter(|_| !self.is_dropped(task)) else {
            return Ok(());
        };
        let commit = evaluator.client.variant(&variant_id).await?.commit_sha;
        let genome = self.genomes(commit.as_slice()).await?.and_then(|mut read| read.pop());
        let found = self.compute(move |plan| match genome {
            None => Err("The commit holds no genome.".to_owned()),
            Some(genome) => plan.problem.measure(&genome).map_err(|fault| fault.to_string()),
        });
        // A genome that breaks a constraint is measured, and the variant is an error. One that cannot be read is not
        // measured.
        let (status, evaluation, why) = match found.await? {
            Ok(Measured::Valid(found)) => (SubmissionStatus::Success, Some(self.in_schema(found)), None),
            Ok(Measured::Invalid(why)) => (SubmissionStatus::Error, None, Some(why)),
            Err(why) => (SubmissionStatus::EvaluationError, None, Some(why)),
        };
        let submission = Submission {
            variant_id: Some(variant_id),
            evaluation,
            artifacts_uri: why.as_deref().map(data_uri),
            ..Submission::new(status)
        };
        self.submit(evaluator, task, submission).await
    }

    /// The metrics that the configuration asks for, which may be fewer than there are (`ch08 §4.3`).
    fn in_schema(&self, found: Evaluation) -> Evaluation {
        let schema = &self.plan.config.evaluation_schema;
        let found = found.into_iter();
        found.filter(|(metric, _)| schema.contains_key(metric)).collect()
    }
}
