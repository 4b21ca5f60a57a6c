//! The list of workers, and the form that registers one.

use std::sync::Arc;

use maud::{Markup, html};

use crate::protocol::{DisplayName, GroupId, MemberId, RegisterWorker, Worker};
use crate::web::parts::listing::Listing;
use crate::web::request::query::Query;
use crate::web::respond::render::Page;
use crate::web::roster::input;
use crate::web::roster::parts::{
    actor, banner, few, filter, first, group_word, holds, labels_line, labels_text, message, no_match, refusal, search,
    unread, worker_link,
};
use crate::web::roster::place::Place;
use crate::web::roster::roster::Roster;
use crate::web::roster::trouble::Unread;
use crate::web::ui::{
    Button, Column, Field, Input, Nav, Region, Row, RowKind, Table, Tone, button, empty, field, page_head, textarea,
    when,
};
use crate::web::write::once::once;

/// What was typed to register a worker, and what is wrong with it.
#[derive(Debug, Default)]
pub(crate) struct RegisterForm {
    pub name: String,
    pub labels: String,
    pub name_error: Option<String>,
    pub labels_error: Option<String>,
    /// What is wrong beside the fields.
    pub refusal: Option<String>,
}

impl RegisterForm {
    /// The request to send, or the form with the faults beside its fields.
    pub fn check(mut self) -> Result<(Self, RegisterWorker), Self> {
        match (input::name(&self.name), input::labels(&self.labels)) {
            (Ok(name), Ok(labels)) => Ok((self, RegisterWorker { name, labels })),
            (name, labels) => {
                self.name_error = name.err().map(|fault| format!("Not a name: {fault}."));
                self.labels_error = labels.err().map(|fault| fault.to_string());
                Err(self)
            }
        }
    }

    fn is_touched(&self) -> bool {
        self.refusal.is_some() || self.name_error.is_some() || self.labels_error.is_some()
    }

    fn markup(&self, place: &Place) -> Markup {
        let name = Field {
            name: "name",
            label: "Name",
            hint: Some("What people call it, 1 to 128 characters. The id is minted, and is what counts."),
            error: self.name_error.as_deref(),
            required: false,
        };
        let labels = Field {
            name: "labels",
            label: "Labels",
            hint: Some("One key=value a line. Lines that begin with # are left out."),
            error: self.labels_error.as_deref(),
            required: false,
        };
        html! {
            details class="disclosed" id="register" open[self.is_touched()] {
                summary class="button" { "Register a worker" }
                (refusal(self.refusal.as_deref()))
                form class="form" method="post" action=(place.workers()) data-once {
                    (once())
                    (field(&name, Input::Text, &self.name))
                    (textarea(&labels, 3, &self.labels))
                    div class="actions" { (button(Button::Primary, "Register and show the secret")) }
                }
            }
        }
    }
}

/// The list as a query asks for it.
pub(crate) struct WorkersPage<'a> {
    place: &'a Place,
    roster: &'a Result<Arc<Roster>, Unread>,
    listing: Listing,
    banner: Option<(Tone, String)>,
    q: Option<String>,
    name: Option<String>,
    group: Option<GroupId>,
}

impl<'a> WorkersPage<'a> {
    /// `here` is the path and query.
    pub fn new(place: &'a Place, roster: &'a Result<Arc<Roster>, Unread>, here: &str) -> Self {
        let mut query = Query::of(here);
        // Messages are not carried on into links.
        let banner = banner(&mut Query::of(here));
        let text = |most| move |text: &str| Some(first(text, most)).filter(|text| !text.trim().is_empty());
        Self {
            place,
            roster,
            banner,
            q: query.take("q", text(64)),
            name: query.take("name", text(128)),
            group: query.take("group", |id| id.parse().ok()),
            listing: Listing::new(query),
        }
    }

