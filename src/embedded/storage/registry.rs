//! The registry of experiments. Each entry is read together with its lease and its state in the task store.

use sqlx::{QueryBuilder, Row, Sqlite};

use super::leases::stored_lease;
use super::{Session, StorageResult, WriteSession};
use crate::embedded::ScopeKey;
use crate::embedded::transition::RegisteredExperiment;
use crate::protocol::*;

impl Session {
    /// One registered experiment.
    pub(crate) async fn registered(&mut self, id: &str) -> StorageResult<Option<RegisteredExperiment>> {
        Ok(self.entries(("id", Some(id))).await?.pop())
    }

    /// Every registered experiment of this name, or of any, in the order of registration.
    pub(crate) async fn all_registered(&mut self, name: Option<&str>) -> StorageResult<Vec<RegisteredExperiment>> {
        self.entries(("name", name)).await
    }

    async fn entries(
        &mut self,
        (column, value): (&'static str, Option<&str>),
    ) -> StorageResult<Vec<RegisteredExperiment>> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT registry.entity, lease.entity, lease.ends_at, experiment.entity FROM registry
             LEFT JOIN lease ON lease.experiment = registry.id
             LEFT JOIN scope ON scope.id = registry.id
             LEFT JOIN experiment ON experiment.scope = scope.num
             WHERE registry.scope = ",
        );
        query.push_bind(ScopeKey::DEPLOYMENT.0);
        if let Some(value) = value {
            query.push(" AND registry.").push(column).push(" = ").push_bind(value);
        }
        query.push(" ORDER BY registry.position");
        let (connection, _) = self.reading();
        let rows = query.build().fetch_all(connection).await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let (entry, lease, ends_at): (String, Option<String>, Option<i64>) =
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let experiment: Option<String> = row.try_get(3)?;
            let state = experiment
                .as_deref()
                .map(serde_json::from_str::<StateReply>)
                .transpose()?;
            Ok(RegisteredExperiment {
                entry: serde_json::from_str(&entry)?,
                lease: lease.map(|lease| stored_lease(&lease, ends_at)).transpose()?,
                state: state.map(|reply| reply.state),
            })
        };
        rows.iter().map(read).collect()
    }
}

impl WriteSession {
    /// Adds or replaces an entry of the registry of experiments.
    pub(crate) async fn put_entry(&mut self, entry: &RegistryEntry) -> StorageResult {
        let query = sqlx::query(
            "INSERT INTO registry (scope, id, name, entity) VALUES (?, ?, ?, ?)
             ON CONFLICT (scope, id) DO UPDATE SET entity = excluded.entity",
        );
        let (connection, _) = self.writing().await?;
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
    pub(crate) async fn delete_entry(&mut self, id: &ExperimentId) -> StorageResult {
        let (connection, _) = self.writing().await?;
        let query = sqlx::query("DELETE FROM registry WHERE scope = ? AND id = ?");
        let query = query.bind(ScopeKey::DEPLOYMENT.0).bind(id.as_str());
        query.execute(connection).await?;
        Ok(())
    }
}
