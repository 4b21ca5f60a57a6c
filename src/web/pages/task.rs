//! One task: its state, its worker, and its submission.

use maud::{Markup, html};
use poem::{Response, handler};

use crate::client::ClientError;
use crate::live::{Snapshot, TaskDetail, TaskRow, TaskSubject, Topic};
use crate::protocol::{Submission, TaskId};
use crate::web::fault::Fault;
use crate::web::parts::entity_links;
use crate::web::parts::events_table::{Entry, events_table};
use crate::web::request::{Active, path_segment};
use crate::web::respond::{Page, answer};
use crate::web::sections::Section;
use crate::web::ui::{
    Region, commit, copyable, crumbs, definitions, halves, id_link, metric_value, page_head, panel, short_id, state_of,
    unavailable, when_dated,
};
use crate::web::urls;

/// `GET /x/{E}/admin/tasks/{T}/`
#[handler]
pub(crate) async fn get(active: Active, request: &poem::Request) -> Result<Response, Fault> {
    let snapshot = active.snapshot()?;
    let given = path_segment(request, "task");
    let row = given.parse::<TaskId>().ok().and_then(|id| snapshot.task(&id).cloned());
    let Some(row) = row else {
        return Err(active.no_such_entity("task", &given));
    };
    let reader = active.reader()?;
    let detail = active
        .context
        .live()
        .details()
        .task(&active.mirror, reader, &row.id, row.revision)
        .await;

    let view = View {
        active: &active,
        snapshot: &snapshot,
        row: &row,
    };
    let tasks = urls::tasks(&active.id);
    let head = html! {
        (crumbs(&[("Tasks", tasks.as_str())]))
        (page_head("Task", copyable(row.id.as_str()), html! {}))
    };
    let regions = vec![
        Region::new("task", &[Topic::Tasks, Topic::Experiment], view.state(&detail)),
        Region::new("history", &[Topic::Events, Topic::Experiment], view.history()),
    ];
    Ok(answer(
        &active.context,
        &Page::new("Task", Section::Tasks, head, regions),
    ))
}

struct View<'a> {
    active: &'a Active,
    snapshot: &'a Snapshot,
    row: &'a TaskRow,
}

impl View<'_> {
    fn state(&self, detail: &Result<std::sync::Arc<TaskDetail>, ClientError>) -> Markup {
        let row = self.row;
        let mut facts = vec![
            ("State", state_of(row.state)),
            ("Kind", html! { (row.kind) }),
            ("Works on", self.subject()),
            ("Worker", self.worker()),
        ];
        if let Some(expires_at) = row.expires_at {
            facts.push(("Claim may be reclaimed after", when_dated(expires_at)));
        }
        if let Some(target) = &row.target {
            facts.push(("Only for", html! { (target.kind) " " (short_id(target.id.as_str())) }));
        }
        if let Ok(detail) = detail
            && let Some(actor) = &detail.task.created_by
        {
            facts.push((
                "Created by",
                actor
                    .worker()
                    .map_or_else(|| html! { "admin" }, |id| entity_links::worker(self.snapshot, id)),
            ));
        }
        facts.push(("Created", when_dated(row.created_at)));
        facts.push(("Last change", when_dated(row.updated_at)));
        let submission = match detail {
            Err(error) => unavailable(
                &html! { p { "What was handed in is kept by the task store only, and it cannot be read now: " (error) "." } },
            ),
            Ok(detail) => match &detail.submission {
                None => html! { p class="muted" { "Nothing has been handed in." } },
                Some(submission) => self.submission(submission),
            },
        };
        halves(
            &panel("Facts", None, &definitions(&facts)),
            &panel("Submission", None, &submission),
        )
    }

    fn subject(&self) -> Markup {
        let id = &self.active.id;
        match &self.row.subject {
            TaskSubject::Experiment => html! { "the experiment as a whole" },
            TaskSubject::Idea(idea) => html! {
                "idea " (id_link(&urls::idea(id, idea), idea.as_str()))
                @if let Some(row) = self.snapshot.idea(idea) { " " (row.slug) }
            },
            TaskSubject::Variant(variant) => {
                html! { "variant " (id_link(&urls::variant(id, variant), variant.as_str())) }
            }
        }
    }

    fn worker(&self) -> Markup {
        match &self.row.worker {
            Some(worker) => html! {
                (entity_links::worker(self.snapshot, worker)) " "
                a href={ (urls::tasks(&self.active.id)) "?worker=" (worker) } { "their tasks" }
            },
            None => html! { span class="muted" { "nobody yet" } },
        }
    }

    fn submission(&self, submission: &Submission) -> Markup {
        let id = &self.active.id;
        let mut facts = vec![("Outcome", html! { (submission.status.as_str().replace('_', " ")) })];
        if let Some(ideas) = &submission.idea_ids {
            facts.push((
                "Ideas",
                html! {
                    @if ideas.is_empty() { "none" }
                    @for idea in ideas { div { (id_link(&urls::idea(id, idea), idea.as_str())) } }
                },
            ));
        }
        if let Some(variant) = &submission.variant_id {
            facts.push(("Variant", id_link(&urls::variant(id, variant), variant.as_str())));
        }
        if let Some(sha) = &submission.commit_sha {
            facts.push(("Commit", commit(sha.as_str())));
        }
        if let Some(evaluation) = &submission.evaluation {
            facts.extend(
                evaluation
                    .iter()
                    .map(|(name, value)| (name.as_str(), html! { (metric_value(value)) })),
            );
        }
        if let Some(uri) = &submission.artifacts_uri {
            facts.push(("Artifacts", html! { code { (uri) } }));
        }
        definitions(&facts)
    }

    /// The task's events among those in the snapshot.
    fn history(&self) -> Markup {
        let of_task = |event: &crate::protocol::Event| event.data_str("task_id") == Some(self.row.id.as_str());
        let events: Vec<Entry> = self
            .snapshot
            .newest_events()
            .filter(|(_, event)| of_task(event))
            .map(|(at, event)| (at, event.clone()))
            .collect();
        let log = urls::events(&self.active.id);
        panel(
            "Events of this task among the newest",
            Some(("Event log", log)),
            &events_table(&self.active.context.role, &self.active.id, self.snapshot, &events),
        )
    }
}
