//! Groups (`ch07 §7`), of an experiment or of the deployment.

use poem::{Response, handler};
use serde::Deserialize;

use super::calls::{RosterCall, RosterIds, find};
use super::error::HttpError;
use super::if_none_match::IfNoneMatch;
use super::input::{Body, Params};
use super::reply::{json, no_content};
use crate::embedded::groups::Groups;
use crate::embedded::storage::{Table, WriteSession};
use crate::embedded::transition;
use crate::protocol::*;

#[derive(Deserialize)]
struct ListParams {
    name: Option<String>,
}

#[handler]
pub(super) async fn list(
    Params(params): Params<ListParams>,
    known: IfNoneMatch,
    call: RosterCall,
) -> Result<Response, HttpError> {
    call.list(&known, Table::Group, "groups", params.name).await
}

#[handler]
pub(super) async fn read(ids: RosterIds, call: RosterCall) -> Result<Response, HttpError> {
    call.entity(Table::Group, &ids.group).await
}

#[handler]
pub(super) async fn register(Body(request): Body<RegisterGroup>, call: RosterCall) -> Result<Response, HttpError> {
    let mut write = call.write().await?;
    let groups = Groups::new(write.groups().await?);
    let id = GroupId::mint(call.backend.ids.ulid());
    let group = transition::new_group(id, &call.scope.experiment_id, request, &groups, call.now())?;
    save(&call, write, &group).await
}

async fn save(call: &RosterCall, mut write: WriteSession, group: &Group) -> Result<Response, HttpError> {
    write.put_group(group).await?;
    write
        .record_notice(&call.scope, "group.changed", &group.group_id)
        .await?;
    write.commit().await?;
    json(group)
}

#[handler]
pub(super) async fn add_member(
    ids: RosterIds,
    Body(request): Body<AddMember>,
    call: RosterCall,
) -> Result<Response, HttpError> {
    let mut write = call.write().await?;
    let group: Group = find(&mut write, Table::Group, &ids.group).await?;
    let groups = Groups::new(write.groups().await?);
    match transition::add_member(group.clone(), request.member_id, &groups)? {
        Some(group) => save(&call, write, &group).await,
        None => json(&group),
    }
}

#[handler]
pub(super) async fn remove_member(ids: RosterIds, call: RosterCall) -> Result<Response, HttpError> {
    let mut write = call.write().await?;
    let group: Group = find(&mut write, Table::Group, &ids.group).await?;
    match transition::remove_member(group.clone(), &ids.member) {
        Some(group) => save(&call, write, &group).await,
        None => json(&group),
    }
}

#[handler]
pub(super) async fn remove(ids: RosterIds, call: RosterCall) -> Result<Response, HttpError> {
    let mut write = call.write().await?;
    let group: Group = find(&mut write, Table::Group, &ids.group).await?;
    write.delete_group(group.group_id.as_str()).await?;
    write
        .record_notice(&call.scope, "group.changed", &group.group_id)
        .await?;
    write.commit().await?;
    Ok(no_content())
}
