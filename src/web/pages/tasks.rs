//! The list of tasks.

use maud::{Markup, html};
use poem::{Response, handler};

use crate::live::{Snapshot, TaskFilter, TaskOrder, TaskRow, TaskSubject, Topic};
use crate::protocol::{TaskKind, TaskState, WorkerId};
use crate::web::fault::Fault;
use crate::web::parts::entity_links::worker_label;
use crate::web::parts::listing::Listing;
use crate::web::request::{Active, Query};
use crate::web::respond::{Page, answer_from_view};
use crate::web::sections::Section;
use crate::web::ui::{
    Body, Chip, Column, Region, Row, RowKind, Table, chips, empty, id_link, id_text, page_head, state_of, when,
};
use crate::web::urls;

/// `GET /x/{E}/admin/tasks/`
#[handler]
pub(crate) fn get(active: Active) -> Result<Response, Fault> {
    let snapshot = active.snapshot()?;
    Ok(answer_from_view(&active, || {
        let list = List::new(&active, &snapshot);
        let head = page_head(
            "Tasks",
            html! { "Units of work for ideators, executors and evaluators" },
            html! {},
        );
        Page::new(
            "Tasks",
            Section::Tasks,
            head,
            vec![Region::new(
                "tasks",
                &[Topic::Tasks, Topic::Experiment],
                Body::on_demand(move || list.markup()),
            )],
        )
    }))
}

/// What the list may be sorted by.
fn order(word: &str) -> Option<TaskOrder> {
    match word {
        "created" => Some(TaskOrder::Created),
        "updated" => Some(TaskOrder::Updated),
        "kind" => Some(TaskOrder::Kind),
        "state" => Some(TaskOrder::State),
        _ => None,
    }
}

struct List<'a> {
    active: &'a Active,
    snapshot: &'a Snapshot,
    listing: Listing,
    filter: TaskFilter,
    by: TaskOrder,
}

impl<'a> List<'a> {
    fn new(active: &'a Active, snapshot: &'a Snapshot) -> Self {
        let mut query = Query::of(&active.context.htmx.page_url);
        Self {
            active,
            snapshot,
            filter: TaskFilter {
                kind: query.take("kind", TaskKind::from_word),
                state: query.take("state", TaskState::from_word),
                worker: query.take("worker", |id| id.parse().ok()),
            },
            by: query.take("sort", order).unwrap_or(TaskOrder::Created),
            listing: Listing::new(query),
        }
    }

    fn markup(&self) -> Markup {
        let kept = self
            .snapshot
            .list_tasks(&self.filter, self.by, self.listing.direction());
        let shown = self.listing.page(&kept);
        let table = Table {
            caption: "Tasks",
            columns: self.columns(),
            rows: shown.into_iter().map(|task| self.row(task)).collect(),
            empty: self.nothing(),
        };
        self.listing.markup("tasks", kept.len() as u64, &self.filters(), &table)
    }

    fn filters(&self) -> Markup {
        let filter = &self.filter;
        let of_kind = |kind| self.count(TaskFilter { kind, ..filter.clone() });
        let in_state = |state| {
            self.count(TaskFilter {
                state,
                ..filter.clone()
            })
        };
        html! {
            (self.listing.chips("Kind", "kind", TaskKind::ALL, filter.kind, of_kind))
            (self.listing.chips("State", "state", TaskState::ALL, filter.state, in_state))
            @if let Some(worker) = &filter.worker {
                (chips("Worker", &[
                    Chip {
                        text: "any".to_owned(),
                        count: self.count(TaskFilter { worker: None, ..filter.clone() }),
                        href: self.listing.with("worker", None),
                        current: false,
                    },
                    Chip {
                        text: worker_label(self.snapshot, worker),
                        count: self.count(filter.clone()),
                        href: self.of_worker(worker),
                        current: true,
                    },
                ]))
            }
        }
    }

    fn count(&self, filter: TaskFilter) -> Option<u64> {
        Some(self.snapshot.count_tasks(&filter) as u64)
    }

    fn of_worker(&self, worker: &WorkerId) -> String {
        self.listing.with("worker", Some(worker.as_str()))
    }

    fn columns(&self) -> Vec<Column<'static>> {
        let sorted = |column, by, word| {
            let word = (by != TaskOrder::Created).then_some(word);
            self.listing.sorted(column, word, self.by == by)
        };
        vec![
            Column::text("Task"),
            sorted(Column::text("Kind"), TaskOrder::Kind, "kind"),
            sorted(Column::text("State"), TaskOrder::State, "state"),
            Column::text("Works on").minor(),
            Column::text("Worker"),
            sorted(Column::text("Created").minor(), TaskOrder::Created, "created"),
            sorted(Column::text("Updated"), TaskOrder::Updated, "updated"),
        ]
    }

    fn row(&self, task: &TaskRow) -> Row {
        let id = &self.active.id;
        let subject = match &task.subject {
            TaskSubject::Experiment => html! { "the experiment" },
            TaskSubject::Idea(idea) => id_link(&urls::idea(id, idea), idea.as_str()),
            TaskSubject::Variant(variant) => id_link(&urls::variant(id, variant), variant.as_str()),
        };
        Row {
            kind: RowKind::Task,
            id: task.id.to_string(),
            cells: vec![
                id_link(&urls::task(id, &task.id), task.id.as_str()),
                html! { (task.kind) },
                state_of(task.state),
                subject,
                self.worker_cell(task),
                when(task.created_at),
                when(task.updated_at),
            ],
        }
    }

    fn worker_cell(&self, task: &TaskRow) -> Markup {
        html! {
            @match (&task.worker, &task.target) {
                (Some(worker), _) => { a href=(self.of_worker(worker)) { (worker_label(self.snapshot, worker)) } }
                (None, Some(target)) => { span class="muted" { "for " (target.kind) " " (id_text(target.id.as_str())) } }
                (None, None) => { span class="muted" { "anybody" } }
            }
        }
    }

    fn nothing(&self) -> Markup {
        if self.snapshot.counts.total() == 0 {
            return empty(
                "No task yet",
                html! { "An orchestrator creates the first ideation tasks." },
            );
        }
        let all = urls::tasks(&self.active.id);
        empty(
            "No task matches these filters",
            html! { a href=(all) { "Show all tasks" } },
        )
    }
}
