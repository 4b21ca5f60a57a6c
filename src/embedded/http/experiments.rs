//! The experiment itself (`ch07 §14`): state, configuration, dispatch mode, termination.

use poem::handler;

use super::{Body, ExperimentCall, Reply, json, json_text};
use crate::embedded::groups::{ADMINS, ORCHESTRATORS};
use crate::embedded::transition;
use crate::protocol::*;

#[handler]
pub(super) async fn read(call: ExperimentCall) -> Reply {
    json(&call.read().await?.experiment().await?)
}

#[handler]
pub(super) async fn state(call: ExperimentCall) -> Reply {
    let state = call.read().await?.experiment().await?.state;
    json(&StateReply { state })
}

/// An extension: the configuration as JSON, whatever it was written in.
#[handler]
pub(super) async fn config(call: ExperimentCall) -> Reply {
    let cursor = call.read().await?.log_length().await?;
    let mut response = json_text(call.hosted.config_json.clone());
    response.headers_mut().insert(CURSOR_HEADER, cursor.into());
    Ok(response)
}

#[handler]
pub(super) async fn dispatch_mode(call: ExperimentCall) -> Reply {
    json(&call.read().await?.dispatch_mode().await?)
}

#[handler]
pub(super) async fn update_dispatch_mode(Body(patch): Body<Extra>, call: ExperimentCall) -> Reply {
    transition::check_dispatch_patch(&patch)?;
    let by = call.worker()?;
    let mut write = call.write_as_member(&[ADMINS]).await?;
    let current = write.dispatch_mode().await?;
    let (mode, change) = transition::update_dispatch_mode(current, patch, by);
    let reply = json(&mode)?;
    call.apply(write, change, call.now()).await?;
    Ok(reply)
}

#[handler]
pub(super) async fn terminate(Body(request): Body<TerminateRequest>, call: ExperimentCall) -> Reply {
    let by = call.worker()?;
    let mut write = call.write_as_member(&[ADMINS, ORCHESTRATORS]).await?;
    let experiment = write.experiment().await?;
    let change = transition::terminate(experiment.clone(), request, by);
    let reply = json(change.experiment.as_ref().unwrap_or(&experiment))?;
    // The registry reads the state from the experiment, so it never lags behind the log.
    if change.experiment.is_some() && write.registered(experiment.experiment_id.as_str()).await?.is_some() {
        let deployment = &call.backend.deployment;
        write
            .notify(deployment, "experiment.state_changed", &experiment.experiment_id)
            .await?;
    }
    call.apply(write, change, call.now()).await?;
    Ok(reply)
}

#[handler]
pub(super) async fn policy_error(Body(request): Body<PolicyErrorRequest>, call: ExperimentCall) -> Reply {
    let change = transition::policy_error(request)?;
    let write = call.write_as_member(&[ORCHESTRATORS]).await?;
    call.finish(write, change, call.now()).await
}
