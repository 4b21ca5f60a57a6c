//! Leases (`ch07 §15.2`): a worker in the deployment's `orchestrators` may drive an experiment while it holds one.

use poem::handler;
use poem::web::Path;
use serde::Deserialize;

use super::control::find_registered;
use super::{Body, ControlCall, HttpResult, Params, Reply, created, json, json_text};
use crate::embedded::groups::{Groups, ORCHESTRATORS};
use crate::embedded::storage::WriteSession;
use crate::embedded::{ProtocolError, ProtocolResult, transition};
use crate::protocol::*;

/// Starts a write for a member of `orchestrators`.
async fn write_as_orchestrator(call: &ControlCall, holder_instance: &str) -> HttpResult<WriteSession> {
    if holder_instance.is_empty() {
        return Err(ProtocolError::bad_request("holder_instance must not be empty").into());
    }
    let mut write = call.write().await?;
    let groups = Groups::new(write.groups().await?);
    call.caller.require_member(&groups, &[ORCHESTRATORS])?;
    Ok(write)
}

/// The worker that must be the holder. `None` when authentication is off.
fn required_holder(call: &ControlCall) -> ProtocolResult<Option<&WorkerId>> {
    match call.caller.is_unchecked() {
        true => Ok(None),
        false => call.caller.require_worker().map(Some),
    }
}

#[handler]
pub(super) async fn acquire(Path(id): Path<String>, Body(request): Body<AcquireLease>, call: ControlCall) -> Reply {
    let mut write = write_as_orchestrator(&call, &request.holder_instance).await?;
    if required_holder(&call)?.is_some_and(|caller| *caller != request.holder) {
        let detail = format!(
            "a lease is acquired for oneself, and {} is not the caller",
            request.holder
        );
        return Err(ProtocolError::forbidden(detail).into());
    }
    let backend = &call.backend;
    let registered = find_registered(&mut write, &id).await?;
    let experiment = &registered.entry.experiment_id;
    let lease_id = format!("lease-{:032x}", u128::from(backend.ids.ulid()));
    let (lease, change) = transition::acquire(
        registered.lease.as_ref(),
        lease_id,
        experiment,
        request,
        call.now(),
        backend.lease_duration,
    )?;
    write
        .apply_lease_change(&backend.deployment, experiment, change)
        .await?;
    write.commit().await?;
    backend.lease_expiry.lease_acquired();
    created(&lease)
}

#[handler]
pub(super) async fn renew(Path(id): Path<String>, Body(request): Body<LeaseInstance>, call: ControlCall) -> Reply {
    let mut write = write_as_orchestrator(&call, &request.holder_instance).await?;
    let (now, duration) = (call.now(), call.backend.lease_duration);
    let current = write.lease(&id).await?;
    let stored = transition::renew(
        current,
        required_holder(&call)?,
        &request.holder_instance,
        now,
        duration,
    )?;
    write.put_lease(&stored.lease.experiment_id, Some(&stored)).await?;
    write.commit().await?;
    json(&stored.lease)
}

#[handler]
pub(super) async fn release(Path(id): Path<String>, Body(request): Body<LeaseInstance>, call: ControlCall) -> Reply {
    let mut write = write_as_orchestrator(&call, &request.holder_instance).await?;
    let current = write.lease(&id).await?;
    let holder = required_holder(&call)?;
    let change = transition::release(current.as_ref(), holder, &request.holder_instance, call.now())?;
    if let (Some(change), Some(stored)) = (change, current) {
        let experiment = &stored.lease.experiment_id;
        write
            .apply_lease_change(&call.backend.deployment, experiment, change)
            .await?;
        write.commit().await?;
    }
    Ok(json_text("{}".to_owned()))
}

#[derive(Deserialize)]
struct ListParams {
    holder: Option<String>,
}

/// The active leases of one holder.
#[handler]
pub(super) async fn list(Params(params): Params<ListParams>, call: ControlCall) -> Reply {
    let holder = params.holder.filter(|holder| !holder.is_empty());
    let holder = holder.ok_or_else(|| ProtocolError::bad_request("the query must name a holder"))?;
    let caller = call.caller.principal().worker();
    if caller.is_none_or(|caller| caller.as_str() != holder) {
        call.caller.require_admin()?;
    }
    let now = call.now();
    let stored = call.read().await?.leases_of(&holder).await?;
    let leases = stored.into_iter().map(|stored| stored.lease);
    json(&LeaseList {
        leases: leases.filter(|lease| lease.is_active(now)).collect(),
    })
}
