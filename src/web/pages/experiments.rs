//! Every experiment of the deployment, and registering another.

use std::sync::Arc;
use std::time::Duration;

use maud::{Markup, html};
use poem::http::StatusCode;
use poem::session::Session;
use poem::web::Form;
use poem::{Response, Result, handler};
use serde::Deserialize;

use crate::access::Posture;
use crate::client::{ClientError, ControlClient};
use crate::live::{RegistryView, Topic};
use crate::protocol::{DisplayName, ErrorType, ExperimentId, RegisterExperiment, RegistryEntry};
use crate::web::auth::session;
use crate::web::parts::experiments_list::ExperimentsList;
use crate::web::parts::experiments_table::ExperimentsTable;
use crate::web::request::{Context, Deployment};
use crate::web::respond::{Page, answer, answer_bar, answer_write, with_outcome};
use crate::web::sections::Section;
use crate::web::ui::{Body, Button, Field, Input, Region, Tone, button, field, notice, page_head};
use crate::web::upstream::Upstream;
use crate::web::urls;
use crate::web::write::{Act, FormErrors, Refusal, Submission, carry_out, request_id};

/// How long the answer waits until the registry shows the experiment.
const SHOWN_WITHIN: Duration = Duration::from_secs(3);

/// The form that registers an experiment.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Registration {
    name: String,
    config_uri: String,
    request_id: String,
}

/// `GET /admin/experiments/`
#[handler]
pub(crate) fn get(deployment: Deployment, session: &Session) -> Response {
    let context = &deployment.context;
    if let Some(bar) = answer_bar(context) {
        return bar;
    }
    let page = page(context, session, &Registration::default(), &FormErrors::default());
    answer(context, &page)
}

/// `POST /admin/experiments/register`: `name` and `config_uri`; the control plane mints the id.
#[handler]
pub(crate) async fn post(
    deployment: Deployment,
    session: &Session,
    form: Result<Form<Registration>>,
) -> Result<Response> {
    let Form(form) = form?;
    let act = Register {
        context: deployment.context,
        session: session.clone(),
        form,
    };
    Ok(carry_out(act).await)
}

/// Registers an experiment.
struct Register {
    context: Arc<Context>,
    session: Session,
    form: Registration,
}

impl Act for Register {
    type Checked = (ControlClient, RegisterExperiment);
    type Done = RegistryEntry;

    const UPSTREAM: Upstream = Upstream::ControlPlane;
    const ADVICE: &'static str =
        "Look for it in the list before you register it again, since registering twice makes two.";

    fn what_was_done(&self) -> &'static str {
        "the experiment was registered"
    }

    fn context(&self) -> &Context {
        &self.context
    }

    fn submission(&self) -> Submission<'_> {
        Submission {
            action: urls::register(),
            request_id: &self.form.request_id,
            typed: vec![&self.form.name, &self.form.config_uri],
        }
    }

    async fn check(&self) -> Result<Self::Checked, Refusal> {
        let control = self.context.console.stores.control_admin();
        let without_token = || Refusal::new(StatusCode::CONFLICT, format!("Nothing was registered. {NEEDS_TOKEN}"));
        let control = control.ok_or_else(without_token)?;
        Ok((control, self.form.request().map_err(Refusal::invalid)?))
    }

    async fn send(&self, (control, request): &Self::Checked) -> Result<RegistryEntry, ClientError> {
        control.register(request).await
    }

    fn created_id(entry: &RegistryEntry) -> String {
        entry.experiment_id.to_string()
    }

    async fn wait_until_shown(&self, made: &str) {
        if let Ok(id) = made.parse() {
            let live = self.context.live();
            live.refresh_registry_entry(&id);
            let is_listed = |view: &RegistryView| view.rows.contains_key(&id);
            live.registry().wait_until(SHOWN_WITHIN, is_listed).await;
        }
    }

    fn done_response(&self, _: &Self::Checked, made: &str) -> Response {
        let location = with_outcome(urls::experiments(), "registered", made);
        self.context.htmx.redirect(&location)
    }

    fn explain(&self, error: &ClientError) -> Option<Refusal> {
        let field = match error.error_type()? {
            ErrorType::InvalidName => "name",
            ErrorType::BadRequest => "config_uri",
            _ => return None,
        };
        Some(Refusal::of_field(field, error.to_string()))
    }

    async fn redraw(&self, refusal: Refusal) -> Response {
        let page_url = urls::experiments().to_owned();
        let page = page(&self.context, &self.session, &self.form, &refusal.faults);
        answer_write(&self.context, page_url, &page.with_status(refusal.status))
    }
}

