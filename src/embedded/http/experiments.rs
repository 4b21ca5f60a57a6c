//! The experiment itself (`ch07 §14`): state, configuration, dispatch mode, termination.

use poem::http::StatusCode;
use poem::{Response, handler};

use super::super::authority::{ADMINS, ORCHESTRATORS};
use super::super::transition;
use super::extract::{Body, Call};
use super::problem::{Fault, empty, json, json_text};
use crate::protocol::*;

#[handler]
pub(super) async fn read(call: Call) -> Result<Response, Fault> {
    json(&call.read().await?.experiment().await?)
}

#[handler]
pub(super) async fn state(call: Call) -> Result<Response, Fault> {
    let state = call.read().await?.experiment().await?.state;
    json(&StateReply { state })
}

/// An extension: the configuration as JSON, whatever it was written in.
#[handler]
pub(super) async fn config(call: Call) -> Result<Response, Fault> {
    let cursor = call.read().await?.log_length().await?;
    let mut response = json_text(call.hosted.config_json.clone());
    response.headers_mut().insert(CURSOR_HEADER, cursor.into());
    Ok(response)
}

#[handler]
pub(super) async fn dispatch_mode(call: Call) -> Result<Response, Fault> {
    json(&call.read().await?.dispatch_mode().await?)
}

#[handler]
pub(super) async fn update_dispatch_mode(Body(patch): Body<Extra>, call: Call) -> Result<Response, Fault> {
    transition::good_dispatch_patch(&patch)?;
    let by = call.worker()?;
    let mut write = call.write().await?;
    call.require(&mut write, &[ADMINS]).await?;
    let current = write.dispatch_mode().await?;
    let (mode, change) = transition::update_dispatch_mode(current, patch, by);
    let reply = json(&mode)?;
    call.finish(write, change, call.now()).await?;
    Ok(reply)
}

#[handler]
pub(super) async fn terminate(Body(request): Body<TerminateRequest>, call: Call) -> Result<Response, Fault> {
    let by = call.worker()?;
    let mut write = call.write().await?;
    call.require(&mut write, &[ADMINS, ORCHESTRATORS]).await?;
    let experiment = write.experiment().await?;
    let change = transition::terminate(experiment.clone(), request, by);
    let reply = json(change.experiment.as_ref().unwrap_or(&experiment))?;
    // The registry reads the state where it is, so it never lags behind the log.
    if change.experiment.is_some() && write.registered(experiment.experiment_id.as_str()).await?.is_some() {
        let deployment = &call.inner.hub.deployment;
        write
            .notice(deployment, "experiment.state_changed", &experiment.experiment_id)
            .await?;
    }
    call.finish(write, change, call.now()).await?;
    Ok(reply)
}

#[handler]
pub(super) async fn policy_error(Body(request): Body<PolicyErrorRequest>, call: Call) -> Result<Response, Fault> {
    let change = transition::policy_error(request)?;
    call.worker()?;
    let mut write = call.write().await?;
    call.require(&mut write, &[ORCHESTRATORS]).await?;
    call.finish(write, change, call.now()).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}
