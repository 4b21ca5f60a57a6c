//! The page of an experiment that is registered but not seeded, and the button that seeds it.

use std::time::Duration;

use maud::{Markup, html};
use poem::http::StatusCode;
use poem::web::Multipart;
use poem::{Response, handler};

use crate::client::{ClientError, ControlClient};
use crate::live::Topic;
use crate::protocol::{CommitSha, ErrorType, ExperimentConfig, ExperimentId, SeedRequest};
use crate::web::fault::Fault;
use crate::web::request::{Active, Context, see_other};
use crate::web::respond::{Page, answer, answer_write};
use crate::web::sections::Section;
use crate::web::ui::{
    Button, Field, Input, Region, Tone, button, field, file_field, notice, page_head, short, short_id, textarea,
};
use crate::web::upstream::Upstream;
use crate::web::urls;
use crate::web::write::{Act, FormErrors, Refusal, Submission, carry_out, request_id};

/// How long the answer waits until the mirror has the experiment.
const SHOWN_WITHIN: Duration = Duration::from_secs(3);

/// The form.
#[derive(Debug, Default)]
struct Form {
    config: String,
    base_commit_sha: String,
    request_id: String,
}

/// The page at any path of an unseeded experiment.
pub(crate) fn unseeded(context: &Context) -> Response {
    let form = Form {
        config: context.console.sample_config.to_owned(),
        ..Form::default()
    };
    match page(context, &form, &FormErrors::default()) {
        Some(page) => answer(context, &page.with_status(StatusCode::CONFLICT)),
        None => StatusCode::CONFLICT.into(),
    }
}

/// `GET /x/{E}/admin/seed`: where a reload after a refused form leads; the form is on the overview until it is seeded.
#[handler]
pub(crate) fn get(active: Active) -> Response {
    to_overview(&active.id)
}

/// `POST /x/{E}/admin/seed`: multipart, with `config` typed or `config_file` uploaded, and `base_commit_sha`.
#[handler]
pub(crate) async fn post(active: Active, multipart: Multipart) -> Result<Response, Fault> {
    // It is seeded already. Where that is not known the task store decides, and the form keeps what was typed.
    if active.snapshot().is_ok() {
        return Ok(to_overview(&active.id));
    }
    let form = read(multipart).await?;
    let action = urls::seed(&active.id);
    Ok(carry_out(Seed { active, action, form }).await)
}

/// Seeds the experiment.
struct Seed {
    active: Active,
    action: String,
    form: Form,
}

impl Act for Seed {
    type Checked = (ControlClient, SeedRequest);
    type Done = ();

    const UPSTREAM: Upstream = Upstream::TaskStore;
    const IS_IDEMPOTENT: bool = true;
    const ADVICE: &'static str = "Reload before trying again.";

    fn what_was_done(&self) -> &'static str {
        "the experiment was seeded"
    }

    fn context(&self) -> &Context {
        &self.active.context
    }

    fn submission(&self) -> Submission<'_> {
        Submission {
            action: &self.action,
            request_id: &self.form.request_id,
            typed: vec![&self.form.config, &self.form.base_commit_sha],
        }
    }

    async fn check(&self) -> Result<Self::Checked, Refusal> {
        let request = self.form.request().map_err(Refusal::invalid)?;
        let needs_token = "Seeding needs the admin token of the control plane; start the console with it.";
        let control = self.active.context.console.stores.control_admin();
        let control = control.ok_or_else(|| Refusal::new(StatusCode::CONFLICT, needs_token))?;
        Ok((control, request))
    }

    async fn send(&self, (control, request): &Self::Checked) -> Result<(), ClientError> {
        match control.seed(&self.active.id, request).await {
            // Somebody else has seeded it meanwhile.
            Err(error) if error.error_type() == Some(ErrorType::AlreadyExists) => Ok(()),
            answer => answer.map(drop),
        }
    }

    async fn read_back(&self, _: &Self::Checked) -> Option<()> {
        let client = self.active.client().ok()?;
        client.read().await.ok().map(drop)
    }

    async fn wait_until_shown(&self, _: &str) {
        self.active.mirror.wake();
        self.active.mirror.wait_until_hosted(SHOWN_WITHIN).await;
    }

    fn done_response(&self, _: &Self::Checked, _: &str) -> Response {
        to_overview(&self.active.id)
    }

    fn explain(&self, error: &ClientError) -> Option<Refusal> {
        if matches!(error.status(), Some(400 | 413 | 422)) {
            let words = format!("The task store refused: {error}.");
            return Some(Refusal::of_field("config", words));
        }
        let words =
            "This deployment's servers cannot be seeded from here: run their own set-up, or import a checkpoint.";
        error
            .is_unsupported()
            .then(|| Refusal::new(StatusCode::CONFLICT, words))
    }

    async fn redraw(&self, refusal: Refusal) -> Response {
        let context = &self.active.context;
        match page(context, &self.form, &refusal.faults) {
            Some(page) => answer_write(
                context,
                urls::overview(&self.active.id),
                &page.with_status(refusal.status),
            ),
            None => refusal.status.into(),
        }
    }
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
        // Bytes that are not UTF-8 are replaced here, and such a configuration is refused below.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match name.as_str() {
            "config" => form.config = text,
            "config_file" => uploaded = text,
            "base_commit_sha" => form.base_commit_sha = text.trim().to_owned(),
            "request_id" => form.request_id = text,
            _ => {}
        }
    }
    if !uploaded.trim().is_empty() {
        form.config = uploaded;
    }
    Ok(form)
}

