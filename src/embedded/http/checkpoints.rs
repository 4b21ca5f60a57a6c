//! Checkpoints on the wire (`ch07 §14`): an experiment out of this store, and one into it. The admin's alone.

use poem::http::{HeaderMap, HeaderValue, StatusCode, header};
use poem::{Body, Response, handler};
use serde::Deserialize;

use super::super::Inner;
use super::super::checkpoint::{self, CheckpointError, FORMAT_VERSION, ImportTurn};
use super::super::storage::StorageError;
use super::super::transition::Refusal;
use super::extract::{Call, ControlCall, Params};
use super::problem::{Fault, json, spooled};
use super::upload;
use crate::protocol::*;

const MEDIA_TYPE: &str = "application/x-eden-checkpoint+tar";

impl From<CheckpointError> for Fault {
    fn from(error: CheckpointError) -> Self {
        match error {
            CheckpointError::Refused(refusal) => Self::Refused(refusal),
            CheckpointError::Storage(fault) => Self::Storage(fault),
        }
    }
}

#[derive(Deserialize)]
struct Wanted {
    format_version: Option<String>,
}

#[handler]
pub(super) async fn export(Params(wanted): Params<Wanted>, call: Call) -> Result<Response, Fault> {
    call.caller.admin()?;
    if let Some(version) = wanted.format_version.filter(|version| version != FORMAT_VERSION) {
        let detail = format!("format_version {version:?} is not written here, only {FORMAT_VERSION:?}");
        return Err(Refusal::new(ErrorType::BadRequest, detail).into());
    }
    let draft = checkpoint::export(&call.inner, &call.hosted).await?;
    let mut response = spooled(draft, Response::builder().content_type(MEDIA_TYPE).finish()).await?;
    let headers = response.headers_mut();
    let name = format!("attachment; filename=\"{}.tar\"", call.hosted.scope.experiment_id);
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

#[derive(Deserialize)]
struct Asked {
    as_experiment_id: Option<String>,
}

#[handler]
pub(super) async fn import(
    Params(asked): Params<Asked>,
    headers: &HeaderMap,
    call: ControlCall,
    body: Body,
) -> Result<Response, Fault> {
    call.caller.admin()?;
    let asked = asked.as_experiment_id.map(|id| id.parse()).transpose();
    let asked = asked.map_err(|fault: IdError| bad(format!("as_experiment_id {fault}")))?;
    let inner = &call.inner;
    let draft = upload::whole_body(&inner.blobs, body, inner.max_checkpoint_bytes).await?;
    if draft.len() == 0 {
        return Err(bad("the body is empty: it must be a checkpoint archive").into());
    }
    // Before anything is decided, so that it is decided on what the one before left.
    let turn = ImportTurn::wait(inner).await?;
    let id = resulting(inner, asked, headers).await?;
    let file = draft.unnamed().await.map_err(StorageError::from)?;
    let reply = checkpoint::import(inner, file, id, turn).await?;
    let mut response = json(&reply)?;
    response.set_status(StatusCode::CREATED);
    Ok(response)
}

fn bad(detail: impl Into<String>) -> Refusal {
    Refusal::new(ErrorType::BadRequest, detail)
}

/// The id an archive is taken over under (`ch07 §14.2`): the one asked for; else, by the header, an experiment that
/// is hosted here; else the only one that is, if nothing has happened in it; else a fresh one. A header that names
/// any other is a mistake, and said before the archive is looked at.
async fn resulting(inner: &Inner, asked: Option<ExperimentId>, headers: &HeaderMap) -> Result<ExperimentId, Fault> {
    let given: Vec<_> = headers.get_all(EXPERIMENT_HEADER).iter().collect();
    let named = given.first().and_then(|value| value.to_str().ok());
    let id = match (asked, named.and_then(|id| inner.hub.find(id)), inner.hub.only()) {
        (Some(id), _, _) => id,
        (None, Some(hosted), _) => hosted.scope.experiment_id.clone(),
        (None, None, Some(only)) if inner.store.read(only.scope.key).await?.is_untouched(&only).await? => {
            only.scope.experiment_id.clone()
        }
        _ => ExperimentId::mint(inner.mint.ulid()),
    };
    if given.iter().any(|value| value.as_bytes() != id.as_str().as_bytes()) {
        let detail = format!(
            "the header {EXPERIMENT_HEADER} names another experiment than the archive would become: leave it out, or \
             choose the id with as_experiment_id"
        );
        return Err(Refusal::new(ErrorType::ExperimentIdMismatch, detail).into());
    }
    Ok(id)
}
