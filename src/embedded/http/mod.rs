//! The HTTP binding (`ch07`): the route table, and what happens around every request.
//!
//! The order of checks is the wire's: credential (401), body and query (400), experiment header (400), authority
//! (403), and then the store. The first happens in [`guard`], the next three in the extractors, in the order in
//! which a handler names them.

mod artifacts;
mod checkpoints;
mod control;
mod events;
mod experiments;
mod extract;
mod groups;
mod ideas;
mod leases;
mod list;
mod problem;
mod reference;
mod tasks;
mod upload;
mod validator;
mod variants;
mod workers;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use poem::http::{Method, StatusCode, header};
use poem::{Endpoint, EndpointExt, IntoResponse, Request, Response, Route, delete, get, handler, post};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::Inner;
use super::storage::ScopeKey;
use super::transition::Refusal;
use crate::listener;
use crate::protocol::*;
use extract::Admitted;
use problem::Fault;

/// How long open connections may take to finish once the process stops; less than `Tasks::GRACE`.
const DRAIN: Duration = Duration::from_secs(1);

pub(super) async fn serve(
    socket: TcpListener,
    routes: impl Endpoint + 'static,
    stopping: CancellationToken,
) -> io::Result<()> {
    listener::serve(socket, routes, stopping, DRAIN).await
}

/// Every endpoint of the backend. Nothing else registers routes.
pub(super) fn routes(inner: Arc<Inner>) -> impl Endpoint + 'static {
    // The framework nests no path that captures, so each path is spelled whole.
    let of = |rest: &str| format!("/v0/experiments/:experiment{rest}");
    let experiment = Route::new()
        .at(of(""), get(experiments::read))
        .at(of("/state"), get(experiments::state))
        .at(of("/config"), get(experiments::config))
        .at(
            of("/dispatch_mode"),
            get(experiments::dispatch_mode).patch(experiments::update_dispatch_mode),
        )
        .at(of("/terminate"), post(experiments::terminate))
        .at(of("/policy-errors"), post(experiments::policy_error))
        .at(of("/tasks"), get(tasks::list).post(tasks::create))
        .at(of("/tasks/:task"), get(tasks::read))
        .at(of("/tasks/:task/submission"), get(tasks::submission))
        .at(of("/tasks/:task/claim"), post(tasks::claim))
        .at(of("/tasks/:task/submit"), post(tasks::submit))
        .at(of("/tasks/:task/accept"), post(tasks::accept))
        .at(of("/tasks/:task/reject"), post(tasks::reject))
        .at(of("/tasks/:task/reclaim"), post(tasks::reclaim))
        .at(of("/tasks/:task/reassign"), post(tasks::reassign))
        .at(of("/ideas"), get(ideas::list).post(ideas::create))
        .at(of("/ideas/:idea"), get(ideas::read))
        .at(of("/ideas/:idea/mark-ready"), post(ideas::mark_ready))
        .at(of("/variants"), get(variants::list).post(variants::create))
        .at(of("/variants/:variant"), get(variants::read))
        .at(
            of("/variants/:variant/declare-evaluation-error"),
            post(variants::declare_evaluation_error),
        )
        .at(of("/variants/:variant/integrate"), post(variants::integrate))
        .at(of("/artifacts"), get(artifacts::fetch).post(artifacts::deposit))
        .at(of("/checkpoint"), post(checkpoints::export))
        .at(of("/events"), get(events::range))
        .at(of("/events/subscribe"), get(events::subscribe))
        .at(of("/events/stream"), get(events::stream));
    let control = experiment
        .at("/v0/control/experiments", get(control::list).post(control::register))
        .at(
            "/v0/control/experiments/:id",
            get(control::read).delete(control::unregister),
        )
        .at("/v0/checkpoints/import", post(checkpoints::import))
        .at("/v0/control/experiments/:id/leases", post(leases::acquire))
        .at("/v0/control/leases", get(leases::list))
        .at("/v0/control/leases/:id/renew", post(leases::renew))
        .at("/v0/control/leases/:id/release", post(leases::release))
        .at("/v0/control/events", get(control::stream))
        .at("/_switchboard/experiments/:id/seed", post(control::seed))
        .at(
            "/_reference/experiments/:experiment/tasks/:task/validate-terminal",
            get(reference::validate_terminal),
        )
        .at(
            "/_reference/experiments/:experiment/validate/evaluation",
            post(reference::validate_evaluation),
        )
        .at(
            "/_reference/experiments/:experiment/artifacts/*path",
            get(reference::artifact),
        )
        .at("/healthz", get(healthz));
    registry(registry(control, &of("")), "/v0/control")
        .around(move |endpoint, request| guard(inner.clone(), endpoint, request))
}