impl Form {
    /// The request to send, or the faults beside the fields.
    fn request(&self) -> Result<SeedRequest, FormErrors> {
        let config = if self.config.contains(char::REPLACEMENT_CHARACTER) {
            Err("The configuration is not UTF-8 text.".to_owned())
        } else {
            // Checks more than the task store, which does not check the parts that only orchestrators read.
            ExperimentConfig::checked(&self.config).map_err(|faults| faults.to_string())
        };
        let base = match self.base_commit_sha.as_str() {
            "" => Ok(None),
            sha => sha.parse::<CommitSha>().map(Some),
        };
        match (config, base) {
            (Ok(_), Ok(base_commit_sha)) => Ok(SeedRequest {
                config: self.config.clone(),
                base_commit_sha,
            }),
            (config, base) => {
                let mut faults = FormErrors::default();
                faults.add_error("config", config);
                faults.add_error("base_commit_sha", base);
                Err(faults)
            }
        }
    }
}

/// The page; none outside an experiment.
fn page(context: &Context, form: &Form, faults: &FormErrors) -> Option<Page<'static>> {
    let followed = context.experiment.as_ref()?;
    let id = followed.mirror.experiment();
    let row = context.registry.rows.get(id);
    let name = row
        .and_then(|row| row.name())
        .map_or_else(|| short(id.as_str()), str::to_owned);
    let head = page_head(&name, html! { (short_id(id.as_str())) " · not seeded" }, html! {});
    // When the experiment is seeded, by anybody, this region does not exist any more, so its refetch reloads the page.
    let words = Region::new("unseeded", &[Topic::Experiment], explanation());
    Some(Page::new(
        "Not seeded",
        Section::Overview,
        html! { (head) @if context.role.administers() { (form_markup(id, form, faults)) } @else { (waiting()) } },
        vec![words],
    ))
}

fn explanation() -> Markup {
    html! {
        p class="muted" {
            "Seeding is done once. The evaluation schema is fixed from then on; work begins when an orchestrator takes the experiment up."
        }
    }
}

/// For operators who may not seed it.
fn waiting() -> Markup {
    notice(
        Tone::Info,
        &html! { p { "This experiment is registered with the control plane, and the task store does not host it yet. An administrator can seed it; this page changes by itself when it is." } },
    )
}

fn form_markup(id: &ExperimentId, form: &Form, faults: &FormErrors) -> Markup {
    let config = Field {
        name: "config",
        label: "Configuration",
        hint: Some("YAML or JSON: parallel_variants, evaluation_schema and objective are required."),
        error: faults.field("config"),
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
            "The seed commit that every variant descends from, 40 or 64 hex digits. A worker of the experiment may also make one.",
        ),
        error: faults.field("base_commit_sha"),
        required: false,
    };
    html! {
        @if let Some(refusal) = &faults.form { (notice(Tone::Bad, &html! { p { (refusal) } })) }
        (notice(Tone::Info, &html! {
            p { "This experiment is registered with the control plane, and the task store does not host it yet. Give it a configuration and it begins." }
        }))
        form class="form seed" method="post" action=(urls::seed(id)) enctype="multipart/form-data" hx-boost="false" {
            (request_id())
            (textarea(&config, 18, &form.config))
            (file_field(&file, ".yaml,.yml,.json,text/yaml,application/json"))
            (field(&base, Input::Text, &form.base_commit_sha))
            div class="actions" { (button(Button::Primary, "Seed this experiment")) }
        }
    }
}
