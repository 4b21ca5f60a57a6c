//! The deployment's groups: the list, and creating one.

use std::sync::Arc;

use maud::{Markup, html};
use poem::web::Form;
use poem::{Response, handler};
use serde::Deserialize;

use crate::client::{ClientError, RegistryClient};
use crate::live::Topic;
use crate::protocol::{DisplayName, ErrorType, Group, RegisterGroup};
use crate::web::parts::listing::Listing;
use crate::web::request::context::Context;
use crate::web::request::htmx::see_other;
use crate::web::request::query::Query;
use crate::web::respond::page::Page;
use crate::web::roster::authority::{RESERVED_GROUPS, authority};
use crate::web::roster::graph::Roster;
use crate::web::roster::input;
use crate::web::roster::links::{
    actor, banner, few, filter, first, group_link, holds, member_word, message, no_match, refusal, search,
};
use crate::web::roster::request::RosterRequest;
use crate::web::roster::unread::Unread;
use crate::web::sections::Section;
use crate::web::ui::{
    Button, Column, Field, Input, Region, Row, RowKind, Table, Tone, button, count, empty, field, page_head, panel,
    table, textarea, when,
};
use crate::web::upstream::Upstream;
use crate::web::urls;
use crate::web::write::act::Act;
use crate::web::write::carry_out::{carry_out, request_id};
use crate::web::write::refusal::{Faults, Refusal};
use crate::web::write::submission_store::Submission;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Creation {
    name: String,
    members: String,
    request_id: String,
}

/// `GET /admin/control/groups/`
#[handler]
pub(crate) async fn get(request: RosterRequest) -> Response {
    if let Some(answer) = request.bar() {
        return answer;
    }
    let roster = request.roster().await;
    let view = View::new(&roster, &request.context.request.page_url);
    let page = view.page(&Creation::default(), &Faults::default());
    request.answer(page, roster.as_ref().map(drop))
}

/// `POST /admin/control/groups/`: `name`, and `members` by line. A form creates one group, however often it is submitted.
#[handler]
pub(crate) async fn post(request: RosterRequest, Form(form): Form<Creation>) -> Response {
    carry_out(Create { request, form }).await
}

/// Creates a group.
struct Create {
    request: RosterRequest,
    form: Creation,
}

impl Act for Create {
    type Checked = (RegistryClient, RegisterGroup);
    type Done = Group;

    const UPSTREAM: Upstream = Upstream::ControlPlane;
    const CHECK: &'static str = "Look for it below before you try again.";

    fn whether(&self) -> &'static str {
        "the group was created"
    }

    fn context(&self) -> &Context {
        &self.request.context
    }

    fn submission(&self) -> Submission<'_> {
        Submission {
            action: urls::groups(),
            request_id: &self.form.request_id,
            typed: vec![&self.form.name, &self.form.members],
        }
    }

    async fn check(&self) -> Result<Self::Checked, Refusal> {
        let client = self.request.client()?;
        // Names of members are looked up in it.
        let roster = self.request.roster().await.ok();
        let members = input::members(&self.form.members, roster.as_deref());
        match (input::name(&self.form.name), members) {
            (Ok(name), Ok(members)) => Ok((client, RegisterGroup { name, members })),
            (name, members) => {
                let mut faults = Faults::default();
                faults.add_error("name", name.map_err(|fault| format!("Not a name: {fault}.")));
                faults.add_error("members", members);
                Err(Refusal::invalid(faults))
            }
        }
    }

    async fn send(&self, (client, request): &Self::Checked) -> Result<Group, ClientError> {
        client.register_group(request).await
    }

    fn ended(&self) {
        self.request.forget_listing();
    }

    fn made(group: &Group) -> String {
        group.group_id.to_string()
    }

    fn landed(&self, _: &Self::Checked, made: &str) -> Response {
        see_other(&format!("{}{made}/?ok=registered", urls::groups()))
    }

    fn explain(&self, error: &ClientError) -> Option<Refusal> {
        Some(match error.error_type()? {
            ErrorType::ReservedIdentifier => Refusal::of_field(
                "name",
                "There is a group of this name already, and there can be only one, since the name carries authority.",
            ),
            ErrorType::InvalidName => Refusal::of_field("name", format!("Not a name: {error}.")),
            ErrorType::CycleDetected => Refusal::of_field("members", "The group would contain itself."),
            _ => return None,
        })
    }

    async fn redraw(&self, refusal: Refusal) -> Response {
        let roster = self.request.roster().await;
        let page = View::new(&roster, urls::groups()).page(&self.form, &refusal.faults);
        self.request
            .answer_write(urls::groups().to_owned(), page.with_status(refusal.status))
    }
}

