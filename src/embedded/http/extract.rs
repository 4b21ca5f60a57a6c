//! What a handler depends on. Name them in the order of the checks: body or query first, then the call.

use std::sync::Arc;

use poem::{FromRequest, Request, RequestBody, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::Inner;
use super::super::authority::{Caller, Groups};
use super::super::hub::{Hosted, Scope};
use super::super::push::Resume;
use super::super::shape;
use super::super::storage::{Filter, ScopeKey, Session, StorageError, Table, Write};
use super::super::transition::{Change, Refusal};
use super::list::{self, List, Wrapper};
use super::problem::Fault;
use super::upload;
use super::validator::Known;
use crate::protocol::*;

/// Larger bodies are 413; artifacts have a limit of their own.
const BODY_LIMIT: u64 = 1024 * 1024;

/// Who calls, and in which registry their credential was looked up.
#[derive(Debug, Clone)]
pub(super) struct Admitted {
    pub(super) caller: Caller,
    pub(super) scope: Option<ScopeKey>,
}

/// A JSON body of the given shape.
pub(super) struct Body<T>(pub(super) T);

impl<'a, T: DeserializeOwned + Serialize + Send> FromRequest<'a> for Body<T> {
    async fn from_request(_: &'a Request, body: &mut RequestBody) -> poem::Result<Self> {
        let bytes = upload::small_body(body.take()?, BODY_LIMIT)
            .await
            .map_err(poem::Error::from)?;
        let raw = serde_json::from_slice(&bytes).map_err(|error| Fault::from(malformed(&error)))?;
        Ok(Self(shaped(raw).map_err(Fault::from)?))
    }
}

fn malformed(fault: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(
        ErrorType::BadRequest,
        format!("the body is not what it must be: {fault}"),
    )
}

/// Reads a value of a shape, nulls where nothing may stand refused.
pub(super) fn shaped<T: DeserializeOwned + Serialize>(raw: Value) -> Result<T, Refusal> {
    shape::shaped(&raw).map_err(|fault| malformed(&fault))
}

/// The query string, of the given shape. Members it does not know are ignored.
pub(super) struct Params<T>(pub(super) T);

impl<'a, T: DeserializeOwned> FromRequest<'a> for Params<T> {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let query = request.uri().query().unwrap_or_default();
        let params = serde_urlencoded::from_str(query);
        let params =
            params.map_err(|error| Fault::from(Refusal::new(ErrorType::BadRequest, format!("query: {error}"))));
        Ok(Self(params?))
    }
}

fn context(request: &Request) -> Result<(Arc<Inner>, Admitted), Fault> {
    match (request.data::<Arc<Inner>>(), request.data::<Admitted>()) {
        (Some(inner), Some(admitted)) => Ok((inner.clone(), admitted.clone())),
        _ => Err(unauthorized().into()),
    }
}

pub(super) fn unauthorized() -> Refusal {
    Refusal::new(ErrorType::Unauthorized, "the bearer is not good here")
}

/// A request about one hosted experiment, whose header agrees with its path.
pub(super) struct Call {
    pub(super) inner: Arc<Inner>,
    pub(super) hosted: Arc<Hosted>,
    pub(super) caller: Caller,
}

impl<'a> FromRequest<'a> for Call {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self::new(request)?)
    }
}

/// A request about one hosted experiment, by its path alone.
pub(super) struct HostedCall {
    pub(super) inner: Arc<Inner>,
    pub(super) hosted: Arc<Hosted>,
    caller: Caller,
}

impl<'a> FromRequest<'a> for HostedCall {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self::new(request)?)
    }
}

impl HostedCall {
    fn new(request: &Request) -> Result<Self, Fault> {
        let (inner, admitted) = context(request)?;
        let segment = request.raw_path_param("experiment").unwrap_or_default();
        let hosted = inner
            .hub
            .find(segment)
            .ok_or_else(|| Refusal::unknown("experiment", segment))?;
        if admitted.caller.principal().worker().is_some() && admitted.scope != Some(hosted.scope.key) {
            return Err(unauthorized().into());
        }
        Ok(Self {
            inner,
            hosted,
            caller: admitted.caller,
        })
    }
}

impl Call {
    fn new(request: &Request) -> Result<Self, Fault> {
        let segment = request.raw_path_param("experiment").unwrap_or_default();
        let mut headers = request.headers().get_all(EXPERIMENT_HEADER).iter();
        let header = headers.next().and_then(|value| value.to_str().ok());
        if header != Some(segment) || headers.next().is_some() {
            return Err(Refusal::new(
                ErrorType::ExperimentIdMismatch,
                format!("the header {EXPERIMENT_HEADER} must be {segment}, as in the path"),
            )
            .into());
        }
        let HostedCall { inner, hosted, caller } = HostedCall::new(request)?;
        Ok(Self { inner, hosted, caller })
    }

