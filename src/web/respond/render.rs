//! From a page and its context to an answer: a document, `<main>` with the bar, or regions.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use maud::{Markup, html};
use poem::Response;
use poem::http::{HeaderValue, StatusCode, header};

use crate::compression::Encoded;
use crate::live::Topic;
use crate::web::auth::Operator;
use crate::web::request::{Active, Context, PageScope};
use crate::web::respond::banner::banner;
use crate::web::respond::bar::{Bar, BarRegion, badge};
use crate::web::respond::changes;
use crate::web::respond::links::relative_links;
use crate::web::respond::page::Page;
use crate::web::respond::page_cache::{PageKey, Rendered, VersionKey};
use crate::web::respond::response::respond;
use crate::web::respond::switch_list::listed_experiments;
use crate::web::ui::{Region, document, fragment, region, staleness, wide_and_narrow};

/// Answers with a page that is drawn from the experiment's view alone, from the cache where possible.
///
/// A region is rendered once for each role and each change of its own topics, however many requests ask for it and
/// whatever else changes meanwhile.
pub(crate) fn answer_from_view<'p>(active: &Active, draw: impl FnOnce() -> Page<'p>) -> Response {
    let context = &*active.context;
    let names: Vec<&str> = match &context.htmx.scope {
        PageScope::Region(name) => vec![name],
        PageScope::Regions(known) => known.iter().map(|known| known.name.as_str()).collect(),
        PageScope::Document | PageScope::Main { .. } => {
            let mut data = DefaultHasher::new();
            active.mirror.epoch().hash(&mut data);
            (active.view.revisions.current(), &active.view.freshness).hash(&mut data);
            (context.registry.revision, &context.registry.freshness).hash(&mut data);
            listed_experiments(context).hash(&mut data);
            let operator = Some(context.operator().clone());
            let key = key(context, context.htmx.scope.clone(), operator, data.finish());
            let rendered = context.console.pages.get_or_draw(&key, || render(context, &draw()));
            return respond(context, rendered);
        }
    };
    count_requested(context);
    let bar_only = names.iter().all(|name| BarRegion::named(name).is_some());
    let page = (!bar_only).then(draw);
    // One region, drawn anew only if its own topics changed.
    let one = |name: &str| {
        let wanted = Wanted::named(name, page.as_ref())?;
        let key = key(
            context,
            PageScope::Region(name.to_owned()),
            None,
            data_of(active, &[name], wanted.topics()),
        );
        Some(context.console.pages.get_or_draw(&key, || wanted.render(context)))
    };
    let rendered = match &context.htmx.scope {
        PageScope::Regions(known) => {
            let topics: Option<Vec<_>> = names
                .iter()
                .map(|name| Some(Wanted::named(name, page.as_ref())?.topics()))
                .collect();
            // Whether the page has the region may depend on any data, so that is not cached.
            let Some(topics) = topics else {
                return respond(context, Rendered::Reload);
            };
            let data = data_of(active, &names, &topics.concat());
            let key = key(context, context.htmx.scope.clone(), None, data);
            let changes = || {
                changes::render(context, StatusCode::OK, known, |name| {
                    one(name).unwrap_or(Rendered::Reload)
                })
            };
            context.console.pages.get_or_draw(&key, changes)
        }
        _ => names.first().and_then(|name| one(name)).unwrap_or(Rendered::Reload),
    };
    respond(context, rendered)
}