fn creation(form: &Creation, faults: &Faults) -> Markup {
    let name = Field {
        name: "name",
        label: "Name",
        hint: Some("1 to 128 characters. Two names carry authority, admins and orchestrators; each can be taken once."),
        error: faults.field("name"),
        required: false,
    };
    let members = Field {
        name: "members",
        label: "Members",
        hint: Some(
            "Workers and groups, one a line: an id, or a name that only one has. Lines that begin with # are left out.",
        ),
        error: faults.field("members"),
        required: false,
    };
    html! {
        details class="disclosed" id="create" open[!faults.is_empty()] {
            summary class="button" { "Create a group" }
            (refusal(faults.form.as_deref()))
            form class="form" method="post" action=(urls::groups()) data-once {
                (request_id())
                (field(&name, Input::Text, &form.name))
                (textarea(&members, 4, &form.members))
                div class="actions" { (button(Button::Primary, "Create the group")) }
            }
        }
    }
}

/// The list as a query asks for it.
struct View<'a> {
    roster: &'a Result<Arc<Roster>, Unread>,
    listing: Listing,
    banner: Option<(Tone, String)>,
    q: Option<String>,
    name: Option<String>,
}

impl<'a> View<'a> {
    /// `here` is the path and query.
    fn new(roster: &'a Result<Arc<Roster>, Unread>, here: &str) -> Self {
        let mut query = Query::of(here);
        // Messages are not carried on into links.
        let banner = banner(&mut Query::of(here));
        let text = |most| move |text: &str| Some(first(text, most)).filter(|text| !text.trim().is_empty());
        Self {
            roster,
            banner,
            q: query.take("q", text(64)),
            name: query.take("name", text(128)),
            listing: Listing::new(query),
        }
    }

    /// The page, with the form as typed.
    fn page(&self, form: &Creation, faults: &Faults) -> Page<'static> {
        let context = html! { "Sets of workers and of other groups, in " ("the deployment") };
        let can_write = !matches!(self.roster, Err(Unread::NoToken));
        let head = html! {
            (page_head("Groups", context, html! {}))
            (message(self.banner.as_ref()))
            @if can_write { (creation(form, faults)) }
            @else { (refusal(faults.form.as_deref())) }
            @if self.roster.is_ok() { (self.search()) }
        };
        let region = Region {
            name: "groups",
            topics: &[Topic::Registry],
            body: match self.roster {
                Ok(roster) => self.lists(roster),
                Err(unread) => unread.markup(),
            }
            .into(),
        };
        Page::new("Groups", Section::Groups, head, vec![region])
    }

    fn search(&self) -> Markup {
        let kept: Vec<_> = self.name.as_deref().map(|name| ("name", name)).into_iter().collect();
        let reset = self.listing.with("q", None);
        search(urls::groups(), "Search by name or id", self.q.as_deref(), &kept, &reset)
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
                false => no_match("group", urls::groups()),
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
                        @if let Some(may) = authority(name) { (may) }
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
        let members: Vec<_> = group.members.iter().map(|id| member_word(roster, id)).collect();
        Row {
            kind: RowKind::Plain,
            id: group.group_id.to_string(),
            cells: vec![
                group_link(group),
                when(group.created_at),
                actor(roster, group.created_by.as_ref()),
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
