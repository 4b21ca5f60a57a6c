//! The page of an experiment that is registered but not seeded, and the button that seeds it.

use maud::{Markup, html};
use poem::http::StatusCode;
use poem::web::Multipart;
use poem::{Response, handler};
use std::time::Duration;

use crate::client::ClientError;
use crate::protocol::{CommitSha, ErrorType, ExperimentConfig, ExperimentId, SeedRequest};
use crate::web::answer::Page;
use crate::web::context::{Active, Context, Watched};
use crate::web::error::{Fault, PageError, error_status};
use crate::web::frame::see_other;
use crate::web::ui::{
    Button, Field, Input, Nav, Region, Tone, button, field, file_field, notice, page_head, short, short_id, textarea,
};
use crate::web::urls;

/// How long the answer to seeding waits for the experiment to show.
const SHOWN_WITHIN: Duration = Duration::from_secs(3);

/// What was typed, and what is wrong with it.
#[derive(Debug, Default)]
struct Form {
    config: String,
    base_commit_sha: String,
    config_error: Option<String>,
    base_error: Option<String>,
    /// What is wrong beside the fields.
    refusal: Option<String>,
}

/// The page at any path of an unseeded experiment.
pub(crate) fn unseeded(context: &Context) -> Response {
    let form = Form {
        config: context.console.sample_config.to_owned(),
        ..Form::default()
    };
    page(context, StatusCode::CONFLICT, &form)
}

/// `GET /x/{E}/admin/seed`: where a reload after a refused form leads; the form is on the overview until it is seeded.
#[handler]
pub(crate) fn get(watched: Watched) -> Response {
    to_overview(&watched.id)
}

/// `POST /x/{E}/admin/seed`: multipart, with `config` typed or `config_file` uploaded, and `base_commit_sha`.
#[handler]
pub(crate) async fn post(active: Active, multipart: Multipart) -> Result<Response, PageError> {
    let context = &active.context;
    // Somebody has seeded it. While that cannot be known the servers say, and what was typed is kept.
    if active.snapshot().is_ok() {
        return Ok(to_overview(&active.id));
    }
    let form = read(multipart).await.map_err(|fault| active.fault(fault))?;
    let (form, request) = check(form);
    let Some(request) = request else {
        return Ok(page(context, StatusCode::UNPROCESSABLE_ENTITY, &form));
    };
    let Some(control) = context.console.stores.control_admin() else {
        let refusal = Some("Seeding needs the admin token of the control plane; start the console with it.".to_owned());
        return Ok(page(context, StatusCode::CONFLICT, &Form { refusal, ..form }));
    };
    let seeded = match context.may_write() {
        Ok(()) => control.seed(&active.id, &request).await,
        Err(error) => Err(error),
    };
    match seeded {
        Ok(_) => {}
        // Somebody else was faster; what they seeded is what there is to see.
        Err(error) if error.error_type() == Some(ErrorType::AlreadyExists) => {}
        Err(error) => {
            let (status, form) = refused(&error, form);
            return Ok(page(context, status, &form));
        }
    }
    active.mirror.wake();
    active.mirror.wait_until_hosted(SHOWN_WITHIN).await;
    Ok(to_overview(&active.id))
}

/// The form with what the task store says where it belongs.
fn refused(error: &ClientError, form: Form) -> (StatusCode, Form) {
    if matches!(error.status(), Some(400 | 413 | 422)) {
        let config_error = Some(format!("The task store refused: {error}."));
        return (StatusCode::UNPROCESSABLE_ENTITY, Form { config_error, ..form });
    }
    let (status, refusal) = match error {
        error if error.leaves_open() => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{error}. Whether the experiment was seeded is not known: reload before trying again."),
        ),
        error if error.is_unsupported() => (
            StatusCode::CONFLICT,
            "This deployment's servers cannot be seeded from here: run their own set-up, or import a checkpoint."
                .to_owned(),
        ),
        error => (error_status(error), format!("Nothing was seeded: {error}.")),
    };
    let refusal = Some(refusal);
    (status, Form { refusal, ..form })
}

fn to_overview(id: &ExperimentId) -> Response {
    see_other(&urls::overview(id))
}

