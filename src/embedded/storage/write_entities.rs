//! Writing entities.

use std::sync::Arc;

use super::{StorageResult, WriteSession};
use crate::embedded::transition::{ChangeSet, SubmissionChange};
use crate::embedded::{HostedExperiment, Scope};
use crate::protocol::*;

impl WriteSession {
    /// Writes what a transition returned: entities, submission and events.
    pub(crate) async fn apply(
        &mut self,
        hosted: &Arc<HostedExperiment>,
        change: ChangeSet,
        now: Timestamp,
    ) -> StorageResult {
        if let Some(task) = &change.task {
            self.put_task(task, &change.submission).await?;
        }
        if let Some(idea) = &change.idea {
            self.put_idea(idea).await?;
        }
        if let Some(variant) = &change.variant {
            self.put_variant(variant).await?;
        }
        if let Some(experiment) = &change.experiment {
            self.put_experiment(experiment).await?;
        }
        if let Some(mode) = &change.dispatch_mode {
            let (connection, scope) = self.writing().await?;
            let mode = serde_json::to_string(mode)?;
            let query = sqlx::query("UPDATE experiment SET dispatch_mode = ? WHERE scope = ?");
            query.bind(mode).bind(scope).execute(connection).await?;
        }
        self.append(hosted, change.events, now).await
    }

    async fn put_task(&mut self, task: &Task, submission: &SubmissionChange) -> StorageResult {
        let (connection, scope) = self.writing().await?;
        let query = sqlx::query(
            "INSERT INTO task (scope, id, kind, state, subject, entity) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (scope, id) DO UPDATE SET state = excluded.state, entity = excluded.entity",
        );
        query
            .bind(scope)
            .bind(task.task_id.as_str())
            .bind(task.kind.as_str())
            .bind(task.state.as_str())
            .bind(task.subject())
            .bind(serde_json::to_string(task)?)
            .execute(&mut *connection)
            .await?;
        let submission = match submission {
            SubmissionChange::Keep => return Ok(()),
            SubmissionChange::Put(submission) => Some(serde_json::to_string(submission)?),
            SubmissionChange::Drop => None,
        };
        let query = sqlx::query("UPDATE task SET submission = ? WHERE scope = ? AND id = ?");
        let query = query.bind(submission).bind(scope).bind(task.task_id.as_str());
        query.execute(connection).await?;
        Ok(())
    }

    async fn put_idea(&mut self, idea: &Idea) -> StorageResult {
        let (connection, scope) = self.writing().await?;
        let query = sqlx::query(
            "INSERT INTO idea (scope, id, state, slug, entity) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (scope, id) DO UPDATE SET state = excluded.state, entity = excluded.entity",
        );
        let query = query.bind(scope).bind(idea.idea_id.as_str()).bind(idea.state.as_str());
        let query = query.bind(&idea.slug);
        query.bind(serde_json::to_string(idea)?).execute(connection).await?;
        Ok(())
    }

    async fn put_variant(&mut self, variant: &Variant) -> StorageResult {
        let (connection, scope) = self.writing().await?;
        let query = sqlx::query(
            "INSERT INTO variant (scope, id, status, idea, branch, entity) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (scope, id) DO UPDATE SET status = excluded.status, entity = excluded.entity",
        );
        query
            .bind(scope)
            .bind(variant.variant_id.as_str())
            .bind(variant.status.as_str())
            .bind(variant.idea_id.as_ref().map(IdeaId::as_str))
            .bind(variant.branch.as_deref())
            .bind(serde_json::to_string(variant)?)
            .execute(connection)
            .await?;
        Ok(())
    }

    async fn put_experiment(&mut self, experiment: &Experiment) -> StorageResult {
        let (connection, scope) = self.writing().await?;
        let query = sqlx::query("UPDATE experiment SET entity = ? WHERE scope = ?");
        let query = query.bind(serde_json::to_string(experiment)?).bind(scope);
        query.execute(connection).await?;
        Ok(())
    }

    /// Adds a worker with the hash of its secret.
    pub(crate) async fn insert_worker(&mut self, worker: &Worker, secret_hash: &str) -> StorageResult {
        let (connection, scope) = self.writing().await?;
        let query = sqlx::query("INSERT INTO worker (scope, id, name, entity, secret_hash) VALUES (?, ?, ?, ?, ?)");
        query
            .bind(scope)
            .bind(worker.worker_id.as_str())
            .bind(worker.name.as_ref().map(DisplayName::as_str))
            .bind(serde_json::to_string(worker)?)
            .bind(secret_hash)
            .execute(connection)
            .await?;
        Ok(())
    }

    /// Replaces the hash of a worker's secret.
    pub(crate) async fn set_secret_hash(&mut self, id: &str, hash: &str) -> StorageResult {
        let (connection, scope) = self.writing().await?;
        let query = sqlx::query("UPDATE worker SET secret_hash = ? WHERE scope = ? AND id = ?");
        query.bind(hash).bind(scope).bind(id).execute(connection).await?;
        Ok(())
    }

    /// Adds or replaces a group.
    pub(crate) async fn put_group(&mut self, group: &Group) -> StorageResult {
        let (connection, scope) = self.writing().await?;
        let query = sqlx::query(
            "INSERT INTO worker_group (scope, id, name, entity) VALUES (?, ?, ?, ?)
             ON CONFLICT (scope, id) DO UPDATE SET entity = excluded.entity",
        );
        query
            .bind(scope)
            .bind(group.group_id.as_str())
            .bind(group.name.as_ref().map(DisplayName::as_str))
            .bind(serde_json::to_string(group)?)
            .execute(connection)
            .await?;
        Ok(())
    }

    /// Removes a group. Members and targets that name it stay as they are (`ch02 §7`).
    pub(crate) async fn delete_group(&mut self, id: &str) -> StorageResult {
        let (connection, scope) = self.writing().await?;
        let query = sqlx::query("DELETE FROM worker_group WHERE scope = ? AND id = ?");
        query.bind(scope).bind(id).execute(connection).await?;
        Ok(())
    }

    /// Records that the workers, groups or experiments of `scope` changed, and announces it after the commit.
    pub(crate) async fn notify(&mut self, scope: &Arc<Scope>, kind: &str, id: impl std::fmt::Display) -> StorageResult {
        let (connection, _) = self.writing().await?;
        let query = sqlx::query_scalar("UPDATE scope SET revision = revision + 1 WHERE num = ? RETURNING revision");
        let revision: i64 = query.bind(scope.key.0).fetch_one(connection).await?;
        let notice = Notice {
            kind: kind.to_owned(),
            id: id.to_string(),
            revision: u64::try_from(revision).unwrap_or_default(),
        };
        self.announce_notice(scope, notice);
        Ok(())
    }
}