    /// The worker that calls; the admin token is refused.
    pub(super) fn worker(&self) -> Result<&WorkerId, Refusal> {
        self.caller.worker()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    pub(super) async fn read(&self) -> Result<Session, StorageError> {
        self.inner.store.read(self.hosted.scope.key).await
    }

    pub(super) async fn write(&self) -> Result<Write, StorageError> {
        self.inner.store.write(self.hosted.scope.key).await
    }

    /// Lets the worker pass if it is in one of the groups, as the write at hand sees them.
    pub(super) async fn require(&self, session: &mut Session, groups: &[&str]) -> Result<(), Fault> {
        let known = Groups::new(session.groups().await?);
        Ok(self.caller.member(&known, groups)?)
    }

    /// The reply to a request for a list of entities of this experiment.
    pub(super) async fn list(&self, known: &Known, table: Table, filters: Vec<Filter>) -> Result<Response, Fault> {
        let list = List::Entities {
            table,
            filters,
            wrapper: Wrapper::Array,
        };
        list::reply(&self.inner, self.hosted.scope.key, known, list).await
    }

    /// Whether the worker that calls is one of this experiment. A proven one is; a believed one may not be.
    pub(super) async fn is_registered(&self, session: &mut Session) -> Result<bool, Fault> {
        match self.caller.principal() {
            Actor::Worker(worker) if self.caller.is_unchecked() => {
                Ok(session.text(Table::Worker, worker.as_str()).await?.is_some())
            }
            _ => Ok(true),
        }
    }

    /// Writes what a transition decided, and makes it true.
    pub(super) async fn finish(&self, mut write: Write, change: Change, now: Timestamp) -> Result<(), Fault> {
        if change == Change::default() {
            return Ok(());
        }
        write.apply(&self.hosted, change, now).await?;
        Ok(write.commit(&self.inner.hub).await?)
    }
}

/// A request about workers or groups: an experiment's, or the deployment's under `/v0/control`.
pub(super) struct RegistryCall {
    pub(super) inner: Arc<Inner>,
    pub(super) scope: Arc<Scope>,
    pub(super) caller: Caller,
}

impl<'a> FromRequest<'a> for RegistryCall {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        // By the path and not by the parameter, which is missing too when its segment is no UTF-8.
        if !request.uri().path().starts_with("/v0/control/") {
            let call = Call::new(request)?;
            return Ok(Self {
                scope: call.hosted.scope.clone(),
                inner: call.inner,
                caller: call.caller,
            });
        }
        let (inner, admitted) = context(request)?;
        Ok(Self {
            scope: inner.hub.deployment.clone(),
            inner,
            caller: admitted.caller,
        })
    }
}

impl RegistryCall {
    fn is_deployment(&self) -> bool {
        self.scope.key == ScopeKey::DEPLOYMENT
    }

    /// The deployment's workers and groups are read by the admin only (`ch11 §6`).
    pub(super) async fn read(&self) -> Result<Session, Fault> {
        if self.is_deployment() {
            self.caller.admin()?;
        }
        Ok(self.inner.store.read(self.scope.key).await?)
    }

    /// Every change of a registry is the admin's.
    pub(super) async fn write(&self) -> Result<Write, Fault> {
        self.caller.admin()?;
        Ok(self.inner.store.write(self.scope.key).await?)
    }

    /// The reply to a request for the workers or groups, or those of one name.
    pub(super) async fn list(
        &self,
        known: &Known,
        table: Table,
        key: &'static str,
        name: Option<String>,
    ) -> Result<Response, Fault> {
        if self.is_deployment() {
            self.caller.admin()?;
        }
        let list = List::Entities {
            table,
            filters: vec![("name", name)],
            wrapper: Wrapper::Object(key),
        };
        list::reply(&self.inner, self.scope.key, known, list).await
    }
}

/// The ids in the path of a registry endpoint; empty where the path has none. The experiment may stand before them.
pub(super) struct Segments {
    pub(super) worker: String,
    pub(super) group: String,
    pub(super) member: String,
}

impl<'a> FromRequest<'a> for Segments {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let segment = |name| request.raw_path_param(name).unwrap_or_default().to_owned();
        Ok(Self {
            worker: segment("worker"),
            group: segment("group"),
            member: segment("member"),
        })
    }
}

/// A request to the control plane itself.
pub(super) struct ControlCall {
    pub(super) inner: Arc<Inner>,
    pub(super) caller: Caller,
}

impl<'a> FromRequest<'a> for ControlCall {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let (inner, admitted) = context(request)?;
        Ok(Self {
            inner,
            caller: admitted.caller,
        })
    }
}

/// Where a push stream goes on from: `Last-Event-ID`, else `?cursor=`, else the present.
pub(super) struct Resumed(pub(super) Resume);

impl<'a> FromRequest<'a> for Resumed {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> poem::Result<Self> {
        #[derive(serde::Deserialize)]
        struct Cursor {
            cursor: Option<String>,
        }
        let Params(Cursor { cursor }) = Params::from_request(request, body).await?;
        let given = request.headers().get("last-event-id");
        let given = given
            .map(|value| value.to_str().unwrap_or_default().to_owned())
            .or(cursor);
        Ok(Self(match given.map(|text| text.parse()) {
            None => Resume::Present,
            Some(Ok(cursor)) => Resume::After(cursor),
            Some(Err(_)) => Resume::Unintelligible,
        }))
    }
}
