//! The registry of experiments (`ch11 §2`), its push stream, and the extension that seeds an experiment.

use poem::http::StatusCode;
use poem::web::Path;
use poem::{Response, handler};
use serde::Deserialize;

use super::super::push;
use super::super::storage::{Position, ScopeKey, Table, Write};
use super::super::transition::{self, Refusal};
use super::extract::{Body, ControlCall, Params, Resumed};
use super::problem::{Fault, empty, json, json_text, list as list_reply};
use crate::protocol::*;

#[derive(Deserialize)]
struct Filter {
    name: Option<String>,
}

#[handler]
pub(super) async fn list(Params(filter): Params<Filter>, call: ControlCall) -> Result<Response, Fault> {
    let mut session = call.inner.store.read(ScopeKey::DEPLOYMENT).await?;
    let filters = [("name", filter.name)];
    let rows = session
        .page(Table::Registry, &filters, Position::default(), u32::MAX)
        .await?
        .rows;
    let revision = session.revision().await?;
    Ok(list_reply(r#"{"experiments":["#, &rows, "]}", revision))
}

#[handler]
pub(super) async fn read(Path(id): Path<String>, call: ControlCall) -> Result<Response, Fault> {
    let mut session = call.inner.store.read(ScopeKey::DEPLOYMENT).await?;
    let text = session.text(Table::Registry, &id).await?;
    Ok(json_text(text.ok_or_else(|| Refusal::unknown("experiment", id))?))
}

#[handler]
pub(super) async fn register(Body(request): Body<RegisterExperiment>, call: ControlCall) -> Result<Response, Fault> {
    call.caller.admin()?;
    let pinned = request.experiment_id.clone();
    let id = pinned.unwrap_or_else(|| ExperimentId::mint(call.inner.mint.ulid()));
    let mut write = call.inner.store.write(ScopeKey::DEPLOYMENT).await?;
    let exists = write.text(Table::Registry, id.as_str()).await?.is_some();
    let entry = transition::register_experiment(id, request, exists, call.inner.clock.now())?;
    write.put_entry(&entry).await?;
    announce(&call, write, "experiment.registered", &entry.experiment_id).await?;
    let mut response = json(&entry)?;
    response.set_status(StatusCode::CREATED);
    Ok(response)
}

async fn announce(call: &ControlCall, mut write: Write, kind: &str, id: &ExperimentId) -> Result<(), Fault> {
    write.notice(&call.inner.hub.deployment, kind, id).await?;
    Ok(write.commit(&call.inner.hub).await?)
}

async fn entry(write: &mut Write, id: &str) -> Result<RegistryEntry, Fault> {
    let entry = write.get(Table::Registry, id).await?;
    Ok(entry.ok_or_else(|| Refusal::unknown("experiment", id))?)
}

#[handler]
pub(super) async fn unregister(Path(id): Path<String>, call: ControlCall) -> Result<Response, Fault> {
    call.caller.admin()?;
    let mut write = call.inner.store.write(ScopeKey::DEPLOYMENT).await?;
    let entry = entry(&mut write, &id).await?;
    transition::unregister(&entry)?;
    write.delete_entry(&entry.experiment_id).await?;
    announce(&call, write, "experiment.unregistered", &entry.experiment_id).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// An extension, described in `docs/push.md`.
#[handler]
pub(super) async fn stream(Resumed(resume): Resumed, call: ControlCall) -> Result<Response, Fault> {
    Ok(push::follow_registry(&call.inner, resume).await?)
}

/// An extension: the task store begins to host a registered experiment.
#[handler]
pub(super) async fn seed(
    Path(id): Path<String>,
    Body(request): Body<SeedRequest>,
    call: ControlCall,
) -> Result<Response, Fault> {
    call.caller.admin()?;
    let mut write = call.inner.store.write(ScopeKey::DEPLOYMENT).await?;
    let entry = entry(&mut write, &id).await?;
    if call.inner.hub.find(&id).is_some() {
        let detail = format!("experiment {id} is hosted already");
        return Err(Refusal::new(ErrorType::AlreadyExists, detail).into());
    }
    let (experiment, config, mode) = transition::seed(&entry, &request, call.inner.clock.now())?;
    write
        .insert_experiment(&experiment, &request.config, config, &mode)
        .await?;
    announce(&call, write, "experiment.seeded", &experiment.experiment_id).await?;
    let mut response = json(&experiment)?;
    response.set_status(StatusCode::CREATED);
    Ok(response)
}
