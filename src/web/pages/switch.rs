//! Finding an experiment to switch to: the answer to what is typed into the switcher, and the same as a page for
//! browsers without script.

use maud::html;
use poem::{Response, handler};

use crate::live::{SearchText, Topic};
use crate::web::request::{Context, Deployment, PageScope, Query};
use crate::web::respond::{MAX_LISTED, Page, answer, answer_bar, stale_reason, switch_entry};
use crate::web::ui::{FOUND, Region, SwitchMatches, page_head, switch_matches, switcher_found};
use crate::web::urls;

/// `GET /switch`: the experiments whose name or id has `q` in it, the best matches first. The script of the switcher asks
/// for them as a part, and its form has the rest.
#[handler]
pub(crate) fn get(deployment: Deployment) -> Response {
    let context = &*deployment.context;
    let mut query = Query::of(&context.htmx.page_url);
    let typed = query.take("q", |q| Some(q.to_owned())).unwrap_or_default();
    if matches!(&context.htmx.scope, PageScope::Region(name) if name == FOUND) {
        return Response::builder()
            .content_type("text/html; charset=utf-8")
            .header("cache-control", "private, no-store")
            .body(switcher_found(&found(context, &typed)).into_string());
    }
    if let Some(bar) = answer_bar(context) {
        return bar;
    }
    let next = query.take("next", |next| Some(next.to_owned())).unwrap_or_default();
    answer(context, &page(context, &typed, &next))
}

fn found(context: &Context, typed: &str) -> SwitchMatches {
    let registry = &context.registry;
    let matches = SearchText::parse(typed).map(|text| registry.search(&text, MAX_LISTED));
    let (rows, total) = match matches {
        Some(matches) => (matches.rows, matches.total),
        // Nothing was typed, which every experiment matches.
        None => (
            registry.rows.values().rev().take(MAX_LISTED).cloned().collect(),
            registry.rows.len(),
        ),
    };
    SwitchMatches {
        entries: rows.iter().map(|row| switch_entry(row)).collect(),
        total,
        stale_reason: stale_reason(registry),
    }
}

fn page(context: &Context, typed: &str, next: &str) -> Page<'static> {
    let search = html! {
        form class="search" role="search" method="get" action=(urls::switch()) {
            label class="sr" for="q" { "Search by name or id" }
            input id="q" name="q" type="search" value=(typed) placeholder="Search by name or id" maxlength="128"
                autocomplete="off" spellcheck="false";
            input type="hidden" name="next" value=(next);
            button type="submit" class="button" { "Search" }
        }
    };
    let list = html! {
        form class="switch-list" method="post" {
            input type="hidden" name="next" value=(next);
            (switch_matches(&found(context, typed)))
        }
    };
    let head = html! {
        (page_head("Switch experiment", html! { "Every registered experiment can be found here" }, html! {}))
        (search)
    };
    let region = Region::new("matches", &[Topic::Registry], list);
    Page::new("Switch experiment", None, head, vec![region])
}
