//! The deployment's groups: the list, and creating one.

use std::sync::Arc;

use maud::{Markup, html};
use poem::web::Form;
use poem::{Response, handler};
use serde::Deserialize;

use crate::client::{ClientError, RegistryClient};
use crate::protocol::{DisplayName, ErrorType, Group, RegisterGroup};
use crate::web::request::{Context, see_other};
use crate::web::respond::Page;
use crate::web::roster::authority::{RESERVED_GROUPS, authority};
use crate::web::roster::graph::Roster;
use crate::web::roster::input;
use crate::web::roster::links::{actor, few, group_link, holds, member_word, no_match};
use crate::web::roster::list::{AddForm, RosterList, Search};
use crate::web::roster::request::RosterRequest;
use crate::web::roster::unread::Unread;
use crate::web::sections::Section;
use crate::web::ui::{Column, Field, Input, Row, RowKind, Table, count, empty, field, panel, table, textarea, when};
use crate::web::upstream::Upstream;
use crate::web::urls;
use crate::web::write::{Act, FormErrors, Refusal, Submission, carry_out};

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
    let (form, faults) = (Creation::default(), FormErrors::default());
    request
        .answer_list(|roster, page_url| page(roster, page_url, &form, &faults))
        .await
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
    const ADVICE: &'static str = "Look for it below before you try again.";

    fn what_was_done(&self) -> &'static str {
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
                let mut faults = FormErrors::default();
                faults.add_error("name", name.map_err(|fault| format!("Not a name: {fault}.")));
                faults.add_error("members", members);
                Err(Refusal::invalid(faults))
            }
        }
    }

    async fn send(&self, (client, request): &Self::Checked) -> Result<Group, ClientError> {
        client.register_group(request).await
    }

    fn after_send(&self) {
        self.request.forget_listing();
    }

    fn created_id(group: &Group) -> String {
        group.group_id.to_string()
    }

    fn done_response(&self, _: &Self::Checked, made: &str) -> Response {
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
        let page = page(&roster, urls::groups(), &self.form, &refusal.faults);
        self.request
            .answer_write(urls::groups().to_owned(), page.with_status(refusal.status))
    }
}

/// The page as a query asks for it, with the form as typed.
fn page(roster: &Result<Arc<Roster>, Unread>, page_url: &str, form: &Creation, faults: &FormErrors) -> Page<'static> {
    let (list, ()) = RosterList::new(roster, page_url, |_| ());
    let search = Search {
        region: "groups",
        action: urls::groups(),
        label: "Search by name or id",
        kept: None,
    };
    let context = "Sets of workers and of other groups, in the deployment";
    let form = creation(form, faults);
    list.page(Section::Groups, context, &form, &search, |roster| {
        View { list: &list }.lists(roster)
    })
}

fn creation<'a>(form: &Creation, faults: &'a FormErrors) -> AddForm<'a> {
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
    AddForm {
        id: "create",
        title: "Create a group",
        action: urls::groups(),
        faults,
        fields: html! {
            (field(&name, Input::Text, &form.name))
            (textarea(&members, 4, &form.members))
        },
        submit: "Create the group",
    }
}

struct View<'a> {
    list: &'a RosterList<'a>,
}

impl View<'_> {
    fn lists(&self, roster: &Roster) -> Markup {
        let (reserved, others): (Vec<_>, Vec<_>) = roster
            .groups()
            .iter()
            .filter(|group| self.keeps(group))
            .partition(|group| is_reserved(group));
        let total = others.len() as u64;
        let shown = self.list.listing.paging(total).slice(total, others.into_iter());
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
        html! {
            (panel("With authority", None, &self.reserved(roster, &reserved)))
            (panel("Other groups", None, &self.list.listing.markup("groups", total, &self.list.name_filter(), &table)))
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
        let texts = [group.group_id.as_str(), name.unwrap_or_default()];
        self.list.keeps(name, |q| holds(q, &texts))
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
