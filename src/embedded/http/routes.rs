//! The route table. Nothing else registers routes.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem::{Endpoint, EndpointExt, Response, Route, RouteMethod, handler};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::guard::guard;
use super::{
    artifacts, checkpoints, control, events, experiments, groups, ideas, json_text, leases, reference, tasks, variants,
    workers,
};
use crate::embedded::BackendState;
use crate::listener;

/// How long open connections may take to finish once the process stops; less than `Tasks::GRACE`.
const DRAIN: Duration = Duration::from_secs(1);

/// Serves until it is asked to stop.
pub(crate) async fn serve(
    socket: TcpListener,
    routes: impl Endpoint + 'static,
    stopping: CancellationToken,
) -> io::Result<()> {
    listener::serve(socket, routes, stopping, DRAIN).await
}

/// Routes other than those of the roster. `:name` stands for one segment, `*name` for the rest.
#[rustfmt::skip]
static ROUTES: &[Row] = &[
    get("/v0/experiments/:experiment", || experiments::read.boxed()),
    get("/v0/experiments/:experiment/state", || experiments::state.boxed()),
    get("/v0/experiments/:experiment/config", || experiments::config.boxed()),
    get("/v0/experiments/:experiment/dispatch_mode", || experiments::dispatch_mode.boxed()),
    patch("/v0/experiments/:experiment/dispatch_mode", || experiments::update_dispatch_mode.boxed()),
    post("/v0/experiments/:experiment/terminate", || experiments::terminate.boxed()),
    post("/v0/experiments/:experiment/policy-errors", || experiments::policy_error.boxed()),
    get("/v0/experiments/:experiment/tasks", || tasks::list.boxed()),
    post("/v0/experiments/:experiment/tasks", || tasks::create.boxed()),
    get("/v0/experiments/:experiment/tasks/:task", || tasks::read.boxed()),
    get("/v0/experiments/:experiment/tasks/:task/submission", || tasks::submission.boxed()),
    post("/v0/experiments/:experiment/tasks/:task/claim", || tasks::claim.boxed()),
    post("/v0/experiments/:experiment/tasks/:task/submit", || tasks::submit.boxed()),
    post("/v0/experiments/:experiment/tasks/:task/accept", || tasks::accept.boxed()),
    post("/v0/experiments/:experiment/tasks/:task/reject", || tasks::reject.boxed()),
    post("/v0/experiments/:experiment/tasks/:task/reclaim", || tasks::reclaim.boxed()),
    post("/v0/experiments/:experiment/tasks/:task/reassign", || tasks::reassign.boxed()),
    get("/v0/experiments/:experiment/ideas", || ideas::list.boxed()),
    post("/v0/experiments/:experiment/ideas", || ideas::create.boxed()),
    get("/v0/experiments/:experiment/ideas/:idea", || ideas::read.boxed()),
    post("/v0/experiments/:experiment/ideas/:idea/mark-ready", || ideas::mark_ready.boxed()),
    get("/v0/experiments/:experiment/variants", || variants::list.boxed()),
    post("/v0/experiments/:experiment/variants", || variants::create.boxed()),
    get("/v0/experiments/:experiment/variants/:variant", || variants::read.boxed()),
    post("/v0/experiments/:experiment/variants/:variant/declare-evaluation-error", || variants::declare_evaluation_error.boxed()),
    post("/v0/experiments/:experiment/variants/:variant/integrate", || variants::integrate.boxed()),
    get("/v0/experiments/:experiment/artifacts", || artifacts::fetch.boxed()),
    post("/v0/experiments/:experiment/artifacts", || artifacts::deposit.boxed()),
    post("/v0/experiments/:experiment/checkpoint", || checkpoints::export.boxed()),
    get("/v0/experiments/:experiment/events", || events::range.boxed()),
    get("/v0/experiments/:experiment/events/subscribe", || events::subscribe.boxed()),
    get("/v0/experiments/:experiment/events/stream", || events::stream.boxed()),
    get("/v0/control/experiments", || control::list.boxed()),
    post("/v0/control/experiments", || control::register.boxed()),
    get("/v0/control/experiments/:id", || control::read.boxed()),
    delete("/v0/control/experiments/:id", || control::unregister.boxed()),
    post("/v0/checkpoints/import", || checkpoints::import.boxed()),
    post("/v0/control/experiments/:id/leases", || leases::acquire.boxed()),
    get("/v0/control/leases", || leases::list.boxed()),
    post("/v0/control/leases/:id/renew", || leases::renew.boxed()),
    post("/v0/control/leases/:id/release", || leases::release.boxed()),
    get("/v0/control/events", || control::stream.boxed()),
    post("/_switchboard/experiments/:id/seed", || control::seed.boxed()),
    get("/_reference/experiments/:experiment/tasks/:task/validate-terminal", || reference::validate_terminal.boxed()),
    post("/_reference/experiments/:experiment/validate/evaluation", || reference::validate_evaluation.boxed()),
    get("/_reference/experiments/:experiment/artifacts/*path", || reference::artifact.boxed()),
    get("/healthz", || healthz.boxed()),
];

