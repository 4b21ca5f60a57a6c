//! The list of tasks.

use std::sync::Arc;

use maud::{Markup, html};
use poem::{Response, handler};

use crate::live::{Snapshot, TaskRow, TaskSubject};
use crate::protocol::{TaskKind, TaskState, WorkerId};
use crate::web::answer::Page;
use crate::web::context::Active;
use crate::web::error::PageError;
use crate::web::listing::Listing;
use crate::web::mentions::worker_label;
use crate::web::query::{Paging, Query};
use crate::web::ui::{
    Body, Chip, Column, Nav, Order, Region, Row, RowKind, Table, chips, empty, id_link, id_text, page_head, state_of,
    when,
};
use crate::web::urls;

/// `GET /x/{E}/admin/tasks/`
#[handler]
pub(crate) fn get(active: Active) -> Result<Response, PageError> {
    let snapshot = active.snapshot()?;
    Ok(active.answer(|| {
        let list = List::new(&active, &snapshot);
        let head = page_head(
            "Tasks",
            html! { "Units of work for ideators, executors and evaluators" },
            html! {},
        );
        Page::new(
            "Tasks",
            Nav::Tasks,
            head,
            vec![Region {
                name: "tasks",
                topics: &["tasks", "experiment"],
                body: Body::on_demand(move || list.markup()),
            }],
        )
    }))
}

/// What the list may be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Created,
    Updated,
    Kind,
    State,
}

impl By {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "created" => Some(Self::Created),
            "updated" => Some(Self::Updated),
            "kind" => Some(Self::Kind),
            "state" => Some(Self::State),
            _ => None,
        }
    }
}

struct List<'a> {
    active: &'a Active,
    snapshot: &'a Snapshot,
    listing: Listing,
    kind: Option<TaskKind>,
    state: Option<TaskState>,
    worker: Option<WorkerId>,
    by: By,
}

impl<'a> List<'a> {
    fn new(active: &'a Active, snapshot: &'a Snapshot) -> Self {
        let mut query = Query::of(&active.context.frame.here);
        Self {
            active,
            snapshot,
            kind: query.take("kind", TaskKind::from_word),
            state: query.take("state", TaskState::from_word),
            worker: query.take("worker", |id| id.parse().ok()),
            by: query.take("sort", By::parse).unwrap_or(By::Created),
            listing: Listing::new(query),
        }
    }

    fn markup(&self) -> Markup {
        let total = self.total();
        let tasks = self.rows(self.listing.paging(total), total);
        let rows = tasks.into_iter().map(|task| self.row(task)).collect();
        let table = Table {
            caption: "Tasks",
            columns: self.columns(),
            rows,
            empty: self.nothing(),
        };
        self.listing.markup("tasks", total, &self.filters(), &table)
    }

    fn keeps(&self, task: &TaskRow) -> bool {
        self.kind.is_none_or(|kind| task.kind == kind)
            && self.state.is_none_or(|state| task.state == state)
            && self
                .worker
                .as_ref()
                .is_none_or(|worker| task.worker.as_ref() == Some(worker))
    }

    /// How many rows the filters keep; the counts know unless the worker is asked for.
    fn total(&self) -> u64 {
        match &self.worker {
            Some(_) => self
                .snapshot
                .tasks_newest_first()
                .filter(|task| self.keeps(task))
                .count() as u64,
            None => self.counted(self.kind, self.state),
        }
    }

    fn counted(&self, kind: Option<TaskKind>, state: Option<TaskState>) -> u64 {
        let counts = &self.snapshot.counts;
        match (kind, state) {
            (Some(kind), Some(state)) => counts.of(kind, state),
            (Some(kind), None) => counts.of_kind(kind),
            (None, Some(state)) => counts.in_state(state),
            (None, None) => counts.total(),
        }
    }

    /// The rows of one page. The mirror keeps the orders of time, and a sort by a word is the newest first of
    /// each word in turn, so nothing is ever sorted here.
    fn rows(&self, paging: Paging, total: u64) -> Vec<&'a Arc<TaskRow>> {
        paging.slice(total, self.ordered().filter(|task| self.keeps(task)))
    }

    fn ordered(&self) -> Box<dyn DoubleEndedIterator<Item = &'a Arc<TaskRow>> + 'a> {
        let (snapshot, ascending) = (self.snapshot, self.listing.order == Order::Ascending);
        match self.by {
            By::Created if ascending => Box::new(snapshot.tasks_newest_first().rev()),
            By::Created => Box::new(snapshot.tasks_newest_first()),
            By::Updated if ascending => Box::new(snapshot.tasks_last_changed_first().rev()),
            By::Updated => Box::new(snapshot.tasks_last_changed_first()),
            By::Kind => Box::new(
                in_turn(TaskKind::ALL, ascending)
                    .flat_map(move |kind| snapshot.tasks_newest_first().filter(move |task| task.kind == kind)),
            ),
            By::State => Box::new(
                in_turn(TaskState::ALL, ascending)
                    .flat_map(move |state| snapshot.tasks_newest_first().filter(move |task| task.state == state)),
            ),
        }
    }

    fn filters(&self) -> Markup {
        // What the counts know nothing of is not counted.
        let count = |kind, state| self.worker.is_none().then(|| self.counted(kind, state));
        html! {
            (self.listing.chips("Kind", "kind", TaskKind::ALL, self.kind, |kind| count(kind, self.state)))
            (self.listing.chips("State", "state", TaskState::ALL, self.state, |state| count(self.kind, state)))
            @if let Some(worker) = &self.worker {
                (chips("Worker", &[
                    Chip { text: "any".to_owned(), count: None, href: self.listing.with("worker", None), current: false },
                    Chip { text: worker_label(self.snapshot, worker), count: None, href: self.of_worker(worker), current: true },
                ]))
            }
        }
    }

    fn of_worker(&self, worker: &WorkerId) -> String {
        self.listing.with("worker", Some(worker.as_str()))
    }

    fn columns(&self) -> Vec<Column<'static>> {
        let sorted = |column, by: By, word| {
            let word = (by != By::Created).then_some(word);
            self.listing.sorted(column, word, self.by == by)
        };
        vec![
            Column::text("Task"),
            sorted(Column::text("Kind"), By::Kind, "kind"),
            sorted(Column::text("State"), By::State, "state"),
            Column::text("Works on").minor(),
            Column::text("Worker"),
            sorted(Column::text("Created").minor(), By::Created, "created"),
            sorted(Column::text("Updated"), By::Updated, "updated"),
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

/// The words of a sort, first to last or the other way round.
fn in_turn<T: Copy>(words: &'static [T], ascending: bool) -> impl DoubleEndedIterator<Item = T> {
    (0..words.len()).map(move |index| words[if ascending { index } else { words.len() - 1 - index }])
}
