//! The call that a handler carries out: who calls, about what, and the backend to do it with.
//!
//! Handlers name their extractors in the order of the checks: body or query first, then the call.

use std::sync::Arc;

use poem::{FromRequest, Request, RequestBody};
use serde::de::DeserializeOwned;

use super::list::{self, Wrapper};
use super::reply::entity;
use super::{HttpResult, IfNoneMatch, List, Reply, no_content, unauthorized};
use crate::embedded::groups::Groups;
use crate::embedded::storage::{Filter, Session, StorageResult, Table, WriteSession};
use crate::embedded::transition::ChangeSet;
use crate::embedded::{BackendState, Caller, HostedExperiment, ProtocolError, ProtocolResult, Scope, ScopeKey};
use crate::protocol::*;

/// The caller, and the scope in which its credential was looked up.
#[derive(Debug, Clone)]
pub(super) struct Authenticated {
    pub(super) caller: Caller,
    pub(super) scope: Option<ScopeKey>,
}

fn authenticated(request: &Request) -> HttpResult<(Arc<BackendState>, Authenticated)> {
    match (request.data::<Arc<BackendState>>(), request.data::<Authenticated>()) {
        (Some(backend), Some(authenticated)) => Ok((backend.clone(), authenticated.clone())),
        _ => Err(unauthorized().into()),
    }
}

/// The entity of this id, or 404.
pub(super) async fn find<T: DeserializeOwned>(session: &mut Session, table: Table, id: &str) -> HttpResult<T> {
    let found = session.get(table, id).await?;
    Ok(found.ok_or_else(|| ProtocolError::not_found(table.noun(), id))?)
}

/// A call about one hosted experiment. The experiment header must agree with the path.
pub(super) struct ExperimentCall {
    pub(super) backend: Arc<BackendState>,
    pub(super) hosted: Arc<HostedExperiment>,
    pub(super) caller: Caller,
}

impl<'a> FromRequest<'a> for ExperimentCall {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self::new(request)?)
    }
}

/// A call about one hosted experiment, without an experiment header.
pub(super) struct HeaderlessCall(pub(super) ExperimentCall);

impl<'a> FromRequest<'a> for HeaderlessCall {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self(ExperimentCall::of_path(request)?))
    }
}

impl ExperimentCall {
    fn new(request: &Request) -> HttpResult<Self> {
        let segment = request.raw_path_param("experiment").unwrap_or_default();
        let mut headers = request.headers().get_all(EXPERIMENT_HEADER).iter();
        let header = headers.next().and_then(|value| value.to_str().ok());
        if header != Some(segment) || headers.next().is_some() {
            let detail = format!("the header {EXPERIMENT_HEADER} must be {segment}, as in the path");
            return Err(ProtocolError::new(ErrorType::ExperimentIdMismatch, detail).into());
        }
        Self::of_path(request)
    }

    fn of_path(request: &Request) -> HttpResult<Self> {
        let (backend, Authenticated { caller, scope }) = authenticated(request)?;
        let segment = request.raw_path_param("experiment").unwrap_or_default();
        let hosted = backend.experiments.find(segment);
        let hosted = hosted.ok_or_else(|| ProtocolError::not_found("experiment", segment))?;
        if caller.principal().worker().is_some() && scope != Some(hosted.scope.key) {
            return Err(unauthorized().into());
        }
        Ok(Self {
            backend,
            hosted,
            caller,
        })
    }

    /// The worker that calls. The admin token is refused.
    pub(super) fn worker(&self) -> ProtocolResult<&WorkerId> {
        self.caller.require_worker()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.backend.clock.now()
    }

    pub(super) async fn read(&self) -> StorageResult<Session> {
        self.backend.store.read(self.hosted.scope.key).await
    }

    pub(super) async fn write(&self) -> StorageResult<WriteSession> {
        self.backend.store.write(self.hosted.scope.key).await
    }

    /// Starts a write for a worker that is in one of the groups.
    pub(super) async fn write_as_member(&self, groups: &[&str]) -> HttpResult<WriteSession> {
        self.worker()?;
        let mut write = self.write().await?;
        self.require_member(&mut write, groups).await?;
        Ok(write)
    }

    /// Requires that the calling worker is in one of the groups, as the session sees them.
    pub(super) async fn require_member(&self, session: &mut Session, groups: &[&str]) -> HttpResult {
        let known = Groups::new(session.groups().await?);
        Ok(self.caller.require_member(&known, groups)?)
    }

    /// The reply to a read of one entity.
    pub(super) async fn entity(&self, table: Table, id: &str) -> Reply {
        entity(table.noun(), id, self.read().await?.text(table, id).await?)
    }

