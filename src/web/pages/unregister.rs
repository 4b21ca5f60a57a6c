//! Taking an experiment out of the registry: what that means, what stands in its way, and a confirmation by typing.

use maud::{Markup, html};
use poem::http::StatusCode;
use poem::session::Session;
use poem::web::Form;
use poem::{Request, Response, Result, handler};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

use crate::live::RegistryRow;
use crate::protocol::ErrorType;
use crate::web::answer::Page;
use crate::web::banner::with_outcome;
use crate::web::bar::entry;
use crate::web::context::Deployment;
use crate::web::error::{Fault, PageError, error_status};
use crate::web::experiments_table::unregister_obstacle;
use crate::web::session;
use crate::web::ui::Mark;
use crate::web::ui::{
    Button, Field, Input, Nav, Tone, button, copyable, crumbs, definitions, field, notice, page_head, state, when,
};
use crate::web::urls;

/// How long the answer waits for the experiment to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(3);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Confirmation {
    confirm: String,
}

/// What was wrong with the last try.
#[derive(Debug, Default)]
struct Refusal {
    typed: String,
    confirm: Option<String>,
    words: Option<String>,
}

/// `GET /admin/experiments/{E}/unregister`
#[handler]
pub(crate) fn get(deployment: Deployment, request: &Request) -> Result<Response> {
    let row = row(&deployment, request)?;
    Ok(page(&deployment, &row, StatusCode::OK, &Refusal::default()))
}

/// `POST /admin/experiments/{E}/unregister`, with the experiment's name, or its id, typed into `confirm`.
#[handler]
pub(crate) async fn post(
    deployment: Deployment,
    request: &Request,
    session: &Session,
    form: Result<Form<Confirmation>>,
) -> Result<Response> {
    let row = row(&deployment, request)?;
    let Form(form) = form?;
    let refused = |status, refusal| Ok(page(&deployment, &row, status, &refusal));
    let words = |status, words: String| {
        let (words, typed) = (Some(words), form.confirm.clone());
        refused(
            status,
            Refusal {
                words,
                typed,
                confirm: None,
            },
        )
    };
    let Some(control) = deployment.context.console.stores.control_admin() else {
        return words(StatusCode::CONFLICT, NEEDS_TOKEN.to_owned());
    };
    let typed = form.confirm.trim();
    if typed != row.id.as_str() && Some(typed) != row.name() {
        let confirm = Some(format!("That is not {}.", asked(&row)));
        return refused(
            StatusCode::UNPROCESSABLE_ENTITY,
            Refusal {
                typed: form.confirm.clone(),
                confirm,
                words: None,
            },
        );
    }
    let unregistered = match deployment.context.may_write() {
        Ok(()) => control.unregister(&row.id).await,
        Err(error) => Err(error),
    };
    match unregistered {
        Ok(()) => {}
        // Somebody else was faster, and what was wanted has come about.
        Err(error) if error.is_not_found() => {}
        Err(error) if error.error_type() == Some(ErrorType::InvalidPrecondition) => {
            return words(StatusCode::CONFLICT, format!("The control plane keeps it: {error}."));
        }
        Err(error) if error.leaves_open() => {
            let open = format!(
                "{error}. Whether it was unregistered is not known: look in the list, then try again; doing it twice does no harm."
            );
            return words(StatusCode::SERVICE_UNAVAILABLE, open);
        }
        Err(error) => return words(error_status(&error), format!("Nothing was changed: {error}.")),
    }
    if session::selected(session).as_ref() == Some(&row.id) {
        session::clear_selection(session);
    }
    let live = deployment.context.live();
    live.refresh_registry_entry(&row.id);
    let gone = |view: &crate::live::RegistryView| view.rows.get(&row.id).is_none_or(|row| row.entry.is_none());
    live.registry().wait_until(GONE_WITHIN, gone).await;
    let location = with_outcome(urls::experiments(), "unregistered", &row.id);
    Ok(deployment.context.frame.redirect(&location))
}

const NEEDS_TOKEN: &str = "Nothing was changed. Unregistering needs the admin token of the control plane; start the \
    console with --control-plane-admin-token.";

fn row(deployment: &Deployment, request: &Request) -> Result<Arc<RegistryRow>> {
    let context = &deployment.context;
    let id = context.registered(request.raw_path_param("experiment").unwrap_or_default())?;
    let row = context.registry.rows.get(&id).filter(|row| row.entry.is_some());
    let unregistered = || PageError::within(Fault::NoSuchExperiment(id.to_string()), context.clone());
    Ok(row.cloned().ok_or_else(unregistered)?)
}

/// What has to be typed.
fn asked(row: &RegistryRow) -> String {
    match row.name() {
        Some(name) => format!("its name, {name}, nor its id"),
        None => "its id".to_owned(),
    }
}

fn page(deployment: &Deployment, row: &RegistryRow, status: StatusCode, refusal: &Refusal) -> Response {
    let entry = entry(row);
    let head = html! {
        (crumbs(&[("Experiments", urls::experiments())]))
        (page_head("Unregister", html! { (entry.label()) }, html! {}))
        (facts(row))
        (form(row, refusal))
    };
    let mut page = Page::new("Unregister", Nav::Experiments, head, Vec::new());
    page.status = status;
    deployment.context.answer_fresh(&page)
}

fn facts(row: &RegistryRow) -> Markup {
    let entry = entry(row);
    let lease = row.entry.as_ref().and_then(|entry| entry.lease.as_ref());
    definitions(&[
        ("Id", copyable(row.id.as_str())),
        ("State", state(Mark::from(entry.state), entry.state.word())),
        (
            "Lease",
            html! {
                @match lease {
                    Some(lease) => { "held by " (lease.holder) " since " (when(lease.acquired_at)) }
                    None => { "held by nobody" }
                }
            },
        ),
    ])
}

fn form(row: &RegistryRow, refusal: &Refusal) -> Markup {
    let label = match row.name() {
        Some(name) => format!("Type {name} to confirm"),
        None => format!("Type {} to confirm", row.id),
    };
    let confirm = Field {
        name: "confirm",
        label: &label,
        hint: None,
        error: refusal.confirm.as_deref(),
        required: true,
    };
    html! {
        @if let Some(words) = &refusal.words { (notice(Tone::Bad, &html! { p { (words) } })) }
        @if let Some(obstacle) = unregister_obstacle(row) {
            (notice(Tone::Warn, &html! {
                p { "The control plane will most likely refuse: " (obstacle) ". An experiment has to be terminated and leased to nobody." }
            }))
        }
        p {
            "Unregistering takes the experiment out of every list of this deployment, and nobody drives it any more. "
            "Its task store keeps what it hosts; nothing is deleted."
        }
        form class="form" method="post" action=(urls::unregister(&row.id)) hx-boost="false" {
            (field(&confirm, Input::Text, &refusal.typed))
            div class="actions" {
                (button(Button::Danger, "Unregister"))
                a class="button" href=(urls::experiments()) { "Keep it" }
            }
        }
    }
}