async fn read(mut multipart: Multipart) -> Result<Form, Fault> {
    let broken = |what: &dyn std::fmt::Display| Fault::BadRequest(format!("The form did not arrive whole: {what}."));
    let mut form = Form::default();
    let mut uploaded = String::new();
    while let Some(part) = multipart.next_field().await.map_err(|e| broken(&e))? {
        let name = part.name().unwrap_or_default().to_owned();
        let bytes = part.bytes().await.map_err(|e| broken(&e))?;
        // What is no text is kept as far as it can be shown, and refused as a configuration below.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match name.as_str() {
            "config" => form.config = text,
            "config_file" => uploaded = text,
            "base_commit_sha" => form.base_commit_sha = text.trim().to_owned(),
            _ => {}
        }
    }
    if !uploaded.trim().is_empty() {
        form.config = uploaded;
    }
    Ok(form)
}

/// The request to send, or the form with the faults beside its fields.
fn check(mut form: Form) -> (Form, Option<SeedRequest>) {
    form.config_error = if form.config.contains(char::REPLACEMENT_CHARACTER) {
        Some("The configuration is not UTF-8 text.".to_owned())
    } else {
        // More than the task store wants, which keeps what only orchestrators read as it is.
        ExperimentConfig::checked(&form.config)
            .err()
            .map(|faults| faults.to_string())
    };
    let base = match form.base_commit_sha.as_str() {
        "" => Ok(None),
        sha => sha.parse::<CommitSha>().map(Some),
    };
    form.base_error = base.as_ref().err().map(ToString::to_string);
    let request = match (&form.config_error, base) {
        (None, Ok(base_commit_sha)) => Some(SeedRequest {
            config: form.config.clone(),
            base_commit_sha,
        }),
        _ => None,
    };
    (form, request)
}

fn page(context: &Context, status: StatusCode, form: &Form) -> Response {
    let Some(followed) = &context.experiment else {
        return status.into();
    };
    let id = followed.mirror.experiment();
    let row = context.registry.rows.get(id);
    let name = row
        .and_then(|row| row.name())
        .map_or_else(|| short(id.as_str()), str::to_owned);
    let head = page_head(&name, html! { (short_id(id.as_str())) " · not seeded" }, html! {});
    // When it is seeded, here or elsewhere, the region finds another page in its place and reloads.
    let words = Region {
        name: "unseeded",
        topics: &["experiment"],
        body: explanation().into(),
    };
    let mut page = Page::new(
        "Not seeded",
        Nav::Overview,
        html! { (head) @if context.role.administers() { (form_markup(id, form)) } @else { (waiting()) } },
        vec![words],
    );
    page.status = status;
    context.answer_fresh(&page)
}

fn explanation() -> Markup {
    html! {
        p class="muted" {
            "Seeding is done once. The evaluation schema is fixed from then on; work begins when an orchestrator takes the experiment up."
        }
    }
}

/// For those who may not seed it.
fn waiting() -> Markup {
    notice(
        Tone::Info,
        &html! { p { "This experiment is registered with the control plane, and the task store does not host it yet. An administrator can seed it; this page changes by itself when it is." } },
    )
}

fn form_markup(id: &ExperimentId, form: &Form) -> Markup {
    let config = Field {
        name: "config",
        label: "Configuration",
        hint: Some("YAML or JSON: parallel_variants, evaluation_schema and objective are required."),
        error: form.config_error.as_deref(),
        required: true,
    };
    let file = Field {
        name: "config_file",
        label: "Or a file",
        hint: Some("Used instead of the text above when one is chosen."),
        error: None,
        required: false,
    };
    let base = Field {
        name: "base_commit_sha",
        label: "Base commit",
        hint: Some(
            "The seed commit that every variant descends from, 40 or 64 hex digits. Whoever works on the experiment may also make one.",
        ),
        error: form.base_error.as_deref(),
        required: false,
    };
    html! {
        @if let Some(refusal) = &form.refusal { (notice(Tone::Bad, &html! { p { (refusal) } })) }
        (notice(Tone::Info, &html! {
            p { "This experiment is registered with the control plane, and the task store does not host it yet. Give it a configuration and it begins." }
        }))
        form class="form seed" method="post" action=(urls::seed(id)) enctype="multipart/form-data" hx-boost="false" {
            (textarea(&config, 18, &form.config))
            (file_field(&file, ".yaml,.yml,.json,text/yaml,application/json"))
            (field(&base, Input::Text, &form.base_commit_sha))
            div class="actions" { (button(Button::Primary, "Seed this experiment")) }
        }
    }
}
