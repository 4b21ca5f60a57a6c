//! From a page and its context to a response: a document, `<main>` with the bar, or one region.

use std::hash::{DefaultHasher, Hash, Hasher};

use maud::{Markup, html};
use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};

use crate::live::Topic;
use crate::web::auth::Operator;
use crate::web::request::{Active, Context, PageScope};
use crate::web::respond::banner::banner;
use crate::web::respond::bar::{Bar, BarRegion, badge};
use crate::web::respond::freshness_header;
use crate::web::respond::page::Page;
use crate::web::respond::page_cache::{PageKey, Rendered};
use crate::web::ui::{Region, document, fragment, region, staleness};

/// Answers with a page that is drawn from the experiment's view alone, from the cache where possible.
///
/// A region is rendered once for each role and each change of its own topics, however many requests ask for it and
/// whatever else changes meanwhile.
pub(crate) fn answer_from_view<'p>(active: &Active, draw: impl FnOnce() -> Page<'p>) -> Response {
    let context = &*active.context;
    let mut data = DefaultHasher::new();
    active.mirror.epoch().hash(&mut data);
    let PageScope::Region(name) = &context.htmx.scope else {
        (active.view.revisions.current(), &active.view.freshness).hash(&mut data);
        (context.registry.revision, &context.registry.freshness).hash(&mut data);
        let operator = Some(context.operator().clone());
        return cached(context, data, operator, || render(context, &draw()));
    };
    let bar_region = BarRegion::named(name);
    let page_region = match bar_region {
        Some(_) => None,
        None => draw().regions.into_iter().find(|region| region.name == name),
    };
    let topics = match (bar_region, &page_region) {
        (Some(bar_region), _) => bar_region.topics(),
        (None, Some(region)) => region.topics,
        // Whether the page has the region may depend on any data, so this is not cached.
        (None, None) => return respond(context, Rendered::Reload),
    };
    active.view.revisions.last_of(topics).hash(&mut data);
    if topics.contains(&Topic::Registry) {
        (context.registry.revision, &context.registry.freshness).hash(&mut data);
    }
    if topics.contains(&Topic::Freshness) {
        active.view.freshness.hash(&mut data);
    }
    cached(context, data, None, || match bar_region {
        Some(bar_region) => render_of_bar(context, bar_region),
        None => render_region(context, page_region.as_ref()),
    })
}

/// Answers with a page whose data was read for this request, past the cache.
pub(crate) fn answer(context: &Context, page: &Page) -> Response {
    count_requested(context);
    respond(context, render(context, page))
}

/// Answers with the region of the bar that the request wants, without making the page; none when it wants something
/// else.
pub(crate) fn answer_bar(context: &Context) -> Option<Response> {
    let PageScope::Region(name) = &context.htmx.scope else {
        return None;
    };
    let bar_region = BarRegion::named(name)?;
    count_requested(context);
    Some(respond(context, render_of_bar(context, bar_region)))
}

/// Answers a write with the page at `page_url`. The write's own path is not a page's, so it is kept out of the
/// browser's history.
pub(crate) fn answer_write(context: &Context, page_url: String, page: &Page) -> Response {
    let mut response = answer(&context.with_page_url(page_url), page);
    let headers = response.headers_mut();
    headers.insert("hx-push-url", HeaderValue::from_static("false"));
    response
}

fn cached(
    context: &Context,
    data: DefaultHasher,
    operator: Option<Operator>,
    draw: impl FnOnce() -> Rendered,
) -> Response {
    let key = PageKey {
        page_url: context.htmx.page_url.clone(),
        scope: context.htmx.scope.clone(),
        operator,
        role: context.role.clone(),
        data: data.finish(),
    };
    count_requested(context);
    respond(context, context.console.pages.get_or_draw(&key, draw))
}

fn count_requested(context: &Context) {
    if matches!(context.htmx.scope, PageScope::Region(_)) {
        context.console.pages.count_requested();
    }
}

fn render(context: &Context, page: &Page) -> Rendered {
    let bar = || Bar::of(context);
    let markup = match &context.htmx.scope {
        PageScope::Document => document(&bar().shell(page, &main(context, page))),
        PageScope::Main { stream_changes } => fragment(&bar().shell(page, &main(context, page)), *stream_changes),
        PageScope::Region(name) => {
            return match BarRegion::named(name) {
                Some(bar_region) => render_of_bar(context, bar_region),
                None => render_region(context, page.regions.iter().find(|region| region.name == *name)),
            };
        }
    };
    Rendered::Html {
        status: page.status,
        body: markup.into_string().into(),
        etag: None,
    }
}

/// The content of `<main>`: banner and staleness notice, then the page. The page of a fault says itself what is wrong.
fn main(context: &Context, page: &Page) -> Markup {
    let page_url = &context.htmx.page_url;
    html! {
        @if let Some(banner) = banner(page_url, &context.registry) { (banner) }
        @if page.status.is_success() { (region(&staleness(&badge(context.freshness())), page_url)) }
        (page.head)
        @for part in &page.regions { (region(part, page_url)) }
        (page.foot)
    }
}

fn render_of_bar(context: &Context, bar_region: BarRegion) -> Rendered {
    render_part(context, Bar::of(context).region(bar_region))
}

fn render_region(context: &Context, wanted: Option<&Region>) -> Rendered {
    render_part(context, wanted.map(|wanted| region(wanted, &context.htmx.page_url)))
}

/// A region of a page; where the page does not have it any more, a reload.
fn render_part(context: &Context, markup: Option<Markup>) -> Rendered {
    let Some(markup) = markup else { return Rendered::Reload };
    context.console.pages.count_drawn();
    let body = markup.into_string();
    let etag = etag_in(&body);
    Rendered::Html {
        status: StatusCode::OK,
        body: body.into(),
        etag,
    }
}

fn respond(context: &Context, rendered: Rendered) -> Response {
    let Rendered::Html { status, body, etag } = rendered else {
        return Response::builder().header("hx-refresh", "true").finish();
    };
    let mut response = if etag.is_some() && context.htmx.if_none_match == etag {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::builder()
            .status(status)
            .content_type("text/html; charset=utf-8")
            .body(body)
    };
    let headers = response.headers_mut();
    if let Some(tag) = etag.and_then(|etag| HeaderValue::try_from(format!("\"{etag}\"")).ok()) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(freshness_header::HEADER, freshness_header::header(&context.freshness()));
    headers.insert(
        header::VARY,
        HeaderValue::from_static("HX-Request, HX-Request-Type, HX-Target, Cookie"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

/// The ETag in the region's own markup, which is what the browser sends in `If-None-Match`.
fn etag_in(body: &str) -> Option<String> {
    let (_, rest) = body.split_once("data-etag=\"")?;
    rest.split_once('"').map(|(etag, _)| etag.to_owned())
}
