//! Markup that the pages of workers and groups share: links, messages, filters.

use maud::{Markup, html};

use crate::protocol::{Actor, DisplayName, Group, MemberId, Worker};
use crate::web::request::Query;
use crate::web::roster::graph::{Member, Roster};
use crate::web::ui::{Chip, Tone, chips, empty, id_text, notice, short};
use crate::web::urls;

/// Characters of labels that a row shows.
const LABELS_SHOWN: usize = 120;
/// Groups and members that a row names.
const NAMED: usize = 3;

/// What a redirect, or a link from elsewhere, says happened.
pub(crate) fn banner(query: &mut Query) -> Option<(Tone, String)> {
    let line = query.take("line", |line| {
        let is_number = (1..=5).contains(&line.len()) && line.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| line.to_owned())
    });
    let key = ["ok", "warn", "error"]
        .into_iter()
        .find_map(|name| query.take(name, |key| Some(key.to_owned())))?;
    let (tone, words) = match key.as_str() {
        "registered" => (Tone::Good, "The group was created."),
        "added" => (Tone::Good, "The member was added."),
        "added-dangling" => (
            Tone::Warn,
            "The member was added. Nothing is registered under this id, so it admits nobody.",
        ),
        "removed" => (Tone::Good, "The member was taken out."),
        "deleted" => (Tone::Good, "The group was deleted."),
        "reissued" => (Tone::Good, "A new secret was issued; the old one no longer works."),
        "not-found" => (Tone::Bad, "There is no such worker. Nothing was changed."),
        "group-not-found" => (
            Tone::Bad,
            "There is no such group any more; somebody may have deleted it. Nothing was changed.",
        ),
        "cycle-detected" => (Tone::Bad, "The group would contain itself. Nothing was changed."),
        "reserved-name" => (Tone::Bad, "The name is reserved. Nothing was changed."),
        "invalid-name" => (Tone::Bad, "The name is not well-formed. Nothing was changed."),
        "invalid-labels" | "invalid-labels-line" => {
            let place = line.map(|line| format!(" in line {line}")).unwrap_or_default();
            return Some((
                Tone::Bad,
                format!("A label is written key=value; there is a fault{place}. Nothing was changed."),
            ));
        }
        "invalid-member-id" | "invalid-members" => (Tone::Bad, "A member is named by an id. Nothing was changed."),
        "transport" => (
            Tone::Bad,
            "The registry could not be asked, or refused. Look at what is there before trying again.",
        ),
        _ => return None,
    };
    Some((tone, words.to_owned()))
}

/// A message above the page's content.
pub(crate) fn message(message: Option<&(Tone, String)>) -> Markup {
    html! { @if let Some((tone, words)) = message { (notice(*tone, &html! { p { (words) } })) } }
}

/// That something was not done.
pub(crate) fn refusal(words: Option<&str>) -> Markup {
    html! { @if let Some(words) = words { (notice(Tone::Bad, &html! { p { (words) } })) } }
}

/// A filter that a link set, and the way out of it.
pub(crate) fn filter(label: &str, value: &str, here: String, without: String) -> Markup {
    let chip = |text: &str, href, current| Chip {
        text: text.to_owned(),
        count: None,
        href,
        current,
    };
    chips(label, &[chip("any", without, false), chip(value, here, true)])
}

/// A filter that matched nothing, and the way to all.
pub(crate) fn no_match(what: &str, all: &str) -> Markup {
    empty(
        &format!("No {what} matches"),
        html! { a href=(all) { "Show all " (what) "s" } },
    )
}

/// A link by name and id, as the first cell of a row or within a list.
fn named(href: &str, name: Option<&DisplayName>, id: &str) -> Markup {
    html! {
        @match name {
            Some(name) => {
                span class="named" { a class="name" href=(href) title={ (name) " \u{b7} " (id) } { (name) } " " (id_text(id)) }
            }
            None => { a class="id" href=(href) title=(id) { (short(id)) } }
        }
    }
}

pub(crate) fn worker_link(worker: &Worker) -> Markup {
    named(
        &urls::worker(&worker.worker_id),
        worker.name.as_ref(),
        worker.worker_id.as_str(),
    )
}

pub(crate) fn group_link(group: &Group) -> Markup {
    named(
        &urls::group(&group.group_id),
        group.name.as_ref(),
        group.group_id.as_str(),
    )
}

/// Within a line: by the name alone where there is one.
fn word(href: &str, name: Option<&DisplayName>, id: &str) -> Markup {
    html! {
        a href=(href) title=(id) class=[name.is_none().then_some("id")] {
            @match name { Some(name) => { (name) } None => { (short(id)) } }
        }
    }
}

fn worker_word(worker: &Worker) -> Markup {
    word(
        &urls::worker(&worker.worker_id),
        worker.name.as_ref(),
        worker.worker_id.as_str(),
    )
}

pub(crate) fn group_word(group: &Group) -> Markup {
    word(
        &urls::group(&group.group_id),
        group.name.as_ref(),
        group.group_id.as_str(),
    )
}

pub(crate) fn member_link(roster: &Roster, id: &MemberId) -> Markup {
    match roster.member(id) {
        Member::Worker(worker) => worker_link(worker),
        Member::Group(group) => group_link(group),
        Member::Dangling => id_text(id.as_str()),
    }
}

/// A member within a line.
pub(crate) fn member_word(roster: &Roster, id: &MemberId) -> Markup {
    match roster.member(id) {
        Member::Worker(worker) => worker_word(worker),
        Member::Group(group) => group_word(group),
        Member::Dangling => id_text(id.as_str()),
    }
}

/// Who did it: a link where it is a worker that is registered here.
pub(crate) fn actor(roster: &Roster, actor: Option<&Actor>) -> Markup {
    match actor {
        None => html! { "\u{2013}" },
        Some(Actor::Admin) => html! { "admin" },
        Some(Actor::Worker(id)) => match roster.worker(id) {
            Some(worker) => worker_word(worker),
            None => id_text(id.as_str()),
        },
    }
}

/// Labels in one line, cut where they are too long.
pub(crate) fn labels_line(worker: &Worker) -> Markup {
    let all = labels_text(worker);
    if all.chars().count() <= LABELS_SHOWN {
        return html! { span class="labels" title=(all) { (all) } };
    }
    let head: String = all.chars().take(LABELS_SHOWN - 1).collect();
    html! { span class="labels" title=(all) { (head) "\u{2026}" } }
}

/// Every label, sorted by key.
pub(crate) fn labels_text(worker: &Worker) -> String {
    let labels: Vec<_> = worker
        .labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    labels.join(", ")
}

/// The first few of many things, and how many more there are.
pub(crate) fn few(things: &[Markup]) -> Markup {
    let more = things.len().saturating_sub(NAMED);
    html! {
        @if things.is_empty() { span class="muted" { "\u{2013}" } }
        @for (at, thing) in things.iter().take(NAMED).enumerate() { @if at > 0 { ", " } (thing) }
        @if more > 0 { " " span class="muted" { "+" (more) } }
    }
}

/// Whether any of these holds what was searched for, however it is written.
pub(crate) fn holds(q: &str, texts: &[&str]) -> bool {
    let q = q.to_lowercase();
    texts.iter().any(|text| text.to_lowercase().contains(&q))
}

/// So many first characters, as far as there are.
pub(crate) fn first(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}
