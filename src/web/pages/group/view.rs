//! The page of a group: who is in it and how, and the forms that change that.

use std::sync::Arc;

use maud::{Markup, html};
use serde::Deserialize;

use crate::live::Topic;
use crate::protocol::{Group, GroupId, MemberId, Worker};
use crate::web::request::Query;
use crate::web::respond::Page;
use crate::web::roster::authority::{authority, loss};
use crate::web::roster::graph::{Found, Member, Reach, Roster};
use crate::web::roster::input::confirmation;
use crate::web::roster::links::{actor, banner, few, group_word, member_link, message, refusal, worker_link};
use crate::web::roster::unread::Unread;
use crate::web::sections::Section;
use crate::web::ui::{
    Button, Column, Field, Input, Region, Row, RowKind, Table, Tone, button, copyable, count, crumbs, definitions,
    empty, field, id_text, notice, page_head, panel, short, table, when_dated,
};
use crate::web::urls;
use crate::web::write::{FormErrors, request_id};

/// Rows of each table; the rest is found through the list of workers.
const SHOWN: usize = 200;
/// Entries offered to pick from.
const OFFERED: usize = 1000;

/// What was typed into the page's forms, each of which sends its own part of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    pub member_id: String,
    pub confirm: String,
    pub request_id: String,
}

/// The page of a group, as far as it is known.
pub(super) struct View<'a> {
    pub id: &'a GroupId,
    pub roster: &'a Result<Arc<Roster>, Unread>,
    /// Path and query.
    pub page_url: &'a str,
}

