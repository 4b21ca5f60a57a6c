//! Every experiment of the deployment, and registering another.

use maud::{Markup, html};
use poem::http::StatusCode;
use poem::session::Session;
use poem::web::Form;
use poem::{Response, Result, handler};
use serde::Deserialize;
use std::time::Duration;

use crate::access::Posture;
use crate::client::ClientError;
use crate::protocol::{DisplayName, ErrorType, RegisterExperiment, RegistryEntry};
use crate::web::answer::Page;
use crate::web::banner::with_outcome;
use crate::web::context::{Context, Deployment};
use crate::web::error::error_status;
use crate::web::experiments_table::ExperimentsTable;
use crate::web::once::{Filled, Kept, Sent, once};
use crate::web::session;
use crate::web::ui::{Button, Field, Input, Nav, Region, Tone, button, field, notice, page_head};
use crate::web::urls;

/// How long the answer to registering waits for the experiment to show.
const SHOWN_WITHIN: Duration = Duration::from_secs(3);

/// What was typed to register an experiment, and what is wrong with it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Registration {
    name: String,
    config_uri: String,
    request_id: String,
    #[serde(skip)]
    name_error: Option<String>,
    #[serde(skip)]
    uri_error: Option<String>,
    /// What is wrong beside the fields.
    #[serde(skip)]
    refusal: Option<String>,
}

/// `GET /admin/experiments/`
#[handler]
pub(crate) fn get(deployment: Deployment, session: &Session) -> Response {
    page(&deployment.context, session, StatusCode::OK, &Registration::default())
}

/// `POST /admin/experiments/register`: `name` and `config_uri`; the control plane mints the id.
#[handler]
pub(crate) async fn post(
    deployment: Deployment,
    session: &Session,
    form: Result<Form<Registration>>,
) -> Result<Response> {
    let context = &deployment.context;
    let Form(mut form) = form?;
    let Some(control) = context.console.stores.control_admin() else {
        form.refusal = Some(format!("Nothing was registered. {NEEDS_TOKEN}"));
        return Ok(page(context, session, StatusCode::CONFLICT, &form));
    };
    let Some(request) = form.checked() else {
        return Ok(page(context, session, StatusCode::UNPROCESSABLE_ENTITY, &form));
    };
    let write = async move { control.register(&request).await };
    let keep = |entry: &RegistryEntry| Kept::Experiment(entry.experiment_id.clone());
    let filled = Filled {
        request_id: &form.request_id,
        typed: &[&form.name, &form.config_uri],
    };
    let id = match context.carry_out(urls::register(), filled, keep, write).await {
        Sent::Done(entry) => entry.experiment_id,
        Sent::Before(Kept::Experiment(id)) => id,
        Sent::Before(_) => {
            form.refusal = Some(format!("This form was sent before. {OUTCOME_OPEN}"));
            return Ok(page(context, session, StatusCode::CONFLICT, &form));
        }
        Sent::Open(error) => {
            form.refusal = Some(format!("{error}. {OUTCOME_OPEN}"));
            return Ok(page(context, session, StatusCode::SERVICE_UNAVAILABLE, &form));
        }
        Sent::Refused(error) => {
            let status = form.refused(&error);
            return Ok(page(context, session, status, &form));
        }
    };
    context.live().refresh_registry_entry(&id);
    let registry = context.live().registry();
    registry
        .wait_until(SHOWN_WITHIN, |view| view.rows.contains_key(&id))
        .await;
    Ok(context
        .frame
        .redirect(&with_outcome(urls::experiments(), "registered", &id)))
}

impl Registration {
    /// Puts what the control plane says where it belongs.
    fn refused(&mut self, error: &ClientError) -> StatusCode {
        let place = match error.error_type() {
            Some(ErrorType::InvalidName) => &mut self.name_error,
            Some(ErrorType::BadRequest) => &mut self.uri_error,
            _ => {
                self.refusal = Some(format!("Nothing was registered: {error}."));
                return error_status(error);
            }
        };
        *place = Some(error.to_string());
        StatusCode::UNPROCESSABLE_ENTITY
    }

    /// The request to send, or none and the faults beside the fields.
    fn checked(&mut self) -> Option<RegisterExperiment> {
        let name = match self.name.trim() {
            "" => Ok(None),
            _ => DisplayName::parse(&self.name).map(|name| Some(name.to_string())),
        };
        self.name_error = name.as_ref().err().map(|fault| format!("Not a name: {fault}."));
        let uri = self.config_uri.trim();
        self.uri_error = match uri {
            "" => Some("Say where the configuration is, for instance file:///etc/eden/experiment.yaml.".to_owned()),
            uri if !has_scheme(uri) => {
                Some("Not a URI: it begins with a scheme and a colon, such as file:///.".to_owned())
            }
            _ => None,
        };
        match (name, &self.uri_error) {
            (Ok(name), None) => Some(RegisterExperiment {
                config_uri: uri.to_owned(),
                name,
                experiment_id: None,
            }),
            _ => None,
        }
    }
}

