//! The list of ideas.

use std::sync::Arc;

use maud::{Markup, html};
use poem::{Response, handler};

use crate::live::{IdeaRow, Snapshot};
use crate::protocol::IdeaState;
use crate::web::answer::Page;
use crate::web::context::Active;
use crate::web::error::PageError;
use crate::web::listing::Listing;
use crate::web::query::Query;
use crate::web::ui::{
    Body, Column, Nav, Order, Region, Row, RowKind, Table, commit, empty, id_link, number, page_head, short, state_of,
    when,
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
                body: Body::on_demand(move || list.markup()),
            }],
        )
    }))
}

struct List<'a> {
    active: &'a Active,
    snapshot: &'a Snapshot,
    listing: Listing,
    state: Option<IdeaState>,
    by_priority: bool,
}

impl<'a> List<'a> {
    fn new(active: &'a Active, snapshot: &'a Snapshot) -> Self {
        let mut query = Query::of(&active.context.frame.here);
        Self {
            active,
            snapshot,
            state: query.take("state", IdeaState::from_word),
            by_priority: query.take("sort", |by| (by == "priority").then_some(())).is_some(),
            listing: Listing::new(query),
        }
    }

    fn markup(&self) -> Markup {
        let kept = self.rows();
        let total = kept.len() as u64;
        let shown = self.listing.paging(total).slice(total, kept.into_iter());
        let rows = shown.into_iter().map(|idea| self.row(idea)).collect();
        let table = Table {
            caption: "Ideas",
            columns: self.columns(),
            rows,
            empty: self.nothing(),
        };
        let filters = self
            .listing
            .chips("State", "state", IdeaState::ALL, self.state, |state| {
                Some(self.count(state))
            });
        self.listing.markup("ideas", total, &filters, &table)
    }

    /// Newest first is how the mirror keeps them; a stable sort leaves that order among equals.
    fn rows(&self) -> Vec<&'a Arc<IdeaRow>> {
        let newest_first = self.snapshot.ideas_newest_first();
        let mut rows: Vec<_> = newest_first
            .filter(|idea| self.state.is_none_or(|state| idea.state == state))
            .collect();
        if self.by_priority {
            rows.sort_by(|a, b| b.priority.total_cmp(&a.priority));
        }
        if self.listing.order == Order::Ascending {
            rows.reverse();
        }
        rows
    }

    fn count(&self, state: Option<IdeaState>) -> u64 {
        self.snapshot
            .ideas()
            .filter(|idea| state.is_none_or(|state| idea.state == state))
            .count() as u64
    }

    fn columns(&self) -> Vec<Column<'static>> {
        vec![
            Column::text("Idea"),
            Column::text("Slug"),
            Column::text("State"),
            self.listing
                .sorted(Column::number("Priority"), Some("priority"), self.by_priority),
            Column::text("From").minor(),
            Column::text("Proposed by").minor(),
            self.listing.sorted(Column::text("Created"), None, !self.by_priority),
        ]
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
