//! Workers and their credentials (`ch07 §6`), of an experiment or of the deployment.

use poem::handler;
use secrecy::{ExposeSecret, SecretString};

use super::{Body, ByName, IfNoneMatch, Params, Reply, RosterCall, RosterIds, find, json, unauthorized};
use crate::embedded::storage::Table;
use crate::embedded::transition;
use crate::protocol::*;

#[handler]
pub(super) async fn list(Params(params): Params<ByName>, known: IfNoneMatch, call: RosterCall) -> Reply {
    call.list(&known, Table::Worker, "workers", params.name).await
}

#[handler]
pub(super) async fn read(ids: RosterIds, call: RosterCall) -> Reply {
    call.entity(Table::Worker, &ids.worker).await
}

#[handler]
pub(super) async fn register(Body(request): Body<RegisterWorker>, call: RosterCall) -> Reply {
    call.caller.require_admin()?;
    let id = WorkerId::mint(call.backend.ids.ulid());
    let worker = transition::new_worker(id, &call.scope.experiment_id, request, call.now())?;
    let (secret, hash) = call.backend.auth.new_secret().await?;
    let mut write = call.write().await?;
    write.insert_worker(&worker, &hash).await?;
    write
        .notify(&call.scope, "worker.registered", &worker.worker_id)
        .await?;
    write.commit().await?;
    credentialed(worker, &secret)
}

#[handler]
pub(super) async fn reissue(ids: RosterIds, call: RosterCall) -> Reply {
    let id = &ids.worker;
    call.caller.require_admin()?;
    let auth = &call.backend.auth;
    let (secret, hash) = auth.new_secret().await?;
    let mut write = call.write().await?;
    let worker: Worker = find(&mut write, Table::Worker, id).await?;
    write.set_secret_hash(id, &hash).await?;
    write.notify(&call.scope, "worker.credential_reissued", id).await?;
    auth.invalidate(call.scope.key, &worker.worker_id);
    // Invalidated again even if the commit reports an error: it may have succeeded all the same.
    let committed = write.commit().await;
    auth.invalidate(call.scope.key, &worker.worker_id);
    committed?;
    credentialed(worker, &secret)
}

fn credentialed(worker: Worker, secret: &SecretString) -> Reply {
    json(&RegisteredWorker {
        worker,
        registration_token: secret.expose_secret().to_owned(),
    })
}

#[handler]
pub(super) async fn whoami(call: RosterCall) -> Reply {
    let id = call.caller.require_worker()?;
    let mut session = call.backend.store.read(call.scope.key).await?;
    let worker: Option<Worker> = session.get(Table::Worker, id.as_str()).await?;
    json(&match worker {
        Some(worker) => Whoami {
            worker_id: worker.worker_id,
            name: worker.name,
        },
        // This answer tells clients that authentication is off.
        None if call.caller.is_unchecked() => Whoami {
            worker_id: id.clone(),
            name: None,
        },
        None => return Err(unauthorized().into()),
    })
}
