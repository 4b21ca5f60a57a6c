//! Removing an experiment from the registry: what that means, what prevents it, and a typed confirmation.

use std::sync::Arc;
use std::time::Duration;

use maud::{Markup, html};
use poem::http::StatusCode;
use poem::session::Session;
use poem::web::Form;
use poem::{Request, Response, Result, handler};
use serde::Deserialize;

use crate::client::{ClientError, ControlClient};
use crate::live::{RegistryRow, RegistryView};
use crate::protocol::ErrorType;
use crate::web::auth::session;
use crate::web::fault::Fault;
use crate::web::parts::experiments_table::unregister_obstacle;
use crate::web::request::{Context, Deployment, path_segment};
use crate::web::respond::{Page, answer, answer_write, switch_entry, with_outcome};
use crate::web::sections::Section;
use crate::web::ui::{
    Button, Field, Input, Mark, Tone, button, copyable, crumbs, definitions, field, notice, page_head, state, when,
};
use crate::web::upstream::Upstream;
use crate::web::urls;
use crate::web::write::{Act, FormErrors, Refusal, Submission, carry_out, request_id};

/// How long the answer waits until the registry does not show the experiment.
const GONE_WITHIN: Duration = Duration::from_secs(3);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Confirmation {
    confirm: String,
    request_id: String,
}

/// `GET /admin/experiments/{E}/unregister`
#[handler]
pub(crate) fn get(deployment: Deployment, request: &Request) -> Result<Response> {
    let context = &deployment.context;
    let row = row(context, request)?;
    let page = page(&row, &Confirmation::default(), &FormErrors::default());
    Ok(answer(context, &page))
}

/// `POST /admin/experiments/{E}/unregister`, with the experiment's name, or its id, typed into `confirm`.
#[handler]
pub(crate) async fn post(
    deployment: Deployment,
    request: &Request,
    session: &Session,
    form: Result<Form<Confirmation>>,
) -> Result<Response> {
    let row = row(&deployment.context, request)?;
    let Form(form) = form?;
    let act = Unregister {
        action: urls::unregister(&row.id),
        context: deployment.context,
        session: session.clone(),
        row,
        form,
    };
    Ok(carry_out(act).await)
}

/// Removes an experiment from the registry.
struct Unregister {
    context: Arc<Context>,
    session: Session,
    row: Arc<RegistryRow>,
    action: String,
    form: Confirmation,
}

impl Act for Unregister {
    type Checked = ControlClient;
    type Done = ();

    const UPSTREAM: Upstream = Upstream::ControlPlane;
    const IS_IDEMPOTENT: bool = true;
    const ADVICE: &'static str = "Look in the list, then try again; doing it twice does no harm.";

    fn what_was_done(&self) -> &'static str {
        "the experiment was unregistered"
    }

    fn context(&self) -> &Context {
        &self.context
    }

    fn submission(&self) -> Submission<'_> {
        Submission {
            action: &self.action,
            request_id: &self.form.request_id,
            typed: vec![],
        }
    }

    async fn check(&self) -> Result<ControlClient, Refusal> {
        let control = self.context.console.stores.control_admin();
        let control = control.ok_or_else(|| Refusal::new(StatusCode::CONFLICT, NEEDS_TOKEN))?;
        let typed = self.form.confirm.trim();
        match typed == self.row.id.as_str() || Some(typed) == self.row.name() {
            true => Ok(control),
            false => Err(Refusal::of_field(
                "confirm",
                format!("That is not {}.", expected(&self.row)),
            )),
        }
    }

    async fn send(&self, control: &ControlClient) -> Result<(), ClientError> {
        match control.unregister(&self.row.id).await {
            // Somebody else has unregistered it meanwhile.
            Err(error) if error.is_not_found() => Ok(()),
            answer => answer,
        }
    }

    async fn read_back(&self, control: &ControlClient) -> Option<()> {
        let read = control.experiment(&self.row.id).await;
        read.is_err_and(|error| error.is_not_found()).then_some(())
    }

    async fn wait_until_shown(&self, _: &str) {
        let id = &self.row.id;
        let live = self.context.live();
        live.refresh_registry_entry(id);
        let is_gone = |view: &RegistryView| view.rows.get(id).is_none_or(|row| row.entry.is_none());
        live.registry().wait_until(GONE_WITHIN, is_gone).await;
    }

    fn done_response(&self, _: &ControlClient, _: &str) -> Response {
        if session::selected(&self.session).as_ref() == Some(&self.row.id) {
            session::clear_selection(&self.session);
        }
        let location = with_outcome(urls::experiments(), "unregistered", self.row.id.as_str());
        self.context.htmx.redirect(&location)
    }

    fn explain(&self, error: &ClientError) -> Option<Refusal> {
        let is_kept = error.error_type() == Some(ErrorType::InvalidPrecondition);
        is_kept.then(|| Refusal::new(StatusCode::CONFLICT, format!("The control plane keeps it: {error}.")))
    }

    async fn redraw(&self, refusal: Refusal) -> Response {
        let page = page(&self.row, &self.form, &refusal.faults).with_status(refusal.status);
        answer_write(&self.context, self.action.clone(), &page)
    }
}

const NEEDS_TOKEN: &str = "Nothing was changed. Unregistering needs the admin token of the control plane; start the \
    console with --control-plane-admin-token.";

fn row(context: &Context, request: &Request) -> Result<Arc<RegistryRow>, Fault> {
    let id = context.registered(&path_segment(request, "experiment"))?;
    let row = context.registry.rows.get(&id).filter(|row| row.entry.is_some());
    row.cloned().ok_or_else(|| Fault::NoSuchExperiment(id.to_string()))
}

/// The text to type, as part of a sentence.
fn expected(row: &RegistryRow) -> String {
    match row.name() {
        Some(name) => format!("its name, {name}, nor its id"),
        None => "its id".to_owned(),
    }
}

fn page(row: &RegistryRow, typed: &Confirmation, faults: &FormErrors) -> Page<'static> {
    let entry = switch_entry(row);
    let head = html! {
        (crumbs(&[("Experiments", urls::experiments())]))
        (page_head("Unregister", html! { (entry.label()) }, html! {}))
        (facts(row))
        (form(row, typed, faults))
    };
    Page::new("Unregister", Section::Experiments, head, Vec::new())
}

fn facts(row: &RegistryRow) -> Markup {
    let entry = switch_entry(row);
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

fn form(row: &RegistryRow, typed: &Confirmation, faults: &FormErrors) -> Markup {
    let label = match row.name() {
        Some(name) => format!("Type {name} to confirm"),
        None => format!("Type {} to confirm", row.id),
    };
    let confirm = Field {
        name: "confirm",
        label: &label,
        hint: None,
        error: faults.field("confirm"),
        required: true,
    };
    html! {
        @if let Some(words) = &faults.form { (notice(Tone::Bad, &html! { p { (words) } })) }
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
            (request_id())
            (field(&confirm, Input::Text, &typed.confirm))
            div class="actions" {
                (button(Button::Danger, "Unregister"))
                a class="button" href=(urls::experiments()) { "Keep it" }
            }
        }
    }
}
