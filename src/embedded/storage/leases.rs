//! The leases of the deployment, at most one per experiment.

use std::sync::Arc;

use sqlx::Row;

use super::{Session, StorageResult, WriteSession};
use crate::embedded::Scope;
use crate::embedded::transition::{LeaseChange, StoredLease};
use crate::protocol::*;

pub(super) fn stored_lease(entity: &str, ends_at: Option<i64>) -> StorageResult<StoredLease> {
    Ok(StoredLease {
        lease: serde_json::from_str(entity)?,
        expiry_announced: ends_at.is_none(),
    })
}

impl Session {
    /// The lease of this id, active or not.
    pub(crate) async fn lease(&mut self, id: &str) -> StorageResult<Option<StoredLease>> {
        let query = sqlx::query("SELECT entity, ends_at FROM lease WHERE id = ?").bind(id);
        Ok(self.leases(query).await?.pop())
    }

    /// The leases of a holder, active or not, by experiment.
    pub(crate) async fn leases_of(&mut self, holder: &str) -> StorageResult<Vec<StoredLease>> {
        let query = sqlx::query("SELECT entity, ends_at FROM lease WHERE holder = ? ORDER BY experiment");
        self.leases(query.bind(holder)).await
    }

    /// The leases whose expiry was not announced, the next to expire first.
    pub(crate) async fn unannounced_leases(&mut self) -> StorageResult<Vec<StoredLease>> {
        let query = "SELECT entity, ends_at FROM lease WHERE ends_at IS NOT NULL ORDER BY ends_at";
        self.leases(sqlx::query(query)).await
    }

    async fn leases(
        &mut self,
        query: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
    ) -> StorageResult<Vec<StoredLease>> {
        let (connection, _) = self.reading();
        let rows = query.fetch_all(connection).await?;
        rows.iter()
            .map(|row| stored_lease(row.try_get(0)?, row.try_get(1)?))
            .collect()
    }
}

impl WriteSession {
    /// Writes what a transition returned for the lease of an experiment, and its notices.
    pub(crate) async fn apply_lease_change(
        &mut self,
        deployment: &Arc<Scope>,
        experiment: &ExperimentId,
        change: LeaseChange,
    ) -> StorageResult {
        self.put_lease(experiment, change.stored.as_ref()).await?;
        for notice in change.notices {
            self.notify(deployment, notice, experiment).await?;
        }
        Ok(())
    }

    /// Replaces or removes the lease of the experiment.
    pub(crate) async fn put_lease(&mut self, experiment: &ExperimentId, lease: Option<&StoredLease>) -> StorageResult {
        let (connection, _) = self.writing().await?;
        let Some(StoredLease {
            lease,
            expiry_announced,
        }) = lease
        else {
            let query = sqlx::query("DELETE FROM lease WHERE experiment = ?").bind(experiment.as_str());
            query.execute(connection).await?;
            return Ok(());
        };
        let ends_at = (!expiry_announced).then(|| lease.expires_at.instant().as_millisecond());
        let query = sqlx::query(
            "INSERT INTO lease (experiment, id, holder, ends_at, entity) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (experiment) DO UPDATE SET id = excluded.id, holder = excluded.holder,
             ends_at = excluded.ends_at, entity = excluded.entity",
        );
        query
            .bind(experiment.as_str())
            .bind(&lease.lease_id)
            .bind(lease.holder.as_str())
            .bind(ends_at)
            .bind(serde_json::to_string(lease)?)
            .execute(connection)
            .await?;
        Ok(())
    }
}
