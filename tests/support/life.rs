//! Everything that can happen to one idea: three tasks, a variant, and an event for each step of all of them.

use serde_json::json;
use switchboard::client::{ClientError, ExperimentClient};
use switchboard::clock::Clock;
use switchboard::protocol::*;

/// Who is asked before each write, and told of each event whose write was acknowledged.
pub trait Witness {
    /// Held while a write is under way.
    type Permit;

    async fn permit(&mut self) -> Self::Permit;

    /// The type of the event, and what it is about.
    fn landed(&mut self, kind: &'static str, subject: &str);
}

/// Nobody who minds.
impl Witness for () {
    type Permit = ();

    async fn permit(&mut self) {}

    fn landed(&mut self, _: &'static str, _: &str) {}
}

/// A worker and an orchestrator who live through it.
pub struct Life<W> {
    pub orchestrator: ExperimentClient,
    pub worker: ExperimentClient,
    pub witness: W,
}

impl<W: Witness> Life<W> {
    /// Lives once, under a name that nobody had before.
    pub async fn live(&mut self, name: &str) -> Result<(), ClientError> {
        let now = Clock::default().now();
        let experiment = self.worker.id().clone();
        let commit = |digit: &str| digit.repeat(40).parse::<CommitSha>().expect("a commit");
        let ideate = format!("ideate-{name}");
        let ideate = self
            .task(&ideate, "ideation", json!({ "experiment_id": experiment }), None)
            .await?;
        let idea: Idea = serde_json::from_value(json!({
            "idea_id": format!("i-{name}"), "experiment_id": experiment, "slug": "steeper", "priority": 1,
            "parent_commits": [commit("0")], "artifacts_uri": "data:,steeper", "state": "drafting", "created_at": now,
        }))
        .expect("an idea");
        let id = idea.idea_id.clone();
        self.write(
            async |life| life.worker.create_idea(&idea).await,
            &[("idea.drafted", id.as_str())],
        )
        .await?;
        self.write(
            async |life| life.worker.mark_ready(&id).await,
            &[("idea.ready", id.as_str())],
        )
        .await?;
        self.finish(&ideate, json!({ "status": "success", "idea_ids": [id] }), None)
            .await?;

        let execute = format!("execute-{name}");
        let dispatched = Some(("idea.dispatched", id.as_str()));
        let execute = self
            .task(&execute, "execution", json!({ "idea_id": id }), dispatched)
            .await?;
        let variant: Variant = serde_json::from_value(json!({
            "variant_id": format!("v-{name}"), "experiment_id": experiment, "idea_id": id, "status": "starting",
            "parent_commits": [commit("0")], "branch": format!("work/{name}"), "started_at": now,
        }))
        .expect("a variant");
        let begun = variant.variant_id.clone();
        self.write(
            async |life| life.worker.create_variant(&variant).await,
            &[("variant.started", begun.as_str())],
        )
        .await?;
        let done = json!({ "status": "success", "variant_id": begun, "commit_sha": commit("a") });
        self.finish(&execute, done, Some(("idea.completed", id.as_str())))
            .await?;

        let evaluate = format!("evaluate-{name}");
        let evaluate = self
            .task(&evaluate, "evaluation", json!({ "variant_id": begun }), None)
            .await?;
        let score = f64::from(name.bytes().map(u32::from).sum::<u32>() % 97) / 97.0;
        let measured = json!({ "status": "success", "variant_id": begun, "evaluation": { "score": score } });
        self.finish(&evaluate, measured, Some(("variant.succeeded", begun.as_str())))
            .await?;
        self.write(
            async |life| life.orchestrator.integrate(&begun, &commit("b")).await,
            &[("variant.integrated", begun.as_str())],
        )
        .await
    }

    async fn write<T>(
        &mut self,
        write: impl AsyncFnOnce(&Self) -> Result<T, ClientError>,
        events: &[(&'static str, &str)],
    ) -> Result<T, ClientError> {
        let _permit = self.witness.permit().await;
        let written = write(self).await?;
        for (kind, subject) in events {
            self.witness.landed(kind, subject);
        }
        Ok(written)
    }

    /// Creates and claims; `also` is what creating does to another entity.
    async fn task(
        &mut self,
        id: &str,
        kind: &str,
        payload: serde_json::Value,
        also: Option<(&'static str, &str)>,
    ) -> Result<TaskId, ClientError> {
        let now = Clock::default().now();
        let task: Task = serde_json::from_value(json!({
            "task_id": id, "kind": kind, "state": "pending", "payload": payload, "created_at": now, "updated_at": now,
        }))
        .expect("a task");
        let created: Vec<_> = also.into_iter().chain([("task.created", id)]).collect();
        self.write(async |life| life.orchestrator.create_task(&task).await, &created)
            .await?;
        self.write(
            async |life| life.worker.claim(&task.task_id, &ClaimRequest::default()).await,
            &[("task.claimed", id)],
        )
        .await?;
        Ok(task.task_id)
    }

    /// Hands in and accepts; `also` is what accepting does to another entity.
    async fn finish(
        &mut self,
        task: &TaskId,
        submission: serde_json::Value,
        also: Option<(&'static str, &str)>,
    ) -> Result<(), ClientError> {
        let submission = serde_json::from_value(submission).expect("a submission");
        let id = task.as_str();
        self.write(
            async |life| life.worker.submit(task, submission).await,
            &[("task.submitted", id)],
        )
        .await?;
        let accepted: Vec<_> = also.into_iter().chain([("task.completed", id)]).collect();
        self.write(async |life| life.orchestrator.accept(task).await, &accepted)
            .await
    }
}