    /// The page, with the form as typed.
    pub fn page(&self, form: &RegisterForm) -> Page<'static> {
        let context = html! { "Who may act in " (self.place.whole()) ", each with a secret of its own" };
        let can_write = !matches!(self.roster, Err(Unread::NoToken));
        let head = html! {
            (page_head("Workers", context, html! {}))
            (message(self.banner.as_ref()))
            @if can_write { (form.markup(self.place)) }
            @else { (refusal(form.refusal.as_deref())) }
        };
        let region = Region {
            name: "workers",
            topics: &["registry"],
            body: match self.roster {
                Ok(roster) => self.rows(roster),
                Err(trouble) => unread(self.place, trouble),
            }
            .into(),
        };
        Page::new(
            "Workers",
            Nav::Workers,
            html! { (head) @if self.roster.is_ok() { (self.search()) } },
            vec![region],
        )
    }

    fn search(&self) -> Markup {
        let group = self.group.as_ref().map(|id| ("group", id.as_str()));
        let kept: Vec<_> = self
            .name
            .as_deref()
            .map(|name| ("name", name))
            .into_iter()
            .chain(group)
            .collect();
        let reset = self.listing.with("q", None);
        search(
            &self.place.workers(),
            "Search by name, id or label",
            self.q.as_deref(),
            &kept,
            &reset,
        )
    }

    fn rows(&self, roster: &Roster) -> Markup {
        let kept: Vec<_> = self.kept(roster);
        let total = kept.len() as u64;
        let shown = self.listing.paging(total).slice(total, kept.into_iter());
        let table = Table {
            caption: "Workers",
            columns: vec![
                Column::text("Worker"),
                Column::text("Registered"),
                Column::text("By").minor(),
                Column::text("Labels").minor(),
                Column::text("Groups"),
            ],
            rows: shown.into_iter().map(|worker| self.row(roster, worker)).collect(),
            empty: match roster.workers().is_empty() {
                true => empty(
                    "No worker is registered",
                    html! { "Registering one puts it here, and shows its secret once." },
                ),
                false => no_match("worker", &self.place.workers()),
            },
        };
        self.listing.markup("workers", total, &self.filters(roster), &table)
    }

    fn kept<'r>(&self, roster: &'r Roster) -> Vec<&'r Worker> {
        let group = self.group.as_ref().map(|id| roster.group(id));
        // A group that is gone contains nobody.
        let members: Option<Vec<_>> = group.map(|group| {
            let found = group.map(|group| roster.reach(group).workers).unwrap_or_default();
            let mut ids: Vec<_> = found.into_iter().map(|found| &found.item.worker_id).collect();
            ids.sort_unstable();
            ids
        });
        let is_kept = |worker: &&Worker| {
            let name = worker.name.as_ref().map(DisplayName::as_str);
            let texts = || {
                [
                    worker.worker_id.as_str(),
                    name.unwrap_or_default(),
                    &labels_text(worker),
                ]
                .map(str::to_owned)
            };
            self.name.as_deref().is_none_or(|wanted| name == Some(wanted))
                && members
                    .as_ref()
                    .is_none_or(|ids| ids.binary_search(&&worker.worker_id).is_ok())
                && self
                    .q
                    .as_deref()
                    .is_none_or(|q| holds(q, &texts().each_ref().map(String::as_str)))
        };
        roster.workers().iter().filter(is_kept).collect()
    }

    fn filters(&self, roster: &Roster) -> Markup {
        let group = self.group.as_ref().map(|id| {
            let name = roster.group(id).and_then(|group| group.name.as_ref());
            (id, name.map_or_else(|| id.to_string(), ToString::to_string))
        });
        html! {
            @if let Some(name) = &self.name {
                (filter("Name", name, self.listing.with("name", Some(name)), self.listing.with("name", None)))
            }
            @if let Some((id, name)) = group {
                (filter("Group", &name, self.listing.with("group", Some(id.as_str())), self.listing.with("group", None)))
            }
        }
    }

    fn row(&self, roster: &Roster, worker: &Worker) -> Row {
        let groups = roster.groups_of(&MemberId::from(&worker.worker_id));
        let groups: Vec<_> = groups.into_iter().map(|group| group_word(self.place, group)).collect();
        Row {
            kind: RowKind::Plain,
            id: worker.worker_id.to_string(),
            cells: vec![
                worker_link(self.place, worker),
                when(worker.registered_at),
                actor(self.place, roster, worker.registered_by.as_ref()),
                labels_line(worker),
                few(&groups),
            ],
        }
    }
}