impl Registration {
    /// The request to send, or the faults beside the fields.
    fn request(&self) -> Result<RegisterExperiment, FormErrors> {
        let name = match self.name.trim() {
            "" => Ok(None),
            _ => DisplayName::parse(&self.name).map(|name| Some(name.to_string())),
        };
        let uri = match self.config_uri.trim() {
            "" => Err("Say where the configuration is, for instance file:///etc/eden/experiment.yaml."),
            uri if !has_scheme(uri) => Err("Not a URI: it begins with a scheme and a colon, such as file:///."),
            uri => Ok(uri),
        };
        match (name, uri) {
            (Ok(name), Ok(uri)) => Ok(RegisterExperiment {
                config_uri: uri.to_owned(),
                name,
                experiment_id: None,
            }),
            (name, uri) => {
                let mut faults = FormErrors::default();
                faults.add_error("name", name.map_err(|fault| format!("Not a name: {fault}.")));
                faults.add_error("config_uri", uri);
                Err(faults)
            }
        }
    }
}

/// Whether a text begins with a URI scheme (RFC 3986 §3.1) and has no white space.
fn has_scheme(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        && !rest.is_empty()
        && !text.contains(char::is_whitespace)
}

const NEEDS_TOKEN: &str = "Registering needs the admin token of the control plane; start the console with \
    --control-plane-admin-token.";

fn page<'c>(context: &'c Context, session: &Session, form: &Registration, faults: &FormErrors) -> Page<'c> {
    let may_change = context.console.stores.control_admin().is_some();
    let list = ExperimentsList::of(&context.htmx.page_url);
    let search = search(&list);
    let selected = session::selected(session);
    let clear = html! {
        form method="post" action=(urls::clear_selection()) hx-boost="false" {
            (button(Button::Quiet, "Clear selection"))
        }
    };
    let posture = posture(context.console.stores.posture());
    let head = html! { (page_head("Experiments", posture, clear)) (search) };
    let body = Body::on_demand(move || rows(context, &list, selected.as_ref(), may_change));
    let region = Region::new("experiments", &[Topic::Activity, Topic::Registry], body);
    let mut page = Page::new("Experiments", Section::Experiments, head, vec![region]);
    page.foot = registration(form, faults, may_change);
    page
}

/// Filters and table. Only what is shown is followed, from before it is drawn.
fn rows(context: &Context, list: &ExperimentsList, selected: Option<&ExperimentId>, may_unregister: bool) -> Markup {
    let (live, repos) = (context.live(), context.console.repos.as_ref());
    let shown = list.shown(&context.registry, live, repos);
    live.follow(shown.rows.iter().map(|row| &row.id));
    ExperimentsTable {
        list,
        shown: &shown,
        registry: &context.registry,
        view: &|id| Some(live.existing_mirror(id)?.view()),
        selected,
        default: context.console.stores.default_experiment(),
        page_url: &context.htmx.page_url,
        repos,
        may_unregister,
    }
    .markup()
}

/// A search by name or id that keeps the filters and the order in force.
fn search(list: &ExperimentsList) -> Markup {
    let q = list.q.as_deref();
    html! {
        form class="search" role="search" method="get" action=(urls::experiments()) {
            label class="sr" for="q" { "Search by name or id" }
            input id="q" name="q" type="search" value=[q] placeholder="Search by name or id" maxlength="128"
                autocomplete="off" spellcheck="false";
            @for (name, value) in list.listing.kept_beside("q") { input type="hidden" name=(name) value=(value); }
            button type="submit" class="button" { "Search" }
            @if q.is_some() { a href=(list.listing.with("q", None)) { "Clear" } }
        }
    }
}

/// The console's posture in the deployment, in one line.
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

fn registration(form: &Registration, faults: &FormErrors, may_change: bool) -> Markup {
    let name = Field {
        name: "name",
        label: "Name",
        hint: Some("What people call it: 1 to 128 characters. Names need not be unique."),
        error: faults.field("name"),
        required: false,
    };
    let uri = Field {
        name: "config_uri",
        label: "Configuration",
        hint: Some("A URI that says where its configuration is. The control plane keeps it and does not open it."),
        error: faults.field("config_uri"),
        required: true,
    };
    html! {
        section class="panel" id="register" aria-labelledby="register-title" {
            h2 id="register-title" { "Register an experiment" }
            @if let Some(words) = &faults.form { (notice(Tone::Bad, &html! { p { (words) } })) }
            @if may_change {
                form class="form" method="post" action=(urls::register()) hx-boost="false" data-once
                    hx-post=(urls::register()) hx-target="#main" hx-swap="outerHTML show:none" {
                    (request_id())
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
            let form = Registration {
                name: name.to_owned(),
                config_uri: uri.to_owned(),
                ..Registration::default()
            };
            let request = form.request().map(|request| (request.name, request.config_uri));
            request.map_err(|faults| (faults.field("name").is_some(), faults.field("config_uri").is_some()))
        };
        assert_eq!(checked("  ", " file:///a "), Ok((None, "file:///a".to_owned())));
        assert_eq!(checked(" padded", "x:1"), Err((true, false)));
        for bad in ["", "path/only", "1a:b", "file:", "a b:c", "urn:a b"] {
            assert_eq!(checked("n", bad), Err((false, true)), "{bad}");
        }
    }
}
