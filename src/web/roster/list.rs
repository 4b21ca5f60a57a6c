//! The list of workers or of groups, as a query asks for it.

use std::sync::Arc;

use maud::{Markup, html};

use crate::live::Topic;
use crate::web::parts::listing::Listing;
use crate::web::request::Query;
use crate::web::respond::Page;
use crate::web::roster::graph::Roster;
use crate::web::roster::links::{banner, filter, first, message, refusal};
use crate::web::roster::unread::Unread;
use crate::web::sections::Section;
use crate::web::ui::{Button, Region, Tone, button, page_head};
use crate::web::write::{FormErrors, request_id};

/// What a list shows of the roster, and the query that its links are made from.
pub(crate) struct RosterList<'a> {
    /// The workers and groups, or why they are not known.
    pub roster: &'a Result<Arc<Roster>, Unread>,
    /// Order and page.
    pub listing: Listing,
    banner: Option<(Tone, String)>,
    /// What is searched for.
    q: Option<String>,
    /// The whole name that is filtered by.
    name: Option<String>,
}

impl<'a> RosterList<'a> {
    /// Reads a query; `take_more` reads what only this list knows.
    pub fn new<T>(
        roster: &'a Result<Arc<Roster>, Unread>,
        page_url: &str,
        take_more: impl FnOnce(&mut Query) -> T,
    ) -> (Self, T) {
        let mut query = Query::of(page_url);
        // Messages are not carried on into links.
        let banner = banner(&mut Query::of(page_url));
        let text = |most| move |text: &str| Some(first(text, most)).filter(|text| !text.trim().is_empty());
        let (q, name, more) = (
            query.take("q", text(64)),
            query.take("name", text(128)),
            take_more(&mut query),
        );
        let list = Self {
            roster,
            listing: Listing::new(query),
            banner,
            q,
            name,
        };
        (list, more)
    }

    /// The page: heading, message, the form that adds to the list, and the list.
    pub fn page(
        &self,
        section: Section,
        context: &str,
        form: &AddForm,
        search: &Search,
        rows: impl FnOnce(&Roster) -> Markup,
    ) -> Page<'static> {
        let title = section.info().label;
        let head = html! {
            (page_head(title, html! { (context) }, html! {}))
            (message(self.banner.as_ref()))
            @if matches!(self.roster, Err(Unread::NoToken)) { (refusal(form.faults.form.as_deref())) }
            @else { (form.markup()) }
            @if self.roster.is_ok() { (self.search(search)) }
        };
        let body = match self.roster {
            Ok(roster) => rows(roster),
            Err(unread) => unread.markup(),
        };
        let region = Region::new(search.region, &[Topic::Registry], body);
        Page::new(title, section, head, vec![region])
    }

    /// Whether the filters keep an entry of this name; `matches` says whether it has what is searched for.
    pub fn keeps(&self, name: Option<&str>, matches: impl FnOnce(&str) -> bool) -> bool {
        self.name.as_deref().is_none_or(|wanted| name == Some(wanted)) && self.q.as_deref().is_none_or(matches)
    }

    /// The filter by name, where a link set it, and the way out of it.
    pub fn name_filter(&self) -> Markup {
        html! {
            @if let Some(name) = &self.name {
                (filter("Name", name, self.listing.with("name", Some(name)), self.listing.with("name", None)))
            }
        }
    }

    /// A search by `q`, which keeps the other filters that are in force.
    fn search(&self, search: &Search) -> Markup {
        let (label, q) = (search.label, self.q.as_deref());
        let name = self.name.as_deref().map(|name| ("name", name));
        html! {
            form class="search" role="search" method="get" action=(search.action) {
                label class="sr" for="q" { (label) }
                input id="q" name="q" type="search" value=[q] placeholder=(label) maxlength="64" autocomplete="off" spellcheck="false";
                @for (name, value) in name.into_iter().chain(search.kept) { input type="hidden" name=(name) value=(value); }
                button type="submit" class="button" { "Search" }
                @if q.is_some() { a href=(self.listing.with("q", None)) { "Clear" } }
            }
        }
    }
}

/// How a list is searched.
pub(crate) struct Search<'a> {
    /// The name of the list's region.
    pub region: &'static str,
    /// The path of the list.
    pub action: &'a str,
    pub label: &'a str,
    /// A filter that the search keeps, beside that by name.
    pub kept: Option<(&'a str, &'a str)>,
}

/// The form that adds to a list, folded away until it is wanted.
pub(crate) struct AddForm<'a> {
    pub id: &'a str,
    pub title: &'a str,
    pub action: &'a str,
    pub faults: &'a FormErrors,
    pub fields: Markup,
    pub submit: &'a str,
}

impl AddForm<'_> {
    fn markup(&self) -> Markup {
        html! {
            details class="disclosed" id=(self.id) open[!self.faults.is_empty()] {
                summary class="button" { (self.title) }
                (refusal(self.faults.form.as_deref()))
                form class="form" method="post" action=(self.action) data-once {
                    (request_id())
                    (self.fields)
                    div class="actions" { (button(Button::Primary, self.submit)) }
                }
            }
        }
    }
}
