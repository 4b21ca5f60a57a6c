//! The writer's turn: reads see what it wrote, and commit makes all of it true and announces it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::{ScopeKey, Session, Source, StorageError, Store, Turn};
use crate::embedded::hub::{Hosted, Hub, Scope};
use crate::embedded::transition::{Change, Draft, SubmissionChange};
use crate::protocol::*;

/// The writer's turn. Dropped without [`Write::commit`], it leaves no trace.
#[derive(Debug)]
pub(in crate::embedded) struct Write {
    session: Session,
    announcements: Vec<Announcement>,
}

/// What readers are told once a commit is true.
#[derive(Debug)]
pub(super) enum Announcement {
    Logged(Arc<Hosted>, u64),
    Noticed(Arc<Scope>, Notice),
    Hosted(Arc<Hosted>),
}

impl Announcement {
    pub(super) fn make(self, hub: &Hub) {
        match self {
            Self::Logged(hosted, length) => hosted.announce_length(length),
            Self::Noticed(scope, notice) => scope.announce(notice),
            Self::Hosted(hosted) => hub.host(hosted),
        }
    }
}

impl Deref for Write {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

impl Store {
    /// Waits for the writer's turn.
    pub(in crate::embedded) async fn write(&self, scope: ScopeKey) -> Result<Write, StorageError> {
        Ok(Write {
            session: Session {
                source: Source::Turn(Turn::begin(&self.writer).await?),
                scope,
            },
            announcements: Vec::new(),
        })
    }
}

impl Write {
    /// Ends the turn and makes everything written true; readers are told in the order of commits.
    pub(in crate::embedded) async fn commit(self, hub: &Hub) -> Result<(), StorageError> {
        match self.session.source {
            Source::Turn(turn) => turn.commit(self.announcements, hub).await,
            Source::Snapshot(_) => Ok(()),
        }
    }

    /// Hosts an experiment, or hosts it under another configuration, once what was written is true. Its log has
    /// this length by then.
    pub(super) fn host(&mut self, hosted: Arc<Hosted>, length: u64) {
        self.announcements.push(Announcement::Hosted(hosted.clone()));
        self.announcements.push(Announcement::Logged(hosted, length));
    }

    /// Writes what a transition decided: entities, submission and events in this one transaction.
    pub(in crate::embedded) async fn apply(
        &mut self,
        hosted: &Arc<Hosted>,
        change: Change,
        now: Timestamp,
    ) -> Result<(), StorageError> {
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
            let (connection, scope) = self.session.changing().await?;
            let mode = serde_json::to_string(mode)?;
            let query = sqlx::query("UPDATE experiment SET dispatch_mode = ? WHERE scope = ?");
            query.bind(mode).bind(scope).execute(connection).await?;
        }
        self.append(hosted, change.events, now).await
    }

    async fn append(&mut self, hosted: &Arc<Hosted>, drafts: Vec<Draft>, now: Timestamp) -> Result<(), StorageError> {
        if drafts.is_empty() {
            return Ok(());
        }
        let mut length = self.log_length().await?;
        for draft in drafts {
            length += 1;
            let event = Event {
                event_id: format!("evt-{length:06}"),
                kind: draft.kind.to_owned(),
                occurred_at: now,
                experiment_id: hosted.scope.experiment_id.clone(),
                data: draft.data,
                extra: Extra::new(),
            };
            let text = serde_json::to_string(&event)?;
            let (connection, scope) = self.session.changing().await?;
            let query = sqlx::query("INSERT INTO event (scope, seq, entity) VALUES (?, ?, ?)");
            let seq = i64::try_from(length).unwrap_or(i64::MAX);
            query.bind(scope).bind(seq).bind(text).execute(connection).await?;
        }
        self.announcements.push(Announcement::Logged(hosted.clone(), length));
        Ok(())
    }

