//! One of the deployment's workers, and a new secret for it.

use poem::web::Form;
use poem::{Request, Response, handler};
use secrecy::SecretString;
use serde::Deserialize;
use std::sync::Arc;

use maud::{Markup, html};

use crate::client::{ClientError, RegistryClient};
use crate::live::Topic;
use crate::protocol::{MemberId, Worker, WorkerId};
use crate::web::fault::Fault;
use crate::web::request::{Context, Query, path_segment, see_other};
use crate::web::respond::Page;
use crate::web::roster::authority::authority;
use crate::web::roster::graph::Roster;
use crate::web::roster::input;
use crate::web::roster::input::confirmation;
use crate::web::roster::links::{actor, banner, group_link, message, refusal};
use crate::web::roster::request::RosterRequest;
use crate::web::roster::secret::{Secret, already_shown, secret_page};
use crate::web::roster::unread::Unread;
use crate::web::sections::Section;
use crate::web::ui::{
    Button, Field, Input, Region, Tone, button, copyable, crumbs, definitions, field, notice, page_head, panel, short,
    when_dated,
};
use crate::web::upstream::Upstream;
use crate::web::urls;
use crate::web::write::{Act, FormErrors, Refusal, Submission, carry_out, request_id};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Confirmation {
    confirm: String,
    request_id: String,
}

fn worker_of(http: &Request) -> Result<WorkerId, Fault> {
    let id = path_segment(http, "worker");
    id.parse().map_err(|_| Fault::NotRegistered { kind: "worker", id })
}

/// `GET /admin/control/workers/{W}/`
#[handler]
pub(crate) async fn get(request: RosterRequest, http: &Request) -> Result<Response, Fault> {
    let id = worker_of(http)?;
    if let Some(answer) = request.bar() {
        return Ok(answer);
    }
    let roster = request.roster().await;
    if roster.as_ref().is_ok_and(|roster| roster.worker(&id).is_none()) {
        let id = id.to_string();
        return Err(Fault::NotRegistered { kind: "worker", id });
    }
    let view = View {
        id: &id,
        roster: &roster,
        is_own: request.is_own(&id),
        page_url: &request.context.htmx.page_url,
    };
    let page = view.page(&Confirmation::default(), &FormErrors::default());
    Ok(request.answer(page, roster.as_ref().map(drop)))
}

/// `POST /admin/control/workers/{W}/reissue-credential`: `confirm` is the name, or the end of the id.
#[handler]
pub(crate) async fn reissue(
    request: RosterRequest,
    http: &Request,
    Form(form): Form<Confirmation>,
) -> Result<Response, Fault> {
    let id = worker_of(http)?;
    let action = urls::reissue_credential(&id);
    let act = Reissue {
        request,
        id,
        action,
        form,
    };
    Ok(carry_out(act).await)
}

/// Replaces a worker's secret and shows the new one.
struct Reissue {
    request: RosterRequest,
    id: WorkerId,
    action: String,
    form: Confirmation,
}

impl Act for Reissue {
    /// With the worker's name.
    type Checked = (RegistryClient, Option<String>);
    type Done = SecretString;

    const UPSTREAM: Upstream = Upstream::ControlPlane;
    const ADVICE: &'static str = "If it was, the old one is dead and nobody has the new one: see whether the worker still works, and issue another one if it does not.";

    fn what_was_done(&self) -> &'static str {
        "the secret was replaced"
    }

    fn context(&self) -> &Context {
        &self.request.context
    }

    fn submission(&self) -> Submission<'_> {
        Submission {
            action: &self.action,
            request_id: &self.form.request_id,
            typed: vec![],
        }
    }

    /// The worker may not be known; then the end of its id confirms. That it is gone is found when the page is redrawn.
    async fn check(&self) -> Result<Self::Checked, Refusal> {
        let client = self.request.client()?;
        let roster = self.request.roster().await.ok();
        let worker = roster.as_ref().and_then(|roster| roster.worker(&self.id));
        let name = worker.and_then(|worker| worker.name.as_ref());
        input::confirmed(&self.form.confirm, name, self.id.as_str())?;
        Ok((client, name.map(ToString::to_string)))
    }

    async fn send(&self, (client, _): &Self::Checked) -> Result<SecretString, ClientError> {
        client.reissue_credential(&self.id).await
    }

    fn after_send(&self) {
        self.request.forget_listing();
        self.request.credential_changed(&self.id);
    }

    fn done_response(&self, _: &Self::Checked, _: &str) -> Response {
        already_shown(&self.request, urls::worker(&self.id), self.id.as_str())
    }

    async fn first_response(&self, (_, name): &Self::Checked, secret: SecretString) -> Response {
        let shown = Secret {
            worker: self.id.clone(),
            name: name.clone(),
            secret,
            reissued: true,
            namesakes: vec![],
        };
        secret_page(&self.request, urls::worker(&self.id), &shown)
    }

    async fn redraw(&self, refusal: Refusal) -> Response {
        let roster = self.request.roster().await;
        if roster.as_ref().is_ok_and(|roster| roster.worker(&self.id).is_none()) {
            return see_other(&format!("{}?error=not-found", urls::workers()));
        }
        let page_url = urls::worker(&self.id);
        let view = View {
            id: &self.id,
            roster: &roster,
            is_own: self.request.is_own(&self.id),
            page_url: &page_url,
        };
        let page = view.page(&self.form, &refusal.faults).with_status(refusal.status);
        self.request.answer_write(page_url.clone(), page)
    }
}

