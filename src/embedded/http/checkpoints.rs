//! Exporting and importing checkpoints (`ch07 §14`), for the admin only.

use poem::http::{HeaderMap, HeaderValue, header};
use poem::{Body, Response, handler};
use serde::Deserialize;

use super::{ControlCall, ExperimentCall, HttpResult, Params, Reply, created, upload, with_file};
use crate::embedded::checkpoint::FORMAT_VERSION;
use crate::embedded::storage::StorageError;
use crate::embedded::{BackendState, ProtocolError};
use crate::protocol::*;

const MEDIA_TYPE: &str = "application/x-eden-checkpoint+tar";

#[derive(Deserialize)]
struct ExportParams {
    format_version: Option<String>,
}

#[handler]
pub(super) async fn export(Params(params): Params<ExportParams>, call: ExperimentCall) -> Reply {
    call.caller.require_admin()?;
    if let Some(version) = params.format_version.filter(|version| version != FORMAT_VERSION) {
        let detail = format!("format_version {version:?} is not written here, only {FORMAT_VERSION:?}");
        return Err(ProtocolError::bad_request(detail).into());
    }
    let file = call.backend.checkpoints.export(&call.hosted).await?;
    let mut response = with_file(file, Response::builder().content_type(MEDIA_TYPE).finish()).await?;
    let name = format!("attachment; filename=\"{}.tar\"", call.hosted.scope.experiment_id);
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

#[derive(Deserialize)]
struct ImportParams {
    as_experiment_id: Option<String>,
}

#[handler]
pub(super) async fn import(
    Params(params): Params<ImportParams>,
    headers: &HeaderMap,
    call: ControlCall,
    body: Body,
) -> Reply {
    call.caller.require_admin()?;
    let asked = params.as_experiment_id.map(|id| id.parse()).transpose();
    let asked = asked.map_err(|fault: IdError| ProtocolError::bad_request(format!("as_experiment_id {fault}")))?;
    let backend = &call.backend;
    let file = upload::whole_body(&backend.blobs, body, backend.max_checkpoint_bytes).await?;
    if file.len() == 0 {
        return Err(ProtocolError::bad_request("the body is empty: it must be a checkpoint archive").into());
    }
    // Before the id is chosen, so that the choice sees the result of the import before this one.
    let permit = backend.checkpoints.import_permit().await?;
    let id = choose_id(backend, asked, headers).await?;
    let file = file.into_unlinked().await.map_err(StorageError::from)?;
    created(&backend.checkpoints.import(file, id, permit).await?)
}

/// The id of the imported experiment (`ch07 §14.2`): the one that the query asks for; else the hosted experiment that
/// the header names; else the only hosted experiment, if nothing has happened in it; else a new id. A header that names
/// another experiment is refused before the archive is read.
async fn choose_id(
    backend: &BackendState,
    asked: Option<ExperimentId>,
    headers: &HeaderMap,
) -> HttpResult<ExperimentId> {
    let given: Vec<_> = headers.get_all(EXPERIMENT_HEADER).iter().collect();
    let named = given.first().and_then(|value| value.to_str().ok());
    let named = named.and_then(|id| backend.experiments.find(id));
    let id = match (asked, named, backend.experiments.only()) {
        (Some(id), _, _) => id,
        (None, Some(hosted), _) => hosted.scope.experiment_id.clone(),
        (None, None, Some(only)) if backend.store.read(only.scope.key).await?.is_untouched(&only).await? => {
            only.scope.experiment_id.clone()
        }
        _ => ExperimentId::mint(backend.ids.ulid()),
    };
    if given.iter().any(|value| value.as_bytes() != id.as_str().as_bytes()) {
        let detail = format!(
            "the header {EXPERIMENT_HEADER} names another experiment than the archive would become: leave it out, or \
             choose the id with as_experiment_id"
        );
        return Err(ProtocolError::new(ErrorType::ExperimentIdMismatch, detail).into());
    }
    Ok(id)
}
