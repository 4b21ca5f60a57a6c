//! Reading the registry of experiments, with what the lease and the task store have to say about each.

use sqlx::{QueryBuilder, Row, Sqlite};

use super::lease::kept;
use super::{ScopeKey, Session, StorageError};
use crate::embedded::transition::Registered;
use crate::protocol::*;

impl Session {
    /// One registered experiment.
    pub(in crate::embedded) async fn registered(&mut self, id: &str) -> Result<Option<Registered>, StorageError> {
        Ok(self.entries(("id", Some(id))).await?.pop())
    }

    /// Every registered experiment of this name, or of any, in the order of registration.
    pub(in crate::embedded) async fn all_registered(
        &mut self,
        name: Option<&str>,
    ) -> Result<Vec<Registered>, StorageError> {
        self.entries(("name", name)).await
    }

    async fn entries(
        &mut self,
        (column, value): (&'static str, Option<&str>),
    ) -> Result<Vec<Registered>, StorageError> {
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
        let (connection, _) = self.parts();
        let rows = query.build().fetch_all(connection).await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let (entry, lease, ends_at): (String, Option<String>, Option<i64>) =
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let experiment: Option<String> = row.try_get(3)?;
            let state = experiment
                .as_deref()
                .map(serde_json::from_str::<StateReply>)
                .transpose()?;
            Ok(Registered {
                entry: serde_json::from_str(&entry)?,
                lease: lease.map(|lease| kept(&lease, ends_at)).transpose()?,
                state: state.map(|reply| reply.state),
            })
        };
        rows.iter().map(read).collect()
    }
}
