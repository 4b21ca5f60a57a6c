//! The route table. Nothing else registers routes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use poem::{Endpoint, EndpointExt, Response, Route, delete, get, handler, post};
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

/// Every endpoint of the backend.
pub(crate) fn routes(backend: Arc<BackendState>) -> impl Endpoint + 'static {
    // poem cannot nest a path that captures, so each path is given in full.
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
    roster(roster(control, &of("")), "/v0/control")
        .around(move |endpoint, request| guard(backend.clone(), endpoint, request))
}

/// Adds workers and groups. Their routes are the same for an experiment and for the deployment (`ch11 §6`).
fn roster(routes: Route, root: &str) -> Route {
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
    json_text(r#"{"status":"ok"}"#.to_owned())
}
