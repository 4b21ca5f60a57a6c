//! Workers and groups (`ch02 §6`, `§7`). They emit no events; the push streams carry notices about them.

use super::parse_name;
use crate::embedded::groups::{Groups, RESERVED_GROUPS};
use crate::embedded::{ProtocolError, ProtocolResult};
use crate::protocol::*;

/// Names that no worker may take (`ch02 §6.1`).
const RESERVED_WORKERS: [&str; 3] = ["admin", "system", "internal"];

/// A worker under a new id.
pub(crate) fn new_worker(
    id: WorkerId,
    experiment: &ExperimentId,
    request: RegisterWorker,
    now: Timestamp,
) -> ProtocolResult<Worker> {
    let name = parse_name(request.name.as_deref())?;
    if let Some(name) = name.as_ref().filter(|name| RESERVED_WORKERS.contains(&name.as_str())) {
        return Err(reserved(name));
    }
    Ok(Worker {
        worker_id: id,
        experiment_id: experiment.clone(),
        name,
        labels: request.labels,
        registered_at: now,
        registered_by: Some(Actor::Admin),
        extra: Extra::new(),
    })
}

/// A group under a new id. Only one group may have a name that carries authority (`ch02 §7.5`).
pub(crate) fn new_group(
    id: GroupId,
    experiment: &ExperimentId,
    request: RegisterGroup,
    groups: &Groups,
    now: Timestamp,
) -> ProtocolResult<Group> {
    let name = parse_name(request.name.as_deref())?;
    if let Some(name) = &name
        && RESERVED_GROUPS.contains(&name.as_str())
        && groups.find_by_name(name.as_str()).is_some()
    {
        return Err(reserved(name));
    }
    let mut members = Vec::with_capacity(request.members.len());
    for member in request.members {
        if !members.contains(&member) {
            members.push(member);
        }
    }
    Ok(Group {
        group_id: id,
        experiment_id: experiment.clone(),
        name,
        members,
        created_at: now,
        created_by: Some(Actor::Admin),
        extra: Extra::new(),
    })
}

fn reserved(name: &DisplayName) -> ProtocolError {
    ProtocolError::new(ErrorType::ReservedIdentifier, format!("the name {name} is reserved"))
}

/// The group with one more member, or `None` when it is a member already (`ch02 §7.3`).
pub(crate) fn add_member(mut group: Group, member: MemberId, groups: &Groups) -> ProtocolResult<Option<Group>> {
    if group.members.contains(&member) {
        return Ok(None);
    }
    if let Some(inner) = member.as_group()
        && groups.is_within(&group.group_id, &inner)
    {
        return Err(ProtocolError::new(
            ErrorType::CycleDetected,
            format!("group {} would contain itself through {inner}", group.group_id),
        ));
    }
    group.members.push(member);
    Ok(Some(group))
}

/// The group with one member less, or `None` when it was no member.
pub(crate) fn remove_member(mut group: Group, member: &str) -> Option<Group> {
    let before = group.members.len();
    group.members.retain(|id| id.as_str() != member);
    (group.members.len() < before).then_some(group)
}