/// Workers and groups look the same in an experiment and in the deployment (`ch11 §6`).
fn registry(routes: Route, root: &str) -> Route {
    let of = |rest: &str| format!("{root}{rest}");
    routes
        .at(of("/whoami"), get(workers::whoami))
        .at(of("/workers"), get(workers::list).post(workers::register))
        .at(of("/workers/:worker"), get(workers::read))
        .at(of("/workers/:worker/reissue-credential"), post(workers::reissue))
        .at(of("/groups"), get(groups::list).post(groups::register))
        .at(of("/groups/:group"), get(groups::read).delete(groups::remove))
        .at(of("/groups/:group/members"), post(groups::add_member))
        .at(of("/groups/:group/members/:member"), delete(groups::remove_member))
}

#[handler]
fn healthz() -> Response {
    problem::json_text(r#"{"status":"ok"}"#.to_owned())
}

/// Authenticates, runs the endpoint, and puts every failure in the envelope, the framework's own included.
async fn guard<E: Endpoint + 'static>(inner: Arc<Inner>, endpoint: Arc<E>, request: Request) -> poem::Result<Response> {
    let instance = problem::instance(&request);
    match admit(inner, endpoint, request).await {
        Ok(response) => Ok(response),
        Err(error) => Ok(problem::respond(&error, instance)),
    }
}

async fn admit<E: Endpoint + 'static>(
    inner: Arc<Inner>,
    endpoint: Arc<E>,
    mut request: Request,
) -> poem::Result<Response> {
    if request.uri().path() == "/healthz" {
        return Ok(endpoint.call(request).await?.into_response());
    }
    let scope = realm(&inner, request.uri().path());
    let header = request.header(header::AUTHORIZATION);
    let caller = inner.auth.authenticate(&inner.store, scope, header).await;
    let Some(caller) = caller.map_err(Fault::from)? else {
        return Err(Fault::from(Refusal::new(
            ErrorType::Unauthorized,
            "the bearer is missing or not good here",
        ))
        .into());
    };
    request.set_data(Admitted { caller, scope });
    request.set_data(inner.clone());
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(endpoint.call(request).await?.into_response());
    }
    // A write goes on when its caller hangs up: half-way through, it would leave a commit unannounced.
    let (reply, outcome) = oneshot::channel();
    let tasks = inner.tasks.clone();
    tasks.spawn("write", async move {
        let response = inner.store.truthfully(endpoint.call(request)).await;
        let response = response.unwrap_or_else(|fault| Err(Fault::from(fault).into()));
        // The caller may be gone; what was written stands.
        let _ = reply.send(response.map(IntoResponse::into_response));
    });
    match outcome.await {
        Ok(response) => response,
        Err(_) => Err(poem::Error::from_status(StatusCode::INTERNAL_SERVER_ERROR)),
    }
}

/// The registry whose workers may call this path. An experiment that is not hosted has none.
fn realm(inner: &Inner, path: &str) -> Option<ScopeKey> {
    let below = |root| path.strip_prefix(root);
    match below("/v0/experiments/").or_else(|| below("/_reference/experiments/")) {
        Some(rest) => {
            let id = rest.split('/').next().unwrap_or_default();
            inner.hub.find(id).map(|hosted| hosted.scope.key)
        }
        None => Some(ScopeKey::DEPLOYMENT),
    }
}
