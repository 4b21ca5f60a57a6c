//! Leases (`ch07 §15.2`): a worker of the deployment's `orchestrators` may drive an experiment while it holds one.

use poem::http::StatusCode;
use poem::web::Path;
use poem::{Response, handler};
use serde::Deserialize;

use super::super::authority::{Groups, ORCHESTRATORS};
use super::super::storage::{ScopeKey, Write};
use super::super::transition::{self, Refusal};
use super::extract::{Body, ControlCall, Params};
use super::problem::{Fault, json, json_text};
use crate::protocol::*;

#[derive(Deserialize)]
struct Filter {
    holder: Option<String>,
}

/// The writer's turn, for a member of the group.
async fn write(call: &ControlCall) -> Result<Write, Fault> {
    let mut write = call.inner.store.write(ScopeKey::DEPLOYMENT).await?;
    let groups = Groups::new(write.groups().await?);
    call.caller.member(&groups, &[ORCHESTRATORS])?;
    Ok(write)
}

/// Who must be the holder; nobody in particular where callers are not checked.
fn holder(call: &ControlCall) -> Result<Option<&WorkerId>, Refusal> {
    match call.caller.is_unchecked() {
        true => Ok(None),
        false => call.caller.worker().map(Some),
    }
}

fn instance(text: &str) -> Result<(), Refusal> {
    if text.is_empty() {
        return Err(Refusal::new(ErrorType::BadRequest, "holder_instance must not be empty"));
    }
    Ok(())
}

#[handler]
pub(super) async fn acquire(
    Path(id): Path<String>,
    Body(request): Body<AcquireLease>,
    call: ControlCall,
) -> Result<Response, Fault> {
    instance(&request.holder_instance)?;
    let mut write = write(&call).await?;
    if holder(&call)?.is_some_and(|caller| *caller != request.holder) {
        let detail = format!(
            "a lease is acquired for oneself, and {} is not the caller",
            request.holder
        );
        return Err(Refusal::new(ErrorType::Forbidden, detail).into());
    }
    let registered = super::control::registered(&mut write, &id).await?;
    let lease_id = format!("lease-{:032x}", u128::from(call.inner.mint.ulid()));
    let (lease, change) = transition::acquire(
        registered.lease.as_ref(),
        lease_id,
        &registered.entry.experiment_id,
        request,
        call.inner.clock.now(),
        call.inner.lease_duration,
    )?;
    write
        .change_lease(&call.inner.hub.deployment, &registered.entry.experiment_id, change)
        .await?;
    write.commit(&call.inner.hub).await?;
    call.inner.leases_changed.notify_one();
    let mut response = json(&lease)?;
    response.set_status(StatusCode::CREATED);
    Ok(response)
}

#[handler]
pub(super) async fn renew(
    Path(id): Path<String>,
    Body(request): Body<LeaseInstance>,
    call: ControlCall,
) -> Result<Response, Fault> {
    instance(&request.holder_instance)?;
    let mut write = write(&call).await?;
    let (now, duration) = (call.inner.clock.now(), call.inner.lease_duration);
    let current = write.lease(&id).await?;
    let kept = transition::renew(current, holder(&call)?, &request.holder_instance, now, duration)?;
    write.put_lease(&kept.lease.experiment_id, Some(&kept)).await?;
    write.commit(&call.inner.hub).await?;
    json(&kept.lease)
}

#[handler]
pub(super) async fn release(
    Path(id): Path<String>,
    Body(request): Body<LeaseInstance>,
    call: ControlCall,
) -> Result<Response, Fault> {
    instance(&request.holder_instance)?;
    let mut write = write(&call).await?;
    let now = call.inner.clock.now();
    let current = write.lease(&id).await?;
    let change = transition::release(current.as_ref(), holder(&call)?, &request.holder_instance, now)?;
    if let (Some(change), Some(kept)) = (change, current) {
        let experiment = &kept.lease.experiment_id;
        write
            .change_lease(&call.inner.hub.deployment, experiment, change)
            .await?;
        write.commit(&call.inner.hub).await?;
    }
    Ok(json_text("{}".to_owned()))
}

/// The active leases of one holder; whoever never had one has none.
#[handler]
pub(super) async fn list(Params(filter): Params<Filter>, call: ControlCall) -> Result<Response, Fault> {
    let asked = filter.holder.filter(|holder| !holder.is_empty());
    let asked = asked.ok_or_else(|| Refusal::new(ErrorType::BadRequest, "the query must name a holder"))?;
    if call
        .caller
        .principal()
        .worker()
        .is_none_or(|caller| caller.as_str() != asked)
    {
        call.caller.admin()?;
    }
    let mut session = call.inner.store.read(ScopeKey::DEPLOYMENT).await?;
    let now = call.inner.clock.now();
    let leases = session.leases_of(&asked).await?.into_iter().map(|kept| kept.lease);
    json(&LeaseList {
        leases: leases.filter(|lease| lease.is_active(now)).collect(),
    })
}
