//! Groups (`ch07 §7`), of an experiment or of the deployment.

use poem::handler;

use super::{Body, ByName, IfNoneMatch, Params, Reply, RosterCall, RosterIds, find, json, no_content};
use crate::embedded::groups::Groups;
use crate::embedded::storage::{Table, WriteSession};
use crate::embedded::transition;
use crate::protocol::*;

#[handler]
pub(super) async fn list(Params(params): Params<ByName>, known: IfNoneMatch, call: RosterCall) -> Reply {
    call.list(&known, Table::Group, "groups", params.name).await
}

#[handler]
pub(super) async fn read(ids: RosterIds, call: RosterCall) -> Reply {
    call.entity(Table::Group, &ids.group).await
}

#[handler]
pub(super) async fn register(Body(request): Body<RegisterGroup>, call: RosterCall) -> Reply {
    let mut write = call.write().await?;
    let groups = Groups::new(write.groups().await?);
    let id = GroupId::mint(call.backend.ids.ulid());
    let group = transition::new_group(id, &call.scope.experiment_id, request, &groups, call.now())?;
    save(&call, write, &group).await
}

async fn save(call: &RosterCall, mut write: WriteSession, group: &Group) -> Reply {
    write.put_group(group).await?;
    write.notify(&call.scope, "group.changed", &group.group_id).await?;
    write.commit().await?;
    json(group)
}

#[handler]
pub(super) async fn add_member(ids: RosterIds, Body(request): Body<AddMember>, call: RosterCall) -> Reply {
    let mut write = call.write().await?;
    let group: Group = find(&mut write, Table::Group, &ids.group).await?;
    let groups = Groups::new(write.groups().await?);
    match transition::add_member(group.clone(), request.member_id, &groups)? {
        Some(group) => save(&call, write, &group).await,
        None => json(&group),
    }
}

#[handler]
pub(super) async fn remove_member(ids: RosterIds, call: RosterCall) -> Reply {
    let mut write = call.write().await?;
    let group: Group = find(&mut write, Table::Group, &ids.group).await?;
    match transition::remove_member(group.clone(), &ids.member) {
        Some(group) => save(&call, write, &group).await,
        None => json(&group),
    }
}

#[handler]
pub(super) async fn remove(ids: RosterIds, call: RosterCall) -> Reply {
    let mut write = call.write().await?;
    let group: Group = find(&mut write, Table::Group, &ids.group).await?;
    write.delete_group(group.group_id.as_str()).await?;
    write.notify(&call.scope, "group.changed", &group.group_id).await?;
    write.commit().await?;
    Ok(no_content())
}
