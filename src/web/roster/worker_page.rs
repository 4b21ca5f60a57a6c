//! One worker, and the form that replaces its secret.

use std::sync::Arc;

use maud::{Markup, html};

use crate::protocol::{MemberId, Worker, WorkerId};
use crate::web::request::query::Query;
use crate::web::respond::render::Page;
use crate::web::roster::input::confirmation;
use crate::web::roster::parts::{actor, banner, group_link, message, refusal, unread};
use crate::web::roster::place::Place;
use crate::web::roster::roster::Roster;
use crate::web::roster::trouble::Unread;
use crate::web::ui::{
    Button, Field, Input, Nav, Region, Tone, button, copyable, crumbs, definitions, field, notice, page_head, panel,
    short, when_dated,
};
use crate::web::write::once::once;

/// What was typed to replace a secret, and what is wrong with it.
#[derive(Debug, Default)]
pub(crate) struct ReissueForm {
    pub confirm: String,
    pub confirm_error: Option<String>,
    pub refusal: Option<String>,
}

impl ReissueForm {
    /// Whether what was typed is what must be. The worker may not be known; then the end of its id will do.
    pub fn check(mut self, worker: Option<&Worker>, id: &WorkerId) -> Result<Self, Self> {
        let expected = confirmation(worker.and_then(|worker| worker.name.as_ref()), id.as_str());
        if self.confirm.trim() == expected {
            return Ok(self);
        }
        self.confirm_error = Some(format!(
            "Type \u{201c}{expected}\u{201d} to confirm. Nothing was changed."
        ));
        Err(self)
    }
}

/// The page of a worker, as far as it is known.
pub(crate) struct WorkerPage<'a> {
    pub place: &'a Place,
    pub id: &'a WorkerId,
    pub roster: &'a Result<Arc<Roster>, Unread>,
    /// Whether it is the console's own.
    pub is_own: bool,
    /// Path and query.
    pub here: &'a str,
}

impl WorkerPage<'_> {
    /// The page, with the form as typed.
    pub fn page(&self, form: &ReissueForm) -> Page<'static> {
        let roster = self.roster.as_ref().ok();
        let worker = roster.and_then(|roster| roster.worker(self.id));
        let name = worker.and_then(|worker| worker.name.as_ref());
        let title = name.map_or_else(|| short(self.id.as_str()), ToString::to_string);
        let workers = self.place.workers();
        let head = html! {
            (crumbs(&[("Workers", workers.as_str())]))
            (page_head(&title, copyable(self.id.as_str()), html! {}))
            (message(banner(&mut Query::of(self.here)).as_ref()))
            (refusal(form.refusal.as_deref()))
        };
        let region = Region {
            name: "worker",
            topics: &["registry"],
            body: match (self.roster, worker) {
                (Err(trouble), _) => unread(self.place, trouble),
                (Ok(roster), Some(worker)) => self.facts(roster, worker),
                (Ok(_), None) => html! { p { "There is no such worker now." } },
            }
            .into(),
        };
        let mut page = Page::new(title, Nav::Workers, head, vec![region]);
        // That it cannot be read now takes nothing away from whoever is typing.
        if worker.is_some() || matches!(self.roster, Err(Unread::Failed(_))) {
            page.foot = self.reissue(worker, form);
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
                ("By", actor(self.place, roster, worker.registered_by.as_ref())),
                ("Registered with", html! { (self.place.whole()) " " code class="muted" { (worker.experiment_id) } }),
                ("Same name", html! {
                    @match (&worker.name, namesakes) {
                        (None, _) => "it has no name",
                        (Some(_), ..=1) => "no other worker",
                        (Some(name), all) => { a href=(with_name(self.place, name.as_str())) { (all) " workers have this name" } }
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
                                (group_link(self.place, group))
                                @if !direct.contains(&&group.group_id) { span class="muted" { "through another group" } }
                                @if let Some(may) = group.name.as_ref().and_then(|name| self.place.authority(name.as_str())) {
                                    span class="muted" { (may) }
                                }
                            }
                        }
                    }
                }
            }))
        }
    }

    fn reissue(&self, worker: Option<&Worker>, form: &ReissueForm) -> Markup {
        let expected = confirmation(worker.and_then(|worker| worker.name.as_ref()), self.id.as_str());
        let label = format!("Type \u{201c}{expected}\u{201d} to confirm");
        let confirm = Field {
            name: "confirm",
            label: &label,
            hint: None,
            error: form.confirm_error.as_deref(),
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
                form class="form" method="post" action=(self.place.reissue(self.id)) data-once {
                    (once())
                    (field(&confirm, Input::Text, &form.confirm))
                    div class="actions" { (button(Button::Danger, "Replace the secret and show the new one")) }
                }
            },
        )
    }
}

/// The workers of one name.
fn with_name(place: &Place, name: &str) -> String {
    let query = serde_urlencoded::to_string([("name", name)]).unwrap_or_default();
    format!("{}?{query}", place.workers())
}
