//! The registry of experiments (`ch11 §2`), its push stream, and the extension that seeds an experiment.

use poem::handler;
use poem::web::Path;

use super::{
    Body, ByName, ControlCall, HttpResult, IfNoneMatch, Params, Reply, Resume, created, no_content, unauthorized,
};
use crate::embedded::ProtocolError;
use crate::embedded::storage::Session;
use crate::embedded::transition::{self, RegisteredExperiment};
use crate::protocol::*;

#[handler]
pub(super) async fn list(Params(params): Params<ByName>, known: IfNoneMatch, call: ControlCall) -> Reply {
    let mut session = call.read().await?;
    let registered = session.all_registered(params.name.as_deref()).await?;
    let revision = session.revision().await?;
    let now = call.now();
    let experiments = registered.into_iter().map(|registered| registered.into_entry(now));
    let mut response = known.answer(&ExperimentList {
        experiments: experiments.collect(),
    })?;
    response.headers_mut().insert(CURSOR_HEADER, revision.into());
    Ok(response)
}

#[handler]
pub(super) async fn read(Path(id): Path<String>, known: IfNoneMatch, call: ControlCall) -> Reply {
    let registered = find_registered(&mut call.read().await?, &id).await?;
    known.answer(&registered.into_entry(call.now()))
}

#[handler]
pub(super) async fn register(Body(request): Body<RegisterExperiment>, call: ControlCall) -> Reply {
    call.caller.require_admin()?;
    let pinned = request.experiment_id.clone();
    let id = pinned.unwrap_or_else(|| ExperimentId::mint(call.backend.ids.ulid()));
    if id == call.backend.deployment.experiment_id {
        let detail = format!("{id} stands for the deployment itself");
        return Err(ProtocolError::new(ErrorType::ReservedIdentifier, detail).into());
    }
    let mut write = call.write().await?;
    let exists = write.registered(id.as_str()).await?.is_some();
    let now = call.now();
    let entry = transition::register_experiment(id, request, exists, now)?;
    write.put_entry(&entry).await?;
    // Read again: the experiment may be hosted already, and terminated.
    let registered = find_registered(&mut write, entry.experiment_id.as_str()).await?;
    call.commit_with_notice(write, "experiment.registered", &entry.experiment_id)
        .await?;
    created(&registered.into_entry(now))
}

/// The entry of this id, or 404.
pub(super) async fn find_registered(session: &mut Session, id: &str) -> HttpResult<RegisteredExperiment> {
    let registered = session.registered(id).await?;
    Ok(registered.ok_or_else(|| ProtocolError::not_found("experiment", id))?)
}

#[handler]
pub(super) async fn unregister(Path(id): Path<String>, call: ControlCall) -> Reply {
    call.caller.require_admin()?;
    let mut write = call.write().await?;
    let now = call.now();
    let registered = find_registered(&mut write, &id).await?;
    registered.require_removable(now)?;
    let id = &registered.entry.experiment_id;
    let change = transition::unregister(registered.lease.as_ref(), now);
    write.apply_lease_change(&call.backend.deployment, id, change).await?;
    write.delete_entry(id).await?;
    call.commit_with_notice(write, "experiment.unregistered", id).await?;
    Ok(no_content())
}

/// An extension, described in `docs/push.md`.
#[handler]
pub(super) async fn stream(Resume(resume): Resume, call: ControlCall) -> Reply {
    let backend = &call.backend;
    let stream = backend
        .push
        .follow_deployment(&backend.deployment, &call.caller, resume)
        .await?;
    Ok(stream.ok_or_else(unauthorized)?)
}

/// An extension: the task store begins to host a registered experiment.
#[handler]
pub(super) async fn seed(Path(id): Path<String>, Body(request): Body<SeedRequest>, call: ControlCall) -> Reply {
    call.caller.require_admin()?;
    // Parsed before the write starts, since a large text takes its time.
    let (config, mode) = transition::parse_config(&request.config)?;
    let mut write = call.write().await?;
    let entry = find_registered(&mut write, &id).await?.entry;
    if write.is_hosted(&entry.experiment_id).await? {
        return Err(ProtocolError::already_exists(format!("experiment {id} is hosted already")).into());
    }
    let experiment = transition::seed(&entry, request.base_commit_sha, call.now());
    write
        .host_experiment(&experiment, (&request.config, config), &mode, None, 0)
        .await?;
    call.commit_with_notice(write, "experiment.seeded", &experiment.experiment_id)
        .await?;
    created(&experiment)
}
