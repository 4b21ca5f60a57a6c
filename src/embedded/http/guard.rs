//! What happens around every request.

use std::sync::Arc;

use poem::http::{Method, StatusCode, header};
use poem::{Endpoint, IntoResponse, Request, Response};
use tokio::sync::oneshot;

use super::calls::Authenticated;
use super::{HttpError, coding, problem};
use crate::embedded::{BackendState, ProtocolError, ScopeKey};
use crate::protocol::ErrorType;

/// Authenticates, runs the endpoint, and turns every error into a problem document, those of poem too.
pub(super) async fn guard<E: Endpoint + 'static>(
    backend: Arc<BackendState>,
    endpoint: Arc<E>,
    request: Request,
) -> poem::Result<Response> {
    let instance = problem::instance(&request);
    match authenticate_and_run(backend, endpoint, request).await {
        Ok(response) => Ok(response),
        Err(error) => Ok(problem::respond(&error, instance)),
    }
}

async fn authenticate_and_run<E: Endpoint + 'static>(
    backend: Arc<BackendState>,
    endpoint: Arc<E>,
    mut request: Request,
) -> poem::Result<Response> {
    if request.uri().path() == "/healthz" {
        return Ok(endpoint.call(request).await?.into_response());
    }
    let scope = scope_of_path(&backend, request.uri().path());
    let header = request.header(header::AUTHORIZATION);
    let caller = backend.auth.authenticate(scope, header).await;
    let Some(caller) = caller.map_err(HttpError::from)? else {
        let detail = "the bearer is missing or not good here";
        return Err(HttpError::from(ProtocolError::new(ErrorType::Unauthorized, detail)).into());
    };
    request.set_data(Authenticated { caller, scope });
    request.set_data(backend.clone());
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        let accepted = coding::accepted(&request);
        return coding::encode(endpoint.call(request).await?.into_response(), accepted).await;
    }
    // A write runs in a task of its own, so that it goes on when the caller hangs up: cut off half-way, it would leave
    // a commit unannounced.
    let (sender, result) = oneshot::channel();
    let tasks = backend.tasks.clone();
    tasks.spawn("write", async move {
        let response = backend.store.after_commit(endpoint.call(request)).await;
        let response = response.unwrap_or_else(|error| Err(HttpError::from(error).into()));
        // The caller may be gone; what was written is committed all the same.
        let _ = sender.send(response.map(IntoResponse::into_response));
    });
    match result.await {
        Ok(response) => response,
        Err(_) => Err(poem::Error::from_status(StatusCode::INTERNAL_SERVER_ERROR)),
    }
}

/// The scope whose workers may call this path. `None` for an experiment that is not hosted.
fn scope_of_path(backend: &BackendState, path: &str) -> Option<ScopeKey> {
    let below = |root| path.strip_prefix(root);
    match below("/v0/experiments/").or_else(|| below("/_reference/experiments/")) {
        Some(rest) => {
            let id = rest.split('/').next().unwrap_or_default();
            backend.experiments.find(id).map(|hosted| hosted.scope.key)
        }
        None => Some(ScopeKey::DEPLOYMENT),
    }
}