/// Whether a text begins as a URI does (RFC 3986 §3.1) and holds no blanks.
fn has_scheme(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        && !rest.is_empty()
        && !text.contains(char::is_whitespace)
}

const OUTCOME_OPEN: &str = "Whether the experiment was registered is not known: look for it in the list before you \
    register it again, since registering twice makes two.";

const NEEDS_TOKEN: &str = "Registering needs the admin token of the control plane; start the console with \
    --control-plane-admin-token.";

fn page(context: &Context, session: &Session, status: StatusCode, form: &Registration) -> Response {
    // Followed before they are drawn: what nobody follows does not change.
    let followed = context.live().follow_hosted();
    let stores = &context.console.stores;
    let may_change = stores.control_admin().is_some();
    let body = ExperimentsTable {
        registry: &context.registry,
        view: &|id| {
            let mirror = followed.iter().find(|mirror| mirror.experiment() == id);
            mirror.map(|mirror| mirror.view())
        },
        selected: session::selected(session).as_ref(),
        default: stores.default_experiment(),
        here: &context.frame.here,
        repos: context.console.repos.as_ref(),
        may_unregister: may_change,
    }
    .markup();
    let clear = html! {
        form method="post" action=(urls::clear_selection()) hx-boost="false" {
            (button(Button::Quiet, "Clear selection"))
        }
    };
    let head = page_head("Experiments", posture(stores.posture()), clear);
    let region = Region {
        name: "experiments",
        topics: &["activity", "registry"],
        body: body.into(),
    };
    let mut page = Page::new("Experiments", Nav::Experiments, head, vec![region]);
    page.status = status;
    page.foot = registration(form, may_change);
    context.answer_fresh(&page)
}

/// How the console stands to the deployment, in a line.
fn posture(posture: Posture) -> Markup {
    html! {
        span data-posture=(posture.letter()) {
            @match posture {
                Posture::SingleExperiment => { "One experiment, without a control plane" }
                Posture::Administered => { "Everything registered with this deployment. The console holds the admin token and makes its credentials itself." }
                Posture::StoredCredentials => { "Everything registered with this deployment. Without an admin token, only experiments whose credential is kept can be read, and nothing can be registered." }
                Posture::WithoutCredentials => { "The console has neither an admin token nor a credential of the control plane: start it with --control-plane-admin-token." }
            }
        }
    }
}

fn registration(form: &Registration, may_change: bool) -> Markup {
    let name = Field {
        name: "name",
        label: "Name",
        hint: Some("What people call it: 1 to 128 characters. Names need not be unique."),
        error: form.name_error.as_deref(),
        required: false,
    };
    let uri = Field {
        name: "config_uri",
        label: "Configuration",
        hint: Some("A URI that says where its configuration is. The control plane keeps it and does not open it."),
        error: form.uri_error.as_deref(),
        required: true,
    };
    html! {
        section class="panel" id="register" aria-labelledby="register-title" {
            h2 id="register-title" { "Register an experiment" }
            @if let Some(refusal) = &form.refusal { (notice(Tone::Bad, &html! { p { (refusal) } })) }
            @if may_change {
                form class="form" method="post" action=(urls::register()) hx-boost="false" data-once
                    hx-post=(urls::register()) hx-target="#main" hx-swap="outerHTML show:none" {
                    (once())
                    (field(&name, Input::Text, &form.name))
                    (field(&uri, Input::Text, &form.config_uri))
                    div class="actions" { (button(Button::Primary, "Register")) }
                }
            } @else { p class="muted" { (NEEDS_TOKEN) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_is_checked_before_it_is_sent() {
        let checked = |name: &str, uri: &str| {
            let mut form = Registration {
                name: name.to_owned(),
                config_uri: uri.to_owned(),
                ..Registration::default()
            };
            let request = form.checked();
            (request, form.name_error.is_some(), form.uri_error.is_some())
        };
        let (request, ..) = checked("  ", " file:///a ");
        assert_eq!(
            request.map(|r| (r.name, r.config_uri)),
            Some((None, "file:///a".to_owned()))
        );
        assert!(matches!(checked(" padded", "x:1"), (None, true, false)));
        for bad in ["", "path/only", "1a:b", "file:", "a b:c", "urn:a b"] {
            assert!(matches!(checked("n", bad), (None, false, true)), "{bad}");
        }
    }
}