impl View<'_> {
    /// The page, with the forms as typed and what became of one of them.
    pub fn page(&self, form: &Typed, faults: &FormErrors) -> Page<'static> {
        let known = self
            .roster
            .as_ref()
            .ok()
            .and_then(|roster| Some((roster, roster.group(self.id)?)));
        let name = known.and_then(|(_, group)| group.name.as_ref());
        let title = name.map_or_else(|| short(self.id.as_str()), ToString::to_string);
        // The form stays while the roster cannot be read, so that nothing typed is lost.
        let may_change = known.is_some() || matches!(self.roster, Err(Unread::Failed(_)));
        let may = name.and_then(|name| authority(name.as_str()));
        let groups = urls::groups();
        let head = html! {
            (crumbs(&[("Groups", groups)]))
            (page_head(&title, copyable(self.id.as_str()), html! {}))
            (message(banner(&mut Query::of(self.page_url)).as_ref()))
            (refusal(faults.form.as_deref()))
            @if let Some(may) = may { p { (may) } }
            @if may_change { (self.add_form(known.map(|(roster, _)| roster.as_ref()), form, faults)) }
        };
        let body = match (self.roster, known) {
            (Err(unread), _) => unread.markup(),
            (Ok(_), Some((roster, group))) => self.contents(roster, group),
            (Ok(_), None) => html! { p { "There is no such group now." } },
        };
        let region = Region::new("group", &[Topic::Registry], body);
        let mut page = Page::new(title, Section::Groups, head, vec![region]);
        if may_change {
            page.foot = self.delete_form(known.map(|(roster, group)| (roster.as_ref(), group)), form, faults);
        }
        page
    }

    fn add_form(&self, roster: Option<&Roster>, form: &Typed, faults: &FormErrors) -> Markup {
        let member = Field {
            name: "member_id",
            label: "Add a member",
            hint: Some("A worker or a group: its id, or a name that only one has."),
            error: faults.field("member_id"),
            required: true,
        };
        let (workers, groups) = roster.map_or((&[][..], &[][..]), |known| (known.workers(), known.groups()));
        let workers = workers
            .iter()
            .map(|w| (w.worker_id.as_str(), "worker", w.name.as_ref()));
        let groups = groups.iter().filter(|group| group.group_id != *self.id);
        let groups = groups.map(|g| (g.group_id.as_str(), "group", g.name.as_ref()));
        html! {
            form class="form form-line" method="post" action=(urls::group_members(self.id)) data-once {
                (request_id())
                (field(&member, Input::Listed("candidates"), &form.member_id))
                (button(Button::Primary, "Add"))
                datalist id="candidates" {
                    @for (id, kind, name) in groups.chain(workers).take(OFFERED) {
                        option value=(id) { (kind) @if let Some(name) = name { " " (name) } }
                    }
                }
            }
            // The buttons that belong to it stand in the rows below, which are drawn anew while this stays.
            form id="remove" method="post" action=(urls::group(self.id)) { (request_id()) }
        }
    }

    fn contents(&self, roster: &Roster, group: &Group) -> Markup {
        let reach = roster.reach(group);
        let within: Vec<_> = roster
            .groups_of(&MemberId::from(self.id))
            .into_iter()
            .filter(|outer| outer.group_id != *self.id)
            .collect();
        let within: Vec<_> = within.into_iter().map(group_word).collect();
        html! {
            @if reach.is_cyclic {
                (notice(Tone::Warn, &html! { p { "A group in here contains itself. Membership is resolved all the same, each worker once; take one of the links out to end it." } }))
            }
            (definitions(&[
                ("Created", when_dated(group.created_at)),
                ("By", actor(roster, group.created_by.as_ref())),
                ("Workers in all", html! { (count(reach.workers.len() as u64)) }),
                ("In the groups", few(&within)),
            ]))
            (panel("Members", None, &self.members(roster, group)))
            (dangling(&reach.dangling))
            (self.workers(&reach))
        }
    }

    fn members(&self, roster: &Roster, group: &Group) -> Markup {
        let row = |id: &MemberId| {
            let (kind, brings) = match roster.member(id) {
                Member::Worker(_) => ("worker", html! {}),
                Member::Group(inner) => {
                    let workers = roster.reach(inner).workers.len() as u64;
                    ("group", html! { (count(workers)) })
                }
                Member::Dangling => ("not registered", html! {}),
            };
            let label = format!("Take out {}", roster.member(id).name().unwrap_or(id.as_str()));
            Row {
                kind: RowKind::Plain,
                id: id.to_string(),
                cells: vec![
                    member_link(roster, id),
                    html! { (kind) },
                    brings,
                    html! {
                        button type="submit" class="button" form="remove" formaction=(urls::remove_group_member(self.id, id))
                            aria-label=(label) { "Take out" }
                    },
                ],
            }
        };
        html! {
            (table(&Table {
                caption: "Members",
                columns: vec![Column::text("Member"), Column::text("Is a"), Column::number("Workers in it"), Column::number("")],
                rows: group.members.iter().take(SHOWN).map(row).collect(),
                empty: empty("No member", html! { "Adding a worker or a group puts it here." }),
            }))
            (beyond(group.members.len(), "members"))
        }
    }

    /// The workers, each with the groups on the way to it.
    fn workers(&self, reach: &Reach) -> Markup {
        let all = format!("{}?group={}", urls::workers(), self.id);
        let row = |found: &Found<&Worker>| Row {
            kind: RowKind::Plain,
            // The same worker may be a member, and have a row above.
            id: format!("in-{}", found.item.worker_id),
            cells: vec![worker_link(found.item), self.way(&found.through)],
        };
        let body = html! {
            (table(&Table {
                caption: "Workers in all",
                columns: vec![Column::text("Worker"), Column::text("Through")],
                rows: reach.workers.iter().take(SHOWN).map(row).collect(),
                empty: empty("No worker", html! { "The group admits nobody until a worker is in it, or in a group in it." }),
            }))
            (beyond(reach.workers.len(), "workers"))
        };
        panel("Workers in all", Some(("Among all workers", all)), &body)
    }

    /// The groups on the way; of more than three the first and the last.
    fn way(&self, through: &[&Group]) -> Markup {
        let word = |group| group_word(group);
        match through {
            [] => html! { span class="muted" { "directly" } },
            [first, middle @ .., last] if middle.len() > 1 => {
                html! { (word(first)) " \u{203a} \u{2026} \u{203a} " (word(last)) }
            }
            all => html! { @for (at, group) in all.iter().enumerate() { @if at > 0 { " \u{203a} " } (word(group)) } },
        }
    }

    fn delete_form(&self, known: Option<(&Roster, &Group)>, form: &Typed, faults: &FormErrors) -> Markup {
        let name = known.and_then(|(_, group)| group.name.as_ref());
        let expected = confirmation(name, self.id.as_str());
        let label = format!("Type \u{201c}{expected}\u{201d} to confirm");
        let confirm = Field {
            name: "confirm",
            label: &label,
            hint: None,
            error: faults.field("confirm"),
            required: true,
        };
        let loss = name.and_then(|name| loss(name.as_str()));
        panel(
            "Delete this group",
            None,
            &html! {
                @if let Some(loss) = loss { (notice(Tone::Bad, &html! { p { strong { "This group carries authority. " } (loss) } })) }
                p {
                    @if let Some((roster, group)) = known { (self.lost(roster, group)) }
                    "The workers stay; the group and its id do not come back."
                }
                form class="form" method="post" action=(urls::delete_group(self.id)) data-once {
                    (request_id())
                    (field(&confirm, Input::Text, &form.confirm))
                    div class="actions" { (button(Button::Danger, "Delete the group")) }
                }
            },
        )
    }

    /// What goes with the group.
    fn lost(&self, roster: &Roster, group: &Group) -> Markup {
        let workers = roster.reach(group).workers.len() as u64;
        let named_by = roster.direct_groups_of(&MemberId::from(self.id)).count() as u64;
        html! {
            (plural(workers, "worker")) " lose" @if workers == 1 { "s" } " what is given through this group. "
            @if named_by > 0 { (plural(named_by, "group")) " name" @if named_by == 1 { "s" } " it as a member, and keep" @if named_by == 1 { "s" } " an id that admits nobody. " }
        }
    }
}

fn dangling(found: &[Found<&MemberId>]) -> Markup {
    if found.is_empty() {
        return html! {};
    }
    let list = html! {
        p class="muted" { "Nothing is registered under these ids, or no longer. They admit nobody." }
        ul class="outcome" role="list" {
            @for found in found.iter().take(SHOWN) {
                li {
                    (id_text(found.item.as_str()))
                    @if let Some(last) = found.through.last() {
                        span class="muted" { "in " @match &last.name { Some(name) => { (name) } None => { (short(last.group_id.as_str())) } } }
                    }
                }
            }
        }
        (beyond(found.len(), "ids"))
    };
    panel("Not registered", None, &list)
}

fn beyond(all: usize, what: &str) -> Markup {
    let more = all.saturating_sub(SHOWN) as u64;
    html! { @if more > 0 { p class="muted" { "and " (count(more)) " more " (what) } } }
}

fn plural(number: u64, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        number => format!("{} {what}s", count(number)),
    }
}
