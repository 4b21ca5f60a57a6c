//! Workers and their credentials (`ch07 §6`), of an experiment or of the deployment.

use poem::{Response, handler};
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::super::storage::Table;
use super::super::transition::{self, Refusal};
use super::extract::{Body, Params, RegistryCall, Segments};
use super::problem::{Fault, json, json_text};
use super::validator::Known;
use crate::protocol::*;

#[derive(Deserialize)]
struct Filter {
    name: Option<String>,
}

#[handler]
pub(super) async fn list(Params(filter): Params<Filter>, known: Known, call: RegistryCall) -> Result<Response, Fault> {
    call.list(&known, Table::Worker, "workers", filter.name).await
}

#[handler]
pub(super) async fn read(ids: Segments, call: RegistryCall) -> Result<Response, Fault> {
    let text = call.read().await?.text(Table::Worker, &ids.worker).await?;
    Ok(json_text(text.ok_or_else(|| Refusal::unknown("worker", ids.worker))?))
}

#[handler]
pub(super) async fn register(Body(request): Body<RegisterWorker>, call: RegistryCall) -> Result<Response, Fault> {
    call.caller.admin()?;
    let now = call.inner.clock.now();
    let id = WorkerId::mint(call.inner.mint.ulid());
    let worker = transition::new_worker(id, &call.scope.experiment_id, request, now)?;
    let (secret, hash) = call.inner.auth.issue().await?;
    let mut write = call.write().await?;
    write.insert_worker(&worker, &hash).await?;
    write
        .notice(&call.scope, "worker.registered", &worker.worker_id)
        .await?;
    write.commit(&call.inner.hub).await?;
    json(&RegisteredWorker {
        worker,
        registration_token: secret.expose_secret().to_owned(),
    })
}

#[handler]
pub(super) async fn reissue(ids: Segments, call: RegistryCall) -> Result<Response, Fault> {
    let id = &ids.worker;
    call.caller.admin()?;
    let (secret, hash) = call.inner.auth.issue().await?;
    let mut write = call.write().await?;
    let worker: Option<Worker> = write.get(Table::Worker, id).await?;
    let worker = worker.ok_or_else(|| Refusal::unknown("worker", id))?;
    write.set_secret_hash(id, &hash).await?;
    write.notice(&call.scope, "worker.credential_reissued", id).await?;
    call.inner.auth.forget(call.scope.key, &worker.worker_id);
    // Forgotten even if the commit reports a fault: it may have landed all the same.
    let committed = write.commit(&call.inner.hub).await;
    call.inner.auth.forget(call.scope.key, &worker.worker_id);
    committed?;
    json(&RegisteredWorker {
        worker,
        registration_token: secret.expose_secret().to_owned(),
    })
}

#[handler]
pub(super) async fn whoami(call: RegistryCall) -> Result<Response, Fault> {
    let id = call.caller.worker()?;
    let mut session = call.inner.store.read(call.scope.key).await?;
    let worker: Option<Worker> = session.get(Table::Worker, id.as_str()).await?;
    json(&match worker {
        Some(worker) => Whoami {
            worker_id: worker.worker_id,
            name: worker.name,
        },
        // Clients find out by this answer that nobody is asked for a secret.
        None if call.caller.is_unchecked() => Whoami {
            worker_id: id.clone(),
            name: None,
        },
        None => return Err(Refusal::new(ErrorType::Unauthorized, "the bearer is not good here").into()),
    })
}
