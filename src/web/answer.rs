//! From a page to a response: one function per page, three shapes of answer.
//!
//! Markup holds nothing of a session, so an answer can be shared by everybody who may see the same
//! thing. It is kept under a key that names all it was drawn from; when any of that changes the key
//! does, so nothing ever has to be invalidated.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use maud::{Markup, html};
use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::banner::banner;
use super::bar::Bar;
use super::context::{Active, Context};
use super::frame::Want;
use super::freshness;
use super::gate::Role;
use super::session::Operator;
use super::ui::{Nav, Region, document, fragment, freshness_badge, pending_counts, region, staleness, switcher_region};

/// A page, before it is known how much of it is wanted.
pub(crate) struct Page {
    /// The document's title.
    pub title: String,
    /// Where it stands in the navigation.
    pub nav: Nav,
    /// The answer's status.
    pub status: StatusCode,
    /// Heading, context line, actions and filters: what a refetch leaves alone.
    pub head: Markup,
    /// The parts that follow the data.
    pub regions: Vec<Region>,
    /// What stands below them and a refetch leaves alone, such as a form.
    pub foot: Markup,
}

impl Page {
    /// An ordinary page.
    pub fn new(title: impl Into<String>, nav: Nav, head: Markup, regions: Vec<Region>) -> Self {
        Self {
            title: title.into(),
            nav,
            status: StatusCode::OK,
            head,
            regions,
            foot: Markup::default(),
        }
    }
}

/// All that an answer is drawn from.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    here: String,
    want: Want,
    operator: Operator,
    role: Role,
    data: u64,
}

/// An answer in full, shared by all who may see it.
#[derive(Clone)]
pub(crate) enum Rendered {
    /// Markup, with the tag that a region's own markup carries.
    Html {
        status: StatusCode,
        body: Bytes,
        etag: Option<String>,
    },
    /// The page has turned into another kind, such as an experiment that was seeded meanwhile: load it anew.
    Reload,
}

#[derive(Clone)]
pub(crate) struct ByBytes;

impl Weighter<Key, Rendered> for ByBytes {
    fn weight(&self, key: &Key, rendered: &Rendered) -> u64 {
        let text = match rendered {
            Rendered::Html { body, .. } => body.len(),
            Rendered::Reload => 0,
        };
        // 200 is about what an entry costs beside its text.
        (text + key.here.len() + 200) as u64
    }
}

/// Answers already drawn.
pub(crate) type PageCache = Cache<Key, Rendered, ByBytes>;

/// A cache of at most `bytes`.
pub(crate) fn page_cache(bytes: u64) -> PageCache {
    Cache::with_weighter(1024, bytes, ByBytes)
}

impl Active {
    /// Answers with a page that is drawn from the view alone, from the cache where possible.
    pub fn answer(&self, draw: impl FnOnce() -> Page) -> Response {
        let mut data = DefaultHasher::new();
        (self.mirror.epoch(), self.view.revisions.current(), &self.view.freshness).hash(&mut data);
        self.context.cached(data, draw)
    }
}

impl Context {
    fn cached(&self, mut data: DefaultHasher, draw: impl FnOnce() -> Page) -> Response {
        (self.registry.revision, &self.registry.freshness).hash(&mut data);
        let key = Key {
            here: self.frame.here.clone(),
            want: self.frame.want.clone(),
            operator: self.operator().clone(),
            role: self.role.clone(),
            data: data.finish(),
        };
        let cache = &self.console.pages;
        let rendered = cache.get(&key).unwrap_or_else(|| {
            let rendered = self.render(&draw());
            cache.insert(key, rendered.clone());
            rendered
        });
        self.respond(rendered)
    }

    /// Answers with a page whose data was read for this request.
    pub fn answer_fresh(&self, page: &Page) -> Response {
        self.respond(self.render(page))
    }

    fn render(&self, page: &Page) -> Rendered {
        let bar = Bar::of(self);
        let markup = match &self.frame.want {
            Want::Document => document(&bar.shell(page, &self.main(&bar, page))),
            Want::Main { stream_changes } => fragment(&bar.shell(page, &self.main(&bar, page)), *stream_changes),
            Want::Region(name) => return self.render_region(&bar, page, name),
        };
        Rendered::Html {
            status: page.status,
            body: markup.into_string().into(),
            etag: None,
        }
    }

    /// What is above the page's own parts comes from its surroundings; a fault says itself what is the matter.
    fn main(&self, bar: &Bar, page: &Page) -> Markup {
        let here = &self.frame.here;
        html! {
            @if let Some(banner) = banner(here, &self.registry) { (banner) }
            @if page.status.is_success() { (region(&staleness(&bar.freshness), here)) }
            (page.head)
            @for part in &page.regions { (region(part, here)) }
            (page.foot)
        }
    }

    fn render_region(&self, bar: &Bar, page: &Page, name: &str) -> Rendered {
        let here = &self.frame.here;
        let markup = match name {
            "switcher" => Some(switcher_region(
                bar.current(),
                bar.switchable(),
                self.role.administers(),
                here,
            )),
            "freshness" => Some(freshness_badge(&bar.freshness, here)),
            "staleness" => Some(region(&staleness(&bar.freshness), here)),
            "pending" => bar.pending.map(|pending| pending_counts(pending, here)),
            name => page.regions.iter().find(|r| r.name == name).map(|r| region(r, here)),
        };
        let Some(markup) = markup else { return Rendered::Reload };
        let body = markup.into_string();
        let etag = etag_in(&body);
        Rendered::Html {
            status: StatusCode::OK,
            body: body.into(),
            etag,
        }
    }

    fn respond(&self, rendered: Rendered) -> Response {
        let Rendered::Html { status, body, etag } = rendered else {
            return Response::builder().header("hx-refresh", "true").finish();
        };
        let mut response = if etag.is_some() && self.frame.none_match == etag {
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
        headers.insert(freshness::HEADER, freshness::header(&self.freshness()));
        headers.insert(
            header::VARY,
            HeaderValue::from_static("HX-Request, HX-Request-Type, HX-Target, Cookie"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        response
    }
}

/// The tag that the region's own markup carries, which is what the browser sends back.
fn etag_in(body: &str) -> Option<String> {
    let (_, rest) = body.split_once("data-etag=\"")?;
    rest.split_once('"').map(|(etag, _)| etag.to_owned())
}