    /// The reply to a list of entities.
    pub(super) async fn list(&self, known: &IfNoneMatch, table: Table, filters: Vec<Filter>) -> Reply {
        let list = List::Entities {
            table,
            filters,
            wrapper: Wrapper::Array,
        };
        list::reply(&self.backend, self.hosted.scope.key, known, list).await
    }

    /// Whether the calling worker is registered in this experiment. When authentication is off it may not be.
    pub(super) async fn is_registered(&self, session: &mut Session) -> HttpResult<bool> {
        match self.caller.principal() {
            Actor::Worker(worker) if self.caller.is_unchecked() => {
                Ok(session.text(Table::Worker, worker.as_str()).await?.is_some())
            }
            _ => Ok(true),
        }
    }

    /// Writes what a transition returned, and commits.
    pub(super) async fn apply(&self, mut write: WriteSession, change: ChangeSet, now: Timestamp) -> HttpResult {
        if change == ChangeSet::default() {
            return Ok(());
        }
        write.apply(&self.hosted, change, now).await?;
        Ok(write.commit().await?)
    }

    /// The same, with 204 as the reply.
    pub(super) async fn finish(&self, write: WriteSession, change: ChangeSet, now: Timestamp) -> Reply {
        self.apply(write, change, now).await?;
        Ok(no_content())
    }
}

/// A call about workers or groups: an experiment's, or the deployment's under `/v0/control`.
pub(super) struct RosterCall {
    pub(super) backend: Arc<BackendState>,
    pub(super) scope: Arc<Scope>,
    pub(super) caller: Caller,
}

impl<'a> FromRequest<'a> for RosterCall {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        // By the path, not by the parameter: the parameter is missing too when its segment is not UTF-8.
        if !request.uri().path().starts_with("/v0/control/") {
            let call = ExperimentCall::new(request)?;
            return Ok(Self {
                scope: call.hosted.scope.clone(),
                backend: call.backend,
                caller: call.caller,
            });
        }
        let (backend, authenticated) = authenticated(request)?;
        Ok(Self {
            scope: backend.deployment.clone(),
            backend,
            caller: authenticated.caller,
        })
    }
}

impl RosterCall {
    /// The deployment's workers and groups are readable for the admin only (`ch11 §6`).
    fn require_reader(&self) -> ProtocolResult {
        match self.scope.is_deployment() {
            true => self.caller.require_admin(),
            false => Ok(()),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.backend.clock.now()
    }

    /// Starts a write. Only the admin may change workers and groups.
    pub(super) async fn write(&self) -> HttpResult<WriteSession> {
        self.caller.require_admin()?;
        Ok(self.backend.store.write(self.scope.key).await?)
    }

    /// The reply to a read of one worker or group.
    pub(super) async fn entity(&self, table: Table, id: &str) -> Reply {
        self.require_reader()?;
        let mut session = self.backend.store.read(self.scope.key).await?;
        entity(table.noun(), id, session.text(table, id).await?)
    }

    /// The reply to a list of workers or groups, all or those of one name.
    pub(super) async fn list(
        &self,
        known: &IfNoneMatch,
        table: Table,
        key: &'static str,
        name: Option<String>,
    ) -> Reply {
        self.require_reader()?;
        let list = List::Entities {
            table,
            filters: vec![("name", name)],
            wrapper: Wrapper::Object(key),
        };
        list::reply(&self.backend, self.scope.key, known, list).await
    }
}

/// The ids in the path of a worker or group. Empty where the path has none.
pub(super) struct RosterIds {
    pub(super) worker: String,
    pub(super) group: String,
    pub(super) member: String,
}

impl<'a> FromRequest<'a> for RosterIds {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let segment = |name| request.raw_path_param(name).unwrap_or_default().to_owned();
        Ok(Self {
            worker: segment("worker"),
            group: segment("group"),
            member: segment("member"),
        })
    }
}

/// A call to the control plane itself.
pub(super) struct ControlCall {
    pub(super) backend: Arc<BackendState>,
    pub(super) caller: Caller,
}

impl<'a> FromRequest<'a> for ControlCall {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let (backend, authenticated) = authenticated(request)?;
        Ok(Self {
            backend,
            caller: authenticated.caller,
        })
    }
}

impl ControlCall {
    pub(super) fn now(&self) -> Timestamp {
        self.backend.clock.now()
    }

    pub(super) async fn read(&self) -> StorageResult<Session> {
        self.backend.store.read(ScopeKey::DEPLOYMENT).await
    }

    pub(super) async fn write(&self) -> StorageResult<WriteSession> {
        self.backend.store.write(ScopeKey::DEPLOYMENT).await
    }

    /// Records a notice in the deployment's scope, and commits.
    pub(super) async fn commit_with_notice(
        &self,
        mut write: WriteSession,
        kind: &str,
        id: &ExperimentId,
    ) -> StorageResult {
        write.notify(&self.backend.deployment, kind, id).await?;
        write.commit().await
    }
}
