//! The list of tasks.

use std::sync::Arc;

use maud::{Markup, html};
use poem::{Response, handler};

use crate::live::{Snapshot, TaskRow, TaskSubject};
use crate::protocol::{TaskKind, TaskState, WorkerId};
use crate::web::answer::Page;
use crate::web::context::Active;
use crate::web::error::PageError;
use crate::web::query::{Paging, Query};
use crate::web::ui::{
    Chip, Column, Nav, Order, Pager, Region, Row, RowKind, Sort, Table, chips, empty, id_link, id_text, page_head,
    short, state_of, table, when,
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
                body: list.markup(),
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
    query: Query,
    kind: Option<TaskKind>,
    state: Option<TaskState>,
    worker: Option<WorkerId>,
    by: By,
    order: Order,
    paging: Paging,
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
            order: query
                .take("dir", |dir| (dir == "asc").then_some(Order::Ascending))
                .unwrap_or(Order::Descending),
            paging: query.paging(),
            query,
        }
    }

    fn markup(&self) -> Markup {
        let total = self.total();
        let paging = self.paging.within(total);
        let rows: Vec<Row> = self.rows(paging, total).iter().map(|task| self.row(task)).collect();
        let pager = Pager {
            page: paging.page,
            per: paging.per,
            total,
            href: |page: u64| self.query.with("page", Some(&page.to_string())),
        };
        html! {
            (self.filters())
            (table(&Table { caption: "Tasks", columns: self.columns(), rows, empty: self.nothing() }))
            (pager.markup("tasks"))
        }
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
        let counts = &self.snapshot.counts;
        match (self.kind, self.state, &self.worker) {
            (_, _, Some(_)) => self
                .snapshot
                .tasks_newest_first()
                .filter(|task| self.keeps(task))
                .count() as u64,
            (Some(kind), Some(state), None) => counts.of(kind, state),
            (Some(kind), None, None) => counts.of_kind(kind),
            (None, Some(state), None) => counts.in_state(state),
            (None, None, None) => counts.total(),
        }
    }

    /// The rows of one page. The mirror keeps the orders of time, and a sort by a word is the newest first of
    /// each word in turn, so nothing is ever sorted here.
    fn rows(&self, paging: Paging, total: u64) -> Vec<&'a Arc<TaskRow>> {
        // Past the last row that the filters keep there is nothing to look for.
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        paging
            .slice(self.ordered().filter(|task| self.keeps(task)).take(total))
            .collect()
    }

    fn ordered(&self) -> Box<dyn Iterator<Item = &'a Arc<TaskRow>> + 'a> {
        let (snapshot, ascending) = (self.snapshot, self.order == Order::Ascending);
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
        let counts = &self.snapshot.counts;
        let of_kind = |kind: Option<TaskKind>| match (kind, self.state) {
            (Some(kind), Some(state)) => counts.of(kind, state),
            (Some(kind), None) => counts.of_kind(kind),
            (None, Some(state)) => counts.in_state(state),
            (None, None) => counts.total(),
        };
        let in_state = |state: Option<TaskState>| match (self.kind, state) {
            (Some(kind), Some(state)) => counts.of(kind, state),
            (Some(kind), None) => counts.of_kind(kind),
            (None, Some(state)) => counts.in_state(state),
            (None, None) => counts.total(),
        };
        let kinds = std::iter::once(None)
            .chain(TaskKind::ALL.iter().copied().map(Some))
            .map(|kind| Chip {
                text: kind.map_or("any", TaskKind::as_str).to_owned(),
                count: self.worker.is_none().then(|| of_kind(kind)),
                href: self.query.with("kind", kind.map(TaskKind::as_str)),
                current: kind == self.kind,
            });
        let states = std::iter::once(None)
            .chain(TaskState::ALL.iter().copied().map(Some))
            .map(|state| Chip {
                text: state.map_or("any", TaskState::as_str).to_owned(),
                count: self.worker.is_none().then(|| in_state(state)),
                href: self.query.with("state", state.map(TaskState::as_str)),
                current: state == self.state,
            });
        html! {
            (chips("Kind", &kinds.collect::<Vec<_>>()))
            (chips("State", &states.collect::<Vec<_>>()))
            @if let Some(worker) = &self.worker {
                (chips("Worker", &[
                    Chip { text: "any".to_owned(), count: None, href: self.query.with("worker", None), current: false },
                    Chip { text: self.name(worker), count: None, href: self.query.with("worker", Some(worker.as_str())), current: true },
                ]))
            }
        }
    }

    fn columns(&self) -> Vec<Column<'static>> {
        vec![
            Column::text("Task"),
            self.sorted(Column::text("Kind"), By::Kind, "kind"),
            self.sorted(Column::text("State"), By::State, "state"),
            Column::text("Works on").minor(),
            Column::text("Worker"),
            self.sorted(Column::text("Created").minor(), By::Created, "created"),
            self.sorted(Column::text("Updated"), By::Updated, "updated"),
        ]
    }

    /// The first press sorts largest first; on the present column it turns the order round.
    fn sorted(&self, column: Column<'static>, by: By, word: &str) -> Column<'static> {
        let current = (self.by == by).then_some(self.order);
        let dir = (current == Some(Order::Descending)).then_some("asc");
        let word = (by != By::Created).then_some(word);
        column.sorted(Sort {
            href: self.query.with_all(&[("sort", word), ("dir", dir)]),
            current,
        })
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
                (Some(worker), _) => { a href=(self.query.with("worker", Some(worker.as_str()))) { (self.name(worker)) } }
                (None, Some(target)) => { span class="muted" { "for " (target.kind) " " (id_text(target.id.as_str())) } }
                (None, None) => { span class="muted" { "anybody" } }
            }
        }
    }

    fn name(&self, worker: &WorkerId) -> String {
        self.snapshot
            .worker_name(worker)
            .map_or_else(|| short(worker.as_str()), str::to_owned)
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
fn in_turn<T: Copy>(words: &'static [T], ascending: bool) -> impl Iterator<Item = T> {
    (0..words.len()).map(move |index| words[if ascending { index } else { words.len() - 1 - index }])
}
