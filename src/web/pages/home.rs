//! Bare paths, without an experiment: they redirect to the same page of the active experiment.

use poem::http::{StatusCode, header};
use poem::session::Session;
use poem::web::Multipart;
use poem::{Body, FromRequest, Request, RequestBody, Response, Result, handler};

use crate::protocol::ExperimentId;
use crate::web::auth::session;
use crate::web::fault::{Fault, STALE_SELECTION};
use crate::web::request::{Context, see_other};
use crate::web::respond::{SWITCHED_MID_FORM, with_banner};
use crate::web::urls;

/// `GET /`, `GET /admin/tasks/`, …: 303 to the same page of the active experiment, with the query kept. `?exp=` names
/// the experiment for this once; the selection stays.
#[handler]
pub(crate) fn get(context: &Context, session: &Session) -> Result<Response> {
    let (path, query) = context
        .htmx
        .page_url
        .split_once('?')
        .unwrap_or((&context.htmx.page_url, ""));
    let (named, query) = without_exp(query);
    if let Some(named) = named {
        let id = context.registered(&named)?;
        return Ok(see_other(&canonical(&id, path, &query)));
    }
    Ok(see_other(&match active(context, session) {
        ActiveExperiment::Found(id) => canonical(&id, path, &query),
        ActiveExperiment::Fallback { id, gone } => {
            with_banner(&canonical(&id, path, &query), STALE_SELECTION, &[("exp", &gone)])
        }
        // Administrators see the cause on the page of experiments, other operators on the page of this fault.
        ActiveExperiment::None if context.role.may_read() => urls::experiments().to_owned(),
        ActiveExperiment::None => return Err(context.not_registered(Fault::NoExperiments).into()),
    }))
}

/// `POST /ideator/{task}/submit`, …: old forms, which say in `form_experiment_id` what they were drawn for. They are
/// sent on as they are to that experiment's own path, unless another experiment is active by now.
#[handler]
pub(crate) async fn post(context: &Context, session: &Session, request: &Request, body: Body) -> Result<Response> {
    let id = match active(context, session) {
        ActiveExperiment::Found(id) | ActiveExperiment::Fallback { id, .. } => id,
        ActiveExperiment::None => return Err(context.not_registered(Fault::NoExperiments).into()),
    };
    let refused = |words: &str| Fault::BadRequest(words.to_owned());
    let drawn_for = form_experiment_id(request, body).await;
    let drawn_for = drawn_for.map_err(|()| refused("The form cannot be read."))?;
    let drawn_for = match drawn_for.as_deref().map(str::trim) {
        None | Some("") => id.clone(),
        Some(given) => given.parse().map_err(|_| {
            refused("The form does not say which experiment it is of: form_experiment_id is no experiment id.")
        })?,
    };
    if drawn_for != id {
        let pairs = [("from", &drawn_for), ("to", &id)];
        let location = with_banner(&urls::overview(&id), SWITCHED_MID_FORM, &pairs);
        return Ok(context.htmx.redirect(&location));
    }
    let location = canonical(&id, request.uri().path(), request.uri().query().unwrap_or_default());
    Ok(Response::builder()
        .status(StatusCode::TEMPORARY_REDIRECT)
        .header(header::LOCATION, location)
        .finish())
}

/// `GET /healthz`: the process answers.
#[handler]
pub(crate) fn healthz() -> &'static str {
    "ok\n"
}

/// The active experiment of a bare path.
enum ActiveExperiment {
    Found(ExperimentId),
    /// The selected experiment is not registered any more, so the selection has been cleared.
    Fallback {
        id: ExperimentId,
        gone: ExperimentId,
    },
    None,
}

/// The selected experiment, else the deployment's default, else the first registered.
fn active(context: &Context, session: &Session) -> ActiveExperiment {
    let registered = &context.registry.rows;
    let default = context.console.stores.default_experiment();
    let otherwise = default.or_else(|| registered.keys().next()).cloned();
    // Without a control plane there is no selection.
    let selected = session::selected(session).filter(|_| context.console.stores.has_control_plane());
    match (selected, otherwise) {
        (Some(id), _) if registered.contains_key(&id) || Some(&id) == default => ActiveExperiment::Found(id),
        // While the registry cannot be read it is not known to be gone; its own page says so.
        (Some(id), _) if context.registry_fault().is_some() => ActiveExperiment::Found(id),
        (Some(gone), Some(id)) => {
            session::clear_selection(session);
            ActiveExperiment::Fallback { id, gone }
        }
        (Some(_), None) => {
            session::clear_selection(session);
            ActiveExperiment::None
        }
        (None, Some(id)) => ActiveExperiment::Found(id),
        (None, None) => ActiveExperiment::None,
    }
}

fn canonical(id: &ExperimentId, path: &str, query: &str) -> String {
    let page = format!("{}{}", urls::overview(id), path.trim_start_matches('/'));
    match query {
        "" => page,
        query => format!("{page}?{query}"),
    }
}

/// The experiment that `exp` names, and the rest of the query.
fn without_exp(query: &str) -> (Option<String>, String) {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let (exp, rest): (Vec<&str>, Vec<&str>) = pairs.partition(|pair| pair.starts_with("exp="));
    let named = exp.first().and_then(|pair| {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(pair).ok()?;
        pairs.into_iter().next().map(|(_, id)| id)
    });
    (named, rest.join("&"))
}

/// The form's `form_experiment_id`, in either encoding; an error when the form cannot be read.
async fn form_experiment_id(request: &Request, body: Body) -> Result<Option<String>, ()> {
    const NAME: &str = "form_experiment_id";
    if !request
        .content_type()
        .is_some_and(|kind| kind.starts_with("multipart/"))
    {
        let bytes = body.into_bytes().await.map_err(drop)?;
        let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(&bytes).map_err(drop)?;
        return Ok(pairs.into_iter().find(|(name, _)| name == NAME).map(|(_, id)| id));
    }
    let mut body = RequestBody::new(body);
    let mut form = Multipart::from_request(request, &mut body).await.map_err(drop)?;
    while let Some(part) = form.next_field().await.map_err(drop)? {
        if part.name() == Some(NAME) {
            return part.text().await.map(Some).map_err(drop);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_removed_and_the_rest_is_unchanged() {
        let taken = |query| without_exp(query);
        assert_eq!(taken(""), (None, String::new()));
        assert_eq!(
            taken("state=a%20b&exp=e1&page=2"),
            (Some("e1".into()), "state=a%20b&page=2".into())
        );
        assert_eq!(taken("expert=1"), (None, "expert=1".into()));
    }
}
