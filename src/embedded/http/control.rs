//! The registry of experiments (`ch11 §2`), its push stream, and the extension that seeds an experiment.

use poem::http::StatusCode;
use poem::web::Path;
use poem::{Response, handler};
use serde::Deserialize;

use super::super::push;
use super::super::storage::{ScopeKey, Session, Write};
use super::super::transition::{self, Refusal, Registered};
use super::extract::{Body, ControlCall, Params, Resumed, unauthorized};
use super::problem::{Fault, empty, json};
use super::validator::Known;
use crate::protocol::*;

#[derive(Deserialize)]
struct Filter {
    name: Option<String>,
}

#[handler]
pub(super) async fn list(Params(filter): Params<Filter>, known: Known, call: ControlCall) -> Result<Response, Fault> {
    let mut session = call.inner.store.read(ScopeKey::DEPLOYMENT).await?;
    let registered = session.all_registered(filter.name.as_deref()).await?;
    let revision = session.revision().await?;
    let now = call.inner.clock.now();
    let experiments = registered.into_iter().map(|registered| registered.shown(now));
    let mut response = known.answer(&ExperimentList {
        experiments: experiments.collect(),
    })?;
    response.headers_mut().insert(CURSOR_HEADER, revision.into());
    Ok(response)
}

#[handler]
pub(super) async fn read(Path(id): Path<String>, known: Known, call: ControlCall) -> Result<Response, Fault> {
    let mut session = call.inner.store.read(ScopeKey::DEPLOYMENT).await?;
    let registered = registered(&mut session, &id).await?;
    known.answer(&registered.shown(call.inner.clock.now()))
}

#[handler]
pub(super) async fn register(Body(request): Body<RegisterExperiment>, call: ControlCall) -> Result<Response, Fault> {
    call.caller.admin()?;
    let pinned = request.experiment_id.clone();
    let id = pinned.unwrap_or_else(|| ExperimentId::mint(call.inner.mint.ulid()));
    if id == call.inner.hub.deployment.experiment_id {
        let detail = format!("{id} stands for the deployment itself");
        return Err(Refusal::new(ErrorType::ReservedIdentifier, detail).into());
    }
    let mut write = call.inner.store.write(ScopeKey::DEPLOYMENT).await?;
    let exists = write.registered(id.as_str()).await?.is_some();
    let now = call.inner.clock.now();
    let entry = transition::register_experiment(id, request, exists, now)?;
    write.put_entry(&entry).await?;
    // An adopted experiment may be hosted already, and over.
    let registered = registered(&mut write, entry.experiment_id.as_str()).await?;
    announce(&call, write, "experiment.registered", &entry.experiment_id).await?;
    let mut response = json(&registered.shown(now))?;
    response.set_status(StatusCode::CREATED);
    Ok(response)
}

async fn announce(call: &ControlCall, mut write: Write, kind: &str, id: &ExperimentId) -> Result<(), Fault> {
    write.notice(&call.inner.hub.deployment, kind, id).await?;
    Ok(write.commit(&call.inner.hub).await?)
}

pub(super) async fn registered(session: &mut Session, id: &str) -> Result<Registered, Fault> {
    let registered = session.registered(id).await?;
    Ok(registered.ok_or_else(|| Refusal::unknown("experiment", id))?)
}

#[handler]
pub(super) async fn unregister(Path(id): Path<String>, call: ControlCall) -> Result<Response, Fault> {
    call.caller.admin()?;
    let mut write = call.inner.store.write(ScopeKey::DEPLOYMENT).await?;
    let now = call.inner.clock.now();
    let registered = registered(&mut write, &id).await?;
    registered.may_leave(now)?;
    let id = &registered.entry.experiment_id;
    let change = transition::forget(registered.lease.as_ref(), now);
    write.change_lease(&call.inner.hub.deployment, id, change).await?;
    write.delete_entry(id).await?;
    announce(&call, write, "experiment.unregistered", id).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// An extension, described in `docs/push.md`.
#[handler]
pub(super) async fn stream(Resumed(resume): Resumed, call: ControlCall) -> Result<Response, Fault> {
    let stream = push::follow_registry(&call.inner, &call.caller, resume).await?;
    Ok(stream.ok_or_else(unauthorized)?)
}

/// An extension: the task store begins to host a registered experiment.
#[handler]
pub(super) async fn seed(
    Path(id): Path<String>,
    Body(request): Body<SeedRequest>,
    call: ControlCall,
) -> Result<Response, Fault> {
    call.caller.admin()?;
    // Before the writer's turn, since a large text takes its time.
    let (config, mode) = transition::good_config(&request.config)?;
    let mut write = call.inner.store.write(ScopeKey::DEPLOYMENT).await?;
    let entry = registered(&mut write, &id).await?.entry;
    if write.is_hosted(&entry.experiment_id).await? {
        let detail = format!("experiment {id} is hosted already");
        return Err(Refusal::new(ErrorType::AlreadyExists, detail).into());
    }
    let experiment = transition::seed(&entry, request.base_commit_sha, call.inner.clock.now());
    write
        .land(&experiment, (&request.config, config), &mode, None, 0)
        .await?;
    announce(&call, write, "experiment.seeded", &experiment.experiment_id).await?;
    let mut response = json(&experiment)?;
    response.set_status(StatusCode::CREATED);
    Ok(response)
}
