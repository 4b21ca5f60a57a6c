//! The leases of the deployment, at most one an experiment.

use std::sync::Arc;

use sqlx::Row;

use super::{Session, StorageError, Write};
use crate::embedded::hub::Scope;
use crate::embedded::transition::{KeptLease, LeaseChange};
use crate::protocol::*;

pub(super) fn kept(entity: &str, ends_at: Option<i64>) -> Result<KeptLease, StorageError> {
    Ok(KeptLease {
        lease: serde_json::from_str(entity)?,
        expiry_is_told: ends_at.is_none(),
    })
}

impl Session {
    /// The lease of this id, active or not.
    pub(in crate::embedded) async fn lease(&mut self, id: &str) -> Result<Option<KeptLease>, StorageError> {
        let query = sqlx::query("SELECT entity, ends_at FROM lease WHERE id = ?").bind(id);
        Ok(self.leases(query).await?.pop())
    }

    /// The leases of a holder, active or not, by experiment.
    pub(in crate::embedded) async fn leases_of(&mut self, holder: &str) -> Result<Vec<KeptLease>, StorageError> {
        let query = sqlx::query("SELECT entity, ends_at FROM lease WHERE holder = ? ORDER BY experiment");
        self.leases(query.bind(holder)).await
    }

    /// The leases of which no end has been told, the next to expire first.
    pub(in crate::embedded) async fn leases_not_over(&mut self) -> Result<Vec<KeptLease>, StorageError> {
        let query = "SELECT entity, ends_at FROM lease WHERE ends_at IS NOT NULL ORDER BY ends_at";
        self.leases(sqlx::query(query)).await
    }

    async fn leases(
        &mut self,
        query: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
    ) -> Result<Vec<KeptLease>, StorageError> {
        let (connection, _) = self.parts();
        let rows = query.fetch_all(connection).await?;
        rows.iter().map(|row| kept(row.try_get(0)?, row.try_get(1)?)).collect()
    }
}

impl Write {
    /// Writes what a transition decided about the lease of an experiment, and its notices.
    pub(in crate::embedded) async fn change_lease(
        &mut self,
        deployment: &Arc<Scope>,
        experiment: &ExperimentId,
        change: LeaseChange,
    ) -> Result<(), StorageError> {
        self.put_lease(experiment, change.kept.as_ref()).await?;
        for notice in change.notices {
            self.notice(deployment, notice, experiment).await?;
        }
        Ok(())
    }

    /// Makes `lease` the one of the experiment, or leaves it without.
    pub(in crate::embedded) async fn put_lease(
        &mut self,
        experiment: &ExperimentId,
        lease: Option<&KeptLease>,
    ) -> Result<(), StorageError> {
        let (connection, _) = self.changing().await?;
        let Some(KeptLease { lease, expiry_is_told }) = lease else {
            let query = sqlx::query("DELETE FROM lease WHERE experiment = ?").bind(experiment.as_str());
            query.execute(connection).await?;
            return Ok(());
        };
        let ends_at = (!expiry_is_told).then(|| lease.expires_at.instant().as_millisecond());
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