/// The routes of workers and groups, below [`ROSTER_ROOTS`]: they are the same for an experiment and for the deployment
/// (`ch11 §6`).
#[rustfmt::skip]
static ROSTER: &[Row] = &[
    get("/whoami", || workers::whoami.boxed()),
    get("/workers", || workers::list.boxed()),
    post("/workers", || workers::register.boxed()),
    get("/workers/:worker", || workers::read.boxed()),
    post("/workers/:worker/reissue-credential", || workers::reissue.boxed()),
    get("/groups", || groups::list.boxed()),
    post("/groups", || groups::register.boxed()),
    get("/groups/:group", || groups::read.boxed()),
    delete("/groups/:group", || groups::remove.boxed()),
    post("/groups/:group/members", || groups::add_member.boxed()),
    delete("/groups/:group/members/:member", || groups::remove_member.boxed()),
];

const ROSTER_ROOTS: [&str; 2] = ["/v0/experiments/:experiment", "/v0/control"];

/// One method of one path.
struct Row {
    pattern: &'static str,
    method: Method,
    endpoint: fn() -> BoxEndpoint<'static>,
}

const fn row(method: Method, pattern: &'static str, endpoint: fn() -> BoxEndpoint<'static>) -> Row {
    Row {
        pattern,
        method,
        endpoint,
    }
}

const fn get(pattern: &'static str, endpoint: fn() -> BoxEndpoint<'static>) -> Row {
    row(Method::GET, pattern, endpoint)
}

const fn post(pattern: &'static str, endpoint: fn() -> BoxEndpoint<'static>) -> Row {
    row(Method::POST, pattern, endpoint)
}

const fn patch(pattern: &'static str, endpoint: fn() -> BoxEndpoint<'static>) -> Row {
    row(Method::PATCH, pattern, endpoint)
}

const fn delete(pattern: &'static str, endpoint: fn() -> BoxEndpoint<'static>) -> Row {
    row(Method::DELETE, pattern, endpoint)
}

/// Every row with its whole path.
fn rows() -> impl Iterator<Item = (String, &'static Row)> {
    let roster = ROSTER_ROOTS
        .into_iter()
        .flat_map(|root| ROSTER.iter().map(move |row| (format!("{root}{}", row.pattern), row)));
    let others = ROUTES.iter().map(|row| (row.pattern.to_owned(), row));
    others.chain(roster)
}

/// Every path and method of the backend, for tests.
pub fn route_patterns() -> impl Iterator<Item = (String, Method)> {
    rows().map(|(pattern, row)| (pattern, row.method.clone()))
}

/// Every endpoint of the backend.
pub(crate) fn routes(backend: Arc<BackendState>) -> impl Endpoint + 'static {
    let mut by_pattern: BTreeMap<String, RouteMethod> = BTreeMap::new();
    for (pattern, row) in rows() {
        let methods = by_pattern.remove(&pattern).unwrap_or_default();
        by_pattern.insert(pattern, methods.method(row.method.clone(), (row.endpoint)()));
    }
    by_pattern
        .into_iter()
        .fold(Route::new(), |routes, (pattern, methods)| routes.at(pattern, methods))
        .around(move |endpoint, request| guard(backend.clone(), endpoint, request))
}

#[handler]
fn healthz() -> Response {
    json_text(r#"{"status":"ok"}"#.to_owned())
}