/// Answers with a page whose data was read for this request, past the cache.
pub(crate) fn answer(context: &Context, page: &Page) -> Response {
    count_requested(context);
    let mut response = respond(context, render(context, page));
    if page.holds_secret {
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Answers with the regions of the bar that the request wants, without making the page; none when it wants something
/// else.
pub(crate) fn answer_bar(context: &Context) -> Option<Response> {
    let bar_only = match &context.htmx.scope {
        PageScope::Region(name) => BarRegion::named(name).is_some(),
        PageScope::Regions(known) => known.iter().all(|known| BarRegion::named(&known.name).is_some()),
        PageScope::Document | PageScope::Main { .. } => false,
    };
    bar_only.then(|| answer(context, &Page::new("", None, Markup::default(), Vec::new())))
}

/// Answers a request for regions of a page that cannot be drawn now, with the status that says why: the regions of the bar
/// are still right, the others keep their content.
pub(crate) fn answer_bar_with(
    context: &Context,
    status: StatusCode,
    is_current: impl Fn(BarRegion) -> bool,
) -> Response {
    let PageScope::Regions(known) = &context.htmx.scope else {
        return status.into();
    };
    let known: Vec<_> = known
        .iter()
        .filter(|known| BarRegion::named(&known.name).is_some_and(&is_current))
        .cloned()
        .collect();
    let none = Page::new("", None, Markup::default(), Vec::new());
    match changes::render(context, status, &known, |name| render_region(context, name, &none)) {
        Rendered::Unchanged => status.into(),
        changes => respond(context, changes),
    }
}

/// Answers a write with the page at `page_url`. The write's own path is not a page's, so it is kept out of the
/// browser's history.
pub(crate) fn answer_write(context: &Context, page_url: String, page: &Page) -> Response {
    let mut response = answer(&context.with_page_url(page_url), page);
    let headers = response.headers_mut();
    headers.insert("hx-push-url", HeaderValue::from_static("false"));
    response
}

/// A hash of the data that some regions are drawn from.
fn data_of(active: &Active, names: &[&str], topics: &[Topic]) -> u64 {
    let registry = &active.context.registry;
    let mut data = DefaultHasher::new();
    active.mirror.epoch().hash(&mut data);
    active.view.revisions.last_of(topics).hash(&mut data);
    if topics.contains(&Topic::Registry) {
        (registry.revision, &registry.freshness).hash(&mut data);
    }
    if topics.contains(&Topic::Freshness) {
        active.view.freshness.hash(&mut data);
    }
    if names.contains(&BarRegion::Switcher.name()) {
        listed_experiments(&active.context).hash(&mut data);
    }
    data.finish()
}

fn key(context: &Context, scope: PageScope, operator: Option<Operator>, data: u64) -> PageKey {
    PageKey {
        page_url: context.htmx.page_url.clone(),
        document_path: context.htmx.document_path.clone(),
        scope,
        operator,
        role: context.role.clone(),
        data,
    }
}

fn count_requested(context: &Context) {
    let regions = match &context.htmx.scope {
        PageScope::Region(_) => 1,
        PageScope::Regions(known) => known.len(),
        PageScope::Document | PageScope::Main { .. } => return,
    };
    context.console.pages.count_requested(regions);
}

fn render(context: &Context, page: &Page) -> Rendered {
    let bar = || Bar::of(context);
    let markup = match &context.htmx.scope {
        PageScope::Document => document(&bar().shell(page, &main(context, page))),
        PageScope::Main { stream_changes } => fragment(&bar().shell(page, &main(context, page)), *stream_changes),
        PageScope::Region(name) => return render_region(context, name, page),
        PageScope::Regions(known) => {
            return changes::render(context, StatusCode::OK, known, |name| {
                render_region(context, name, page)
            });
        }
    };
    let markup = relative_links(markup.into_string(), &context.htmx.document_path);
    let body = if page.holds_secret {
        Encoded::never(markup)
    } else {
        Encoded::new(markup)
    };
    Rendered::Html {
        status: page.status,
        body: Arc::new(body),
        etag: None,
    }
}

/// The content of `<main>`: banner and staleness notice, then the page. The page of a fault says itself what is wrong.
fn main(context: &Context, page: &Page) -> Markup {
    html! {
        @if let Some(banner) = banner(&context.htmx.page_url, &context.registry) { (banner) }
        @if page.status.is_success() { (kept_region(context, &staleness(&badge(context.freshness())))) }
        (page.head)
        (regions(context, &page.regions))
        (page.foot)
    }
}

/// The regions in order, some side by side.
fn regions(context: &Context, regions: &[Region]) -> Markup {
    let mut rest = regions.iter();
    let mut arranged = Vec::new();
    while let Some(region) = rest.next() {
        let markup = kept_region(context, region);
        arranged.push(match rest.as_slice().first().filter(|_| region.beside_next) {
            Some(next) => {
                rest.next();
                wide_and_narrow(&markup, &kept_region(context, next))
            }
            None => markup,
        });
    }
    html! { @for markup in arranged { (markup) } }
}

/// A region within a page. It is kept, so that the browser can be sent its changes.
fn kept_region(context: &Context, wanted: &Region) -> Markup {
    let markup = region(wanted);
    if !wanted.topics.is_empty() {
        keep_version(
            context,
            wanted.name,
            &relative_links(markup.0.clone(), &context.htmx.document_path),
        );
    }
    markup
}

fn keep_version(context: &Context, name: &str, markup: &str) {
    if let Some(etag) = etag_in(markup) {
        let key = VersionKey::new(&context.htmx.document_path, name, etag);
        context.console.pages.keep_version(key, markup.to_owned());
    }
}

/// A region that a request names.
enum Wanted<'w, 'p> {
    Bar(BarRegion),
    Page(&'w Region<'p>),
}

impl<'w, 'p> Wanted<'w, 'p> {
    /// None where the page has no such region.
    fn named(name: &str, page: Option<&'w Page<'p>>) -> Option<Self> {
        match BarRegion::named(name) {
            Some(bar_region) => Some(Self::Bar(bar_region)),
            None => page?.regions.iter().find(|region| region.name == name).map(Self::Page),
        }
    }

    fn topics(&self) -> &'static [Topic] {
        match self {
            Self::Bar(bar_region) => bar_region.topics(),
            Self::Page(region) => region.topics,
        }
    }

    fn render(&self, context: &Context) -> Rendered {
        let (name, markup) = match self {
            Self::Bar(bar_region) => (bar_region.name(), Bar::of(context).region(*bar_region)),
            Self::Page(wanted) => (wanted.name, Some(region(wanted))),
        };
        // Pending tasks may be unknown now.
        let Some(markup) = markup else { return Rendered::Reload };
        context.console.pages.count_drawn();
        let markup = relative_links(markup.into_string(), &context.htmx.document_path);
        keep_version(context, name, &markup);
        Rendered::Html {
            status: StatusCode::OK,
            etag: etag_in(&markup).map(str::to_owned),
            body: Arc::new(Encoded::new(markup)),
        }
    }
}

/// A region of a page or of the bar; where the page does not have it any more, a reload.
fn render_region(context: &Context, name: &str, page: &Page) -> Rendered {
    Wanted::named(name, Some(page)).map_or(Rendered::Reload, |wanted| wanted.render(context))
}

/// The ETag in the region's own markup, which is what the browser sends back.
fn etag_in(markup: &str) -> Option<&str> {
    let (_, rest) = markup.split_once("data-etag=\"")?;
    rest.split_once('"').map(|(etag, _)| etag)
}
