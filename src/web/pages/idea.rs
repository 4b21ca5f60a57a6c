//! One idea: what was proposed, from what, and what came of it.

use maud::{Markup, html};
use poem::{Response, handler};

use crate::client::ClientError;
use crate::live::{IdeaRow, Snapshot, TaskSubject, Topic};
use crate::protocol::{Idea, IdeaId};
use crate::web::fault::Fault;
use crate::web::parts::data_uri;
use crate::web::parts::entity_links;
use crate::web::request::{Active, path_segment};
use crate::web::respond::{Page, answer};
use crate::web::sections::Section;
use crate::web::ui::{
    Region, copyable, crumbs, definitions, empty, halves, id_link, number, page_head, panel, state_of, unavailable,
    when_dated,
};
use crate::web::urls;

/// `GET /x/{E}/admin/ideas/{I}/`
#[handler]
pub(crate) async fn get(active: Active, request: &poem::Request) -> Result<Response, Fault> {
    let snapshot = active.snapshot()?;
    let given = path_segment(request, "idea");
    let row = given.parse::<IdeaId>().ok().and_then(|id| snapshot.idea(&id).cloned());
    let Some(row) = row else {
        return Err(active.no_such_entity("idea", &given));
    };
    let reader = active.reader()?;
    let detail = active
        .context
        .live()
        .details()
        .idea(&active.mirror, reader, &row.id, row.revision)
        .await;

    let view = View {
        active: &active,
        snapshot: &snapshot,
        row: &row,
    };
    let ideas = urls::ideas(&active.id);
    let head = html! {
        (crumbs(&[("Ideas", ideas.as_str())]))
        (page_head(&row.slug, copyable(row.id.as_str()), html! {}))
    };
    let body = html! {
        (halves(&panel("Facts", None, &view.facts()), &panel("Proposal", None, &text(&detail))))
        (panel("What came of it", None, &view.outcome()))
    };
    let regions = vec![Region::new(
        "idea",
        &[Topic::Ideas, Topic::Tasks, Topic::Variants, Topic::Experiment],
        body,
    )];
    Ok(answer(
        &active.context,
        &Page::new(row.slug.clone(), Section::Ideas, head, regions),
    ))
}

/// The idea's text where its URI contains it; otherwise the URI.
fn text(detail: &Result<std::sync::Arc<Idea>, ClientError>) -> Markup {
    match detail {
        Err(error) => unavailable(
            &html! { p { "The text of the idea is kept by the task store only, and it cannot be read now: " (error) "." } },
        ),
        Ok(idea) => match data_uri::text(&idea.artifacts_uri) {
            Some(text) => html! { div class="prose" { @for paragraph in text.split("\n\n") { p { (paragraph) } } } },
            None => html! { p { "Its text is at " code { (idea.artifacts_uri) } "." } },
        },
    }
}

struct View<'a> {
    active: &'a Active,
    snapshot: &'a Snapshot,
    row: &'a IdeaRow,
}

impl View<'_> {
    fn facts(&self) -> Markup {
        let row = self.row;
        let author = |actor: &crate::protocol::Actor| match actor.worker() {
            None => html! { "admin" },
            Some(id) => entity_links::worker(self.snapshot, id),
        };
        definitions(&[
            ("State", state_of(row.state)),
            ("Priority", html! { (number(row.priority)) }),
            (
                "Starts from",
                html! { @for sha in &row.parents { div { (entity_links::parent(&self.active.id, self.snapshot, sha)) } } },
            ),
            (
                "Proposed by",
                row.created_by.as_ref().map_or_else(|| html! { "–" }, author),
            ),
            ("Created", when_dated(row.created_at)),
        ])
    }

    fn outcome(&self) -> Markup {
        let id = &self.active.id;
        let idea = &self.row.id;
        let tasks = self.snapshot.tasks_on(&TaskSubject::Idea(idea.clone())).all();
        let variants = self.snapshot.variants_of(idea).all();
        if tasks.is_empty() && variants.is_empty() {
            return empty(
                "Nothing yet",
                html! { "An orchestrator dispatches ready ideas to executors, by priority." },
            );
        }
        html! {
            ul class="outcome" role="list" {
                @for task in tasks { li { "Task " (id_link(&urls::task(id, &task.id), task.id.as_str())) " " (state_of(task.state)) } }
                @for variant in variants {
                    li {
                        "Variant " (id_link(&urls::variant(id, &variant.id), variant.id.as_str())) " " (state_of(variant.status))
                        @if let Some(value) = self.snapshot.score(variant) { " " (number(value)) }
                    }
                }
            }
        }
    }
}
