//! The list of ideas.

use maud::{Markup, html};
use poem::{Response, handler};

use crate::live::{IdeaOrder, IdeaRow, Snapshot, Topic};
use crate::protocol::IdeaState;
use crate::web::fault::Fault;
use crate::web::parts::listing::Listing;
use crate::web::request::{Active, Query};
use crate::web::respond::{Page, answer_from_view};
use crate::web::sections::Section;
use crate::web::ui::{
    Body, Column, Region, Row, RowKind, Table, commit, empty, id_link, number, page_head, short, state_of, when,
};
use crate::web::urls;

/// `GET /x/{E}/admin/ideas/`
#[handler]
pub(crate) fn get(active: Active) -> Result<Response, Fault> {
    let snapshot = active.snapshot()?;
    Ok(answer_from_view(&active, || {
        let list = List::new(&active, &snapshot);
        let head = page_head(
            "Ideas",
            html! { "Proposals of ideators, and what became of them" },
            html! {},
        );
        Page::new(
            "Ideas",
            Section::Ideas,
            head,
            vec![Region::new(
                "ideas",
                &[Topic::Ideas, Topic::Experiment],
                Body::on_demand(move || list.markup()),
            )],
        )
    }))
}

struct List<'a> {
    active: &'a Active,
    snapshot: &'a Snapshot,
    listing: Listing,
    state: Option<IdeaState>,
    by: IdeaOrder,
}

impl<'a> List<'a> {
    fn new(active: &'a Active, snapshot: &'a Snapshot) -> Self {
        let mut query = Query::of(&active.context.htmx.page_url);
        Self {
            active,
            snapshot,
            state: query.take("state", IdeaState::from_word),
            by: query
                .take("sort", |by| (by == "priority").then_some(IdeaOrder::Priority))
                .unwrap_or(IdeaOrder::Created),
            listing: Listing::new(query),
        }
    }

    fn markup(&self) -> Markup {
        let kept = self.snapshot.list_ideas(self.state, self.by, self.listing.direction());
        let shown = self.listing.page(&kept);
        let table = Table {
            caption: "Ideas",
            columns: self.columns(),
            rows: shown.into_iter().map(|idea| self.row(idea)).collect(),
            empty: self.nothing(),
        };
        let count = |state| Some(self.snapshot.count_ideas(state) as u64);
        let filters = self.listing.chips("State", "state", IdeaState::ALL, self.state, count);
        self.listing.markup("ideas", kept.len() as u64, &filters, &table)
    }

    fn columns(&self) -> Vec<Column<'static>> {
        vec![
            Column::text("Idea"),
            Column::text("Slug"),
            Column::text("State"),
            self.listing.sorted(
                Column::number("Priority"),
                Some("priority"),
                self.by == IdeaOrder::Priority,
            ),
            Column::text("From").minor(),
            Column::text("Proposed by").minor(),
            self.listing
                .sorted(Column::text("Created"), None, self.by == IdeaOrder::Created),
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
        if self.snapshot.count_ideas(None) == 0 {
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
