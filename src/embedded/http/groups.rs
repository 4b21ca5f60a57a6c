//! Groups (`ch07 §7`), of an experiment or of the deployment.

use poem::http::StatusCode;
use poem::{Response, handler};
use serde::Deserialize;

use super::super::authority::Groups;
use super::super::storage::{Table, Write};
use super::super::transition::{self, Refusal};
use super::extract::{Body, Params, RegistryCall, Segments};
use super::problem::{Fault, empty, json, json_text};
use super::validator::Known;
use crate::protocol::*;

#[derive(Deserialize)]
struct Filter {
    name: Option<String>,
}

#[handler]
pub(super) async fn list(Params(filter): Params<Filter>, known: Known, call: RegistryCall) -> Result<Response, Fault> {
    call.list(&known, Table::Group, "groups", filter.name).await
}

#[handler]
pub(super) async fn read(ids: Segments, call: RegistryCall) -> Result<Response, Fault> {
    let text = call.read().await?.text(Table::Group, &ids.group).await?;
    Ok(json_text(text.ok_or_else(|| Refusal::unknown("group", ids.group))?))
}

#[handler]
pub(super) async fn register(Body(request): Body<RegisterGroup>, call: RegistryCall) -> Result<Response, Fault> {
    let mut write = call.write().await?;
    let groups = Groups::new(write.groups().await?);
    let id = GroupId::mint(call.inner.mint.ulid());
    let now = call.inner.clock.now();
    let group = transition::new_group(id, &call.scope.experiment_id, request, &groups, now)?;
    save(&call, write, &group).await
}

async fn save(call: &RegistryCall, mut write: Write, group: &Group) -> Result<Response, Fault> {
    write.put_group(group).await?;
    write.notice(&call.scope, "group.changed", &group.group_id).await?;
    write.commit(&call.inner.hub).await?;
    json(group)
}

async fn group(write: &mut Write, id: &str) -> Result<Group, Fault> {
    let group = write.get(Table::Group, id).await?;
    Ok(group.ok_or_else(|| Refusal::unknown("group", id))?)
}

#[handler]
pub(super) async fn add_member(
    ids: Segments,
    Body(request): Body<AddMember>,
    call: RegistryCall,
) -> Result<Response, Fault> {
    let mut write = call.write().await?;
    let group = group(&mut write, &ids.group).await?;
    let groups = Groups::new(write.groups().await?);
    match transition::add_member(group.clone(), request.member_id, &groups)? {
        Some(group) => save(&call, write, &group).await,
        None => json(&group),
    }
}

#[handler]
pub(super) async fn remove_member(ids: Segments, call: RegistryCall) -> Result<Response, Fault> {
    let mut write = call.write().await?;
    let group = group(&mut write, &ids.group).await?;
    match transition::remove_member(group.clone(), &ids.member) {
        Some(group) => save(&call, write, &group).await,
        None => json(&group),
    }
}

#[handler]
pub(super) async fn remove(ids: Segments, call: RegistryCall) -> Result<Response, Fault> {
    call.caller.admin()?;
    let mut write = call.write().await?;
    let group = group(&mut write, &ids.group).await?;
    write.delete_group(group.group_id.as_str()).await?;
    write.notice(&call.scope, "group.changed", &group.group_id).await?;
    write.commit(&call.inner.hub).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}
