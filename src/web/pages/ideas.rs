//! The list of ideas.

use std::sync::Arc;

use maud::{Markup, html};
use poem::{Response, handler};

use crate::live::{IdeaRow, Snapshot};
use crate::protocol::IdeaState;
use crate::web::answer::Page;
use crate::web::context::Active;
use crate::web::error::PageError;
use crate::web::query::{Paging, Query};
use crate::web::ui::{
    Chip, Column, Nav, Order, Pager, Region, Row, RowKind, Sort, Table, chips, commit, empty, id_link, number,
    page_head, short, state_of, table, when,
};
use crate::web::urls;

/// `GET /x/{E}/admin/ideas/`
#[handler]
pub(crate) fn get(active: Active) -> Result<Response, PageError> {
    let snapshot = active.snapshot()?;
    Ok(active.answer(|| {
        let list = List::new(&active, &snapshot);
        let head = page_head(
            "Ideas",
            html! { "Proposals of ideators, and what became of them" },
            html! {},
        );
        Page::new(
            "Ideas",
            Nav::Ideas,
            head,
            vec![Region {
                name: "ideas",
                topics: &["ideas", "experiment"],
                body: list.markup(),
            }],
        )
    }))
}

struct List<'a> {
    active: &'a Active,
    snapshot: &'a Snapshot,
    query: Query,
    state: Option<IdeaState>,
    by_priority: bool,
    order: Order,
    paging: Paging,
}

impl<'a> List<'a> {
    fn new(active: &'a Active, snapshot: &'a Snapshot) -> Self {
        let mut query = Query::of(&active.context.frame.here);
        Self {
            active,
            snapshot,
            state: query.take("state", IdeaState::from_word),
            by_priority: query.take("sort", |by| (by == "priority").then_some(())).is_some(),
            order: query
                .take("dir", |dir| (dir == "asc").then_some(Order::Ascending))
                .unwrap_or(Order::Descending),
            paging: query.paging(),
            query,
        }
    }

    fn markup(&self) -> Markup {
        let kept = self.rows();
        let paging = self.paging.within(kept.len() as u64);
        let rows = paging.slice(kept.iter()).map(|idea| self.row(idea)).collect();
        let pager = Pager {
            page: paging.page,
            per: paging.per,
            total: kept.len() as u64,
            href: |page: u64| self.query.with("page", Some(&page.to_string())),
        };
        html! {
            (self.filters())
            (table(&Table { caption: "Ideas", columns: self.columns(), rows, empty: self.nothing() }))
            (pager.markup("ideas"))
        }
    }

    fn rows(&self) -> Vec<Arc<IdeaRow>> {
        let keeps = |idea: &&Arc<IdeaRow>| self.state.is_none_or(|state| idea.state == state);
        let mut rows: Vec<_> = self.snapshot.ideas().filter(keeps).cloned().collect();
        rows.sort_by(|a, b| {
            let age = a.created_at.cmp(&b.created_at).then_with(|| a.id.cmp(&b.id));
            let order = if self.by_priority {
                a.priority.total_cmp(&b.priority).then(age)
            } else {
                age
            };
            if self.order == Order::Ascending {
                order
            } else {
                order.reverse()
            }
        });
        rows
    }

    fn filters(&self) -> Markup {
        let of = |state: Option<IdeaState>| {
            self.snapshot
                .ideas()
                .filter(|idea| state.is_none_or(|state| idea.state == state))
                .count() as u64
        };
        let states = std::iter::once(None)
            .chain(IdeaState::ALL.iter().copied().map(Some))
            .map(|state| Chip {
                text: state.map_or("any", IdeaState::as_str).to_owned(),
                count: Some(of(state)),
                href: self.query.with("state", state.map(IdeaState::as_str)),
                current: state == self.state,
            });
        chips("State", &states.collect::<Vec<_>>())
    }

    fn columns(&self) -> Vec<Column<'static>> {
        vec![
            Column::text("Idea"),
            Column::text("Slug"),
            Column::text("State"),
            self.sorted(Column::number("Priority"), true),
            Column::text("From").minor(),
            Column::text("Proposed by").minor(),
            self.sorted(Column::text("Created"), false),
        ]
    }

    fn sorted(&self, column: Column<'static>, by_priority: bool) -> Column<'static> {
        let current = (self.by_priority == by_priority).then_some(self.order);
        let dir = (current == Some(Order::Descending)).then_some("asc");
        let by = by_priority.then_some("priority");
        column.sorted(Sort {
            href: self.query.with_all(&[("sort", by), ("dir", dir)]),
            current,
        })
    }

    fn row(&self, idea: &IdeaRow) -> Row {
        let name = |worker| self.snapshot.worker_name(worker).map(str::to_owned);
        let author = idea.created_by.as_ref().map(|actor| {
            actor
                .worker()
                .and_then(name)
                .unwrap_or_else(|| short(&actor.to_string()))
        });
        Row {
            kind: RowKind::Idea,
            id: idea.id.to_string(),
            cells: vec![
                id_link(&urls::idea(&self.active.id, &idea.id), idea.id.as_str()),
                html! { (idea.slug) },
                state_of(idea.state),
                html! { (number(idea.priority)) },
                html! { @for sha in &idea.parents { (commit(sha.as_str())) " " } },
                html! { (author.unwrap_or_else(|| "–".to_owned())) },
                when(idea.created_at),
            ],
        }
    }

    fn nothing(&self) -> Markup {
        if self.snapshot.ideas().len() == 0 {
            return empty(
                "No idea yet",
                html! { "Ideators propose them when they take an ideation task." },
            );
        }
        empty(
            "No idea is in this state",
            html! { a href=(urls::ideas(&self.active.id)) { "Show all ideas" } },
        )
    }
}