    async fn put_task(&mut self, task: &Task, submission: &SubmissionChange) -> Result<(), StorageError> {
        let (connection, scope) = self.session.changing().await?;
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

    async fn put_idea(&mut self, idea: &Idea) -> Result<(), StorageError> {
        let (connection, scope) = self.session.changing().await?;
        let query = sqlx::query(
            "INSERT INTO idea (scope, id, state, slug, entity) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (scope, id) DO UPDATE SET state = excluded.state, entity = excluded.entity",
        );
        let query = query.bind(scope).bind(idea.idea_id.as_str()).bind(idea.state.as_str());
        let query = query.bind(&idea.slug);
        query.bind(serde_json::to_string(idea)?).execute(connection).await?;
        Ok(())
    }

    async fn put_variant(&mut self, variant: &Variant) -> Result<(), StorageError> {
        let (connection, scope) = self.session.changing().await?;
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

    async fn put_experiment(&mut self, experiment: &Experiment) -> Result<(), StorageError> {
        let (connection, scope) = self.session.changing().await?;
        let query = sqlx::query("UPDATE experiment SET entity = ? WHERE scope = ?");
        let query = query.bind(serde_json::to_string(experiment)?).bind(scope);
        query.execute(connection).await?;
        Ok(())
    }

    /// Adds a worker with the hash of its secret.
    pub(in crate::embedded) async fn insert_worker(
        &mut self,
        worker: &Worker,
        secret_hash: &str,
    ) -> Result<(), StorageError> {
        let (connection, scope) = self.session.changing().await?;
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
    pub(in crate::embedded) async fn set_secret_hash(&mut self, id: &str, hash: &str) -> Result<(), StorageError> {
        let (connection, scope) = self.session.changing().await?;
        let query = sqlx::query("UPDATE worker SET secret_hash = ? WHERE scope = ? AND id = ?");
        query.bind(hash).bind(scope).bind(id).execute(connection).await?;
        Ok(())
    }

    /// Adds or replaces a group.
    pub(in crate::embedded) async fn put_group(&mut self, group: &Group) -> Result<(), StorageError> {
        let (connection, scope) = self.session.changing().await?;
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

    /// Removes a group; members and targets that name it dangle (`ch02 §7`).
    pub(in crate::embedded) async fn delete_group(&mut self, id: &str) -> Result<(), StorageError> {
        let (connection, scope) = self.session.changing().await?;
        let query = sqlx::query("DELETE FROM worker_group WHERE scope = ? AND id = ?");
        query.bind(scope).bind(id).execute(connection).await?;
        Ok(())
    }

    /// Adds or replaces an entry of the registry of experiments.
    pub(in crate::embedded) async fn put_entry(&mut self, entry: &RegistryEntry) -> Result<(), StorageError> {
        let query = sqlx::query(
            "INSERT INTO registry (scope, id, name, entity) VALUES (?, ?, ?, ?)
             ON CONFLICT (scope, id) DO UPDATE SET entity = excluded.entity",
        );
        let (connection, _) = self.session.changing().await?;
        query
            .bind(ScopeKey::DEPLOYMENT.0)
            .bind(entry.experiment_id.as_str())
            .bind(entry.name.as_ref().map(DisplayName::as_str))
            .bind(serde_json::to_string(entry)?)
            .execute(connection)
            .await?;
        Ok(())
    }

    /// Removes an entry from the registry of experiments.
    pub(in crate::embedded) async fn delete_entry(&mut self, id: &ExperimentId) -> Result<(), StorageError> {
        let (connection, _) = self.session.changing().await?;
        let query = sqlx::query("DELETE FROM registry WHERE scope = ? AND id = ?");
        let query = query.bind(ScopeKey::DEPLOYMENT.0).bind(id.as_str());
        query.execute(connection).await?;
        Ok(())
    }

    /// Records that the registry of `scope` changed, and announces it once that is true.
    pub(in crate::embedded) async fn notice(
        &mut self,
        scope: &Arc<Scope>,
        kind: &str,
        id: impl std::fmt::Display,
    ) -> Result<(), StorageError> {
        let (connection, _) = self.session.changing().await?;
        let query = sqlx::query_scalar("UPDATE scope SET revision = revision + 1 WHERE num = ? RETURNING revision");
        let revision: i64 = query.bind(scope.key.0).fetch_one(connection).await?;
        let notice = Notice {
            kind: kind.to_owned(),
            id: id.to_string(),
            revision: u64::try_from(revision).unwrap_or_default(),
        };
        self.announcements.push(Announcement::Noticed(scope.clone(), notice));
        Ok(())
    }
}
