//! The list of groups, and the form that creates one.

use std::sync::Arc;

use maud::{Markup, html};

use crate::protocol::{DisplayName, Group, RegisterGroup};
use crate::web::parts::listing::Listing;
use crate::web::request::query::Query;
use crate::web::respond::render::Page;
use crate::web::roster::input;
use crate::web::roster::parts::{
    actor, banner, few, filter, first, group_link, holds, member_word, message, no_match, refusal, search, unread,
};
use crate::web::roster::place::{Place, RESERVED_GROUPS};
use crate::web::roster::roster::Roster;
use crate::web::roster::trouble::Unread;
use crate::web::ui::{
    Button, Column, Field, Input, Nav, Region, Row, RowKind, Table, Tone, button, count, empty, field, page_head,
    panel, table, textarea, when,
};
use crate::web::write::once::once;

/// What was typed to create a group, and what is wrong with it.
#[derive(Debug, Default)]
pub(crate) struct CreateForm {
    pub name: String,
    pub members: String,
    pub name_error: Option<String>,
    pub members_error: Option<String>,
    /// What is wrong beside the fields.
    pub refusal: Option<String>,
}

impl CreateForm {
    /// The request to send, or the form with the faults beside its fields. Names of members are looked up in `roster`.
    pub fn check(mut self, roster: Option<&Roster>) -> Result<(Self, RegisterGroup), Self> {
        match (input::name(&self.name), input::members(&self.members, roster)) {
            (Ok(name), Ok(members)) => Ok((self, RegisterGroup { name, members })),
            (name, members) => {
                self.name_error = name.err().map(|fault| format!("Not a name: {fault}."));
                self.members_error = members.err().map(|fault| fault.to_string());
                Err(self)
            }
        }
    }

    fn is_touched(&self) -> bool {
        self.refusal.is_some() || self.name_error.is_some() || self.members_error.is_some()
    }

    fn markup(&self, place: &Place) -> Markup {
        let name = Field {
            name: "name",
            label: "Name",
            hint: Some(
                "1 to 128 characters. Two names carry authority, admins and orchestrators; each can be taken once.",
            ),
            error: self.name_error.as_deref(),
            required: false,
        };
        let members = Field {
            name: "members",
            label: "Members",
            hint: Some(
                "Workers and groups, one a line: an id, or a name that only one has. Lines that begin with # are left out.",
            ),
            error: self.members_error.as_deref(),
            required: false,
        };
        html! {
            details class="disclosed" id="create" open[self.is_touched()] {
                summary class="button" { "Create a group" }
                (refusal(self.refusal.as_deref()))
                form class="form" method="post" action=(place.groups()) data-once {
                    (once())
                    (field(&name, Input::Text, &self.name))
                    (textarea(&members, 4, &self.members))
                    div class="actions" { (button(Button::Primary, "Create the group")) }
                }
            }
        }
    }
}

/// The list as a query asks for it.
pub(crate) struct GroupsPage<'a> {
    place: &'a Place,
    roster: &'a Result<Arc<Roster>, Unread>,
    listing: Listing,
    banner: Option<(Tone, String)>,
    q: Option<String>,
    name: Option<String>,
}

impl<'a> GroupsPage<'a> {
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
            listing: Listing::new(query),
        }
    }

    /// The page, with the form as typed.
    pub fn page(&self, form: &CreateForm) -> Page<'static> {
        let context = html! { "Sets of workers and of other groups, in " (self.place.whole()) };
        let can_write = !matches!(self.roster, Err(Unread::NoToken));
        let head = html! {
            (page_head("Groups", context, html! {}))
            (message(self.banner.as_ref()))
            @if can_write { (form.markup(self.place)) }
            @else { (refusal(form.refusal.as_deref())) }
            @if self.roster.is_ok() { (self.search()) }
        };
        let region = Region {
            name: "groups",
            topics: &["registry"],
            body: match self.roster {
                Ok(roster) => self.lists(roster),
                Err(trouble) => unread(self.place, trouble),
            }
            .into(),
        };
        Page::new("Groups", Nav::Groups, head, vec![region])
    }

    fn search(&self) -> Markup {
        let kept: Vec<_> = self.name.as_deref().map(|name| ("name", name)).into_iter().collect();
        let reset = self.listing.with("q", None);
        search(
            &self.place.groups(),
            "Search by name or id",
            self.q.as_deref(),
            &kept,
            &reset,
        )
    }

    fn lists(&self, roster: &Roster) -> Markup {
        let (reserved, others): (Vec<_>, Vec<_>) = roster
            .groups()
            .iter()
            .filter(|group| self.keeps(group))
            .partition(|group| is_reserved(group));
        let total = others.len() as u64;
        let shown = self.listing.paging(total).slice(total, others.into_iter());
        let table = Table {
            caption: "Groups",
            columns: columns(),
            rows: shown.into_iter().map(|group| self.row(roster, group)).collect(),
            empty: match roster.groups().iter().all(is_reserved) {
                true => empty(
                    "No other group",
                    html! { "Groups of your own name who may take which task, or who belongs to the groups above." },
                ),
                false => no_match("group", &self.place.groups()),
            },
        };
        let filters = html! {
            @if let Some(name) = &self.name {
                (filter("Name", name, self.listing.with("name", Some(name)), self.listing.with("name", None)))
            }
        };
        html! {
            (panel("With authority", None, &self.reserved(roster, &reserved)))
            (panel("Other groups", None, &self.listing.markup("groups", total, &filters, &table)))
        }
    }

    /// The groups that the protocol knows by name, with what each means, and which of them are missing.
    fn reserved(&self, roster: &Roster, shown: &[&Group]) -> Markup {
        let table_of = table(&Table {
            caption: "Groups with authority",
            columns: columns(),
            rows: shown.iter().map(|group| self.row(roster, group)).collect(),
            empty: html! {},
        });
        html! {
            (table_of)
            ul class="meanings" role="list" {
                @for name in RESERVED_GROUPS {
                    @let is_there = roster.groups_named(name).next().is_some();
                    li {
                        strong { (name) } " "
                        @if let Some(may) = self.place.authority(name) { (may) }
                        @if !is_there { " There is no such group yet; create it under this name." }
                    }
                }
            }
        }
    }

    fn keeps(&self, group: &Group) -> bool {
        let name = group.name.as_ref().map(DisplayName::as_str);
        self.name.as_deref().is_none_or(|wanted| name == Some(wanted))
            && self
                .q
                .as_deref()
                .is_none_or(|q| holds(q, &[group.group_id.as_str(), name.unwrap_or_default()]))
    }

    fn row(&self, roster: &Roster, group: &Group) -> Row {
        let reach = roster.reach(group);
        let members: Vec<_> = group
            .members
            .iter()
            .map(|id| member_word(self.place, roster, id))
            .collect();
        Row {
            kind: RowKind::Plain,
            id: group.group_id.to_string(),
            cells: vec![
                group_link(self.place, group),
                when(group.created_at),
                actor(self.place, roster, group.created_by.as_ref()),
                html! { (count(group.members.len() as u64)) },
                html! { (count(reach.workers.len() as u64)) },
                few(&members),
            ],
        }
    }
}

fn is_reserved(group: &Group) -> bool {
    group
        .name
        .as_ref()
        .is_some_and(|name| RESERVED_GROUPS.contains(&name.as_str()))
}

fn columns() -> Vec<Column<'static>> {
    vec![
        Column::text("Group"),
        Column::text("Created"),
        Column::text("By").minor(),
        Column::number("Members"),
        Column::number("Workers in all"),
        Column::text("First members").minor(),
    ]
}