/// The page of a worker, as far as it is known.
struct View<'a> {
    id: &'a WorkerId,
    roster: &'a Result<Arc<Roster>, Unread>,
    /// Whether it is the console's own.
    is_own: bool,
    /// Path and query.
    page_url: &'a str,
}

impl View<'_> {
    /// The page, with the form as typed.
    fn page(&self, form: &Confirmation, faults: &FormErrors) -> Page<'static> {
        let roster = self.roster.as_ref().ok();
        let worker = roster.and_then(|roster| roster.worker(self.id));
        let name = worker.and_then(|worker| worker.name.as_ref());
        let title = name.map_or_else(|| short(self.id.as_str()), ToString::to_string);
        let workers = urls::workers();
        let head = html! {
            (crumbs(&[("Workers", workers)]))
            (page_head(&title, copyable(self.id.as_str()), html! {}))
            (message(banner(&mut Query::of(self.page_url)).as_ref()))
            (refusal(faults.form.as_deref()))
        };
        let body = match (self.roster, worker) {
            (Err(unread), _) => unread.markup(),
            (Ok(roster), Some(worker)) => self.facts(roster, worker),
            (Ok(_), None) => html! { p { "There is no such worker now." } },
        };
        let region = Region::new("worker", &[Topic::Registry], body);
        let mut page = Page::new(title, Section::Workers, head, vec![region]);
        // The form stays while the roster cannot be read, so that nothing typed is lost.
        if worker.is_some() || matches!(self.roster, Err(Unread::Failed(_))) {
            page.foot = self.reissue(worker, form, faults);
        }
        page
    }

    fn facts(&self, roster: &Roster, worker: &Worker) -> Markup {
        let groups = roster.groups_of(&MemberId::from(self.id));
        let direct: Vec<_> = roster
            .direct_groups_of(&MemberId::from(self.id))
            .map(|group| &group.group_id)
            .collect();
        let namesakes = worker
            .name
            .as_ref()
            .map_or(0, |name| roster.workers_named(name.as_str()).count());
        html! {
            @if self.is_own { (notice(Tone::Info, &html! { p { "This is the console itself: the worker as which it reads the control plane." } })) }
            (definitions(&[
                ("Registered", when_dated(worker.registered_at)),
                ("By", actor(roster, worker.registered_by.as_ref())),
                ("Registered with", html! { "the deployment " code class="muted" { (worker.experiment_id) } }),
                ("Same name", html! {
                    @match (&worker.name, namesakes) {
                        (None, _) => "it has no name",
                        (Some(_), ..=1) => "no other worker",
                        (Some(name), all) => { a href=(with_name(name.as_str())) { (all) " workers have this name" } }
                    }
                }),
            ]))
            (panel("Labels", None, &html! {
                @if worker.labels.is_empty() { p class="muted" { "None." } }
                @else {
                    dl class="definitions" { @for (key, value) in &worker.labels { div { dt { (key) } dd { (value) } } } }
                }
            }))
            (panel("Groups", None, &html! {
                @if groups.is_empty() { p class="muted" { "In no group." } }
                @else {
                    ul class="outcome" role="list" {
                        @for group in &groups {
                            li {
                                (group_link(group))
                                @if !direct.contains(&&group.group_id) { span class="muted" { "through another group" } }
                                @if let Some(may) = group.name.as_ref().and_then(|name| authority(name.as_str())) {
                                    span class="muted" { (may) }
                                }
                            }
                        }
                    }
                }
            }))
        }
    }

    fn reissue(&self, worker: Option<&Worker>, form: &Confirmation, faults: &FormErrors) -> Markup {
        let expected = confirmation(worker.and_then(|worker| worker.name.as_ref()), self.id.as_str());
        let label = format!("Type \u{201c}{expected}\u{201d} to confirm");
        let confirm = Field {
            name: "confirm",
            label: &label,
            hint: None,
            error: faults.field("confirm"),
            required: true,
        };
        panel(
            "Issue a new secret",
            None,
            &html! {
                p {
                    "The present secret stops working at once, and with it whatever uses it: programs that run as this worker, "
                    "and who signs in with it. The new one is shown once."
                }
                @if self.is_own {
                    p { "The console uses this secret itself. It gets along by issuing yet another one, after which the one that you are shown works no longer." }
                }
                form class="form" method="post" action=(urls::reissue_credential(self.id)) data-once {
                    (request_id())
                    (field(&confirm, Input::Text, &form.confirm))
                    div class="actions" { (button(Button::Danger, "Replace the secret and show the new one")) }
                }
            },
        )
    }
}

/// The workers of one name.
fn with_name(name: &str) -> String {
    let query = serde_urlencoded::to_string([("name", name)]).unwrap_or_default();
    format!("{}?{query}", urls::workers())
}
