//! Ways in: bare paths lead to the active experiment's page of the same kind.

use poem::http::{StatusCode, header};
use poem::session::Session;
use poem::{Response, handler};

use crate::web::context::Context;
use crate::web::session;
use crate::web::urls;

/// `GET /`, `GET /admin/tasks/`, …: 303 to the same page of the selected experiment, or of the first
/// registered one, with the query kept.
#[handler]
pub(crate) fn get(context: Context, session: &Session) -> Response {
    let registered = &context.registry.rows;
    let selected = session::selected(session).filter(|id| registered.contains_key(id));
    let location = match selected.as_ref().or_else(|| registered.keys().next()) {
        Some(id) => format!("{}{}", urls::overview(id), context.frame.here.trim_start_matches('/')),
        None => urls::experiments().to_owned(),
    };
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, location)
        .finish()
}

/// `GET /healthz`: the process answers.
#[handler]
pub(crate) fn healthz() -> &'static str {
    "ok\n"
}
