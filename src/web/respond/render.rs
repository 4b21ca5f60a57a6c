//! From a page to a response: one function per page, three shapes of answer.
//!
//! Markup holds nothing of a session, so an answer can be shared by everybody who may see the same
//! thing. It is kept under a key that names all it was drawn from; when any of that changes the key
//! does, so nothing ever has to be invalidated.

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use maud::{Markup, html};
use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::web::auth::gate::Role;
use crate::web::auth::session::Operator;
use crate::web::request::context::{Active, Context};
use crate::web::request::htmx::Want;
use crate::web::respond::banner::banner;
use crate::web::respond::bar::{Bar, badge};
use crate::web::respond::freshness_header;
use crate::web::ui::{
    Nav, Region, document, fragment, freshness_badge, pending_counts, region, staleness, switcher_region,
};

/// A page, before it is known how much of it is wanted.
pub(crate) struct Page<'a> {
    /// The document's title.
    pub title: String,
    /// Where it stands in the navigation.
    pub nav: Nav,
    /// The answer's status.
    pub status: StatusCode,
    /// Heading, context line, actions and filters: what a refetch leaves alone.
    pub head: Markup,
    /// The parts that follow the data.
    pub regions: Vec<Region<'a>>,
    /// What stands below them and a refetch leaves alone, such as a form.
    pub foot: Markup,
}

impl<'a> Page<'a> {
    /// An ordinary page.
    pub fn new(title: impl Into<String>, nav: Nav, head: Markup, regions: Vec<Region<'a>>) -> Self {
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
    /// Nobody's where the answer shows nothing of who asks: all who may see it share it.
    operator: Option<Operator>,
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

/// How often regions were asked for, and how often that took drawing one.
#[derive(Debug, Default)]
pub(crate) struct Drawn {
    asked: AtomicU64,
    drawn: AtomicU64,
}

impl Drawn {
    /// Asked for, and drawn.
    pub fn counts(&self) -> (u64, u64) {
        (self.asked.load(Ordering::Relaxed), self.drawn.load(Ordering::Relaxed))
    }
}

impl Active {
    /// Answers with a page that is drawn from the view alone, from the cache where possible.
    ///
    /// A region is drawn once for each role and change of a topic of its own, however many ask and whatever else
    /// changes meanwhile.
    pub fn answer<'p>(&self, draw: impl FnOnce() -> Page<'p>) -> Response {
        let mut data = DefaultHasher::new();
        self.mirror.epoch().hash(&mut data);
        let Want::Region(name) = &self.context.frame.want else {
            (self.view.revisions.current(), &self.view.freshness).hash(&mut data);
            self.context.registry.revision.hash(&mut data);
            self.context.registry.freshness.hash(&mut data);
            let operator = Some(self.context.operator().clone());
            return self.context.cached(data, operator, || self.context.render(&draw()));
        };
        let drawn = match name.as_str() {
            name if is_of_bar(name) => Err(()),
            name => Ok(draw().regions.into_iter().find(|region| region.name == name)),
        };
        let topics = match (&drawn, name.as_str()) {
            (Ok(Some(region)), _) => region.topics,
            // That it is not there may change with anything.
            (Ok(None), _) => return self.context.respond(Rendered::Reload),
            (Err(()), "pending") => &["tasks"],
            (Err(()), _) => &["registry", "experiment", "freshness"],
        };
        self.view.revisions.last_of(topics).hash(&mut data);
        if topics.contains(&"registry") {
            self.context.registry.revision.hash(&mut data);
            self.context.registry.freshness.hash(&mut data);
        }
        if topics.contains(&"freshness") {
            self.view.freshness.hash(&mut data);
        }
        self.context.cached(data, None, || match &drawn {
            Ok(region) => self.context.render_region(region.as_ref()),
            Err(()) => self.context.render_of_bar(name),
        })
    }
}

impl Context {
    /// One of all who want the same at once draws it, and the others wait for that.
    fn cached(&self, data: DefaultHasher, operator: Option<Operator>, draw: impl FnOnce() -> Rendered) -> Response {
        let key = Key {
            here: self.frame.here.clone(),
            want: self.frame.want.clone(),
            operator,
            role: self.role.clone(),
            data: data.finish(),
        };
        if matches!(key.want, Want::Region(_)) {
            self.console.drawn.asked.fetch_add(1, Ordering::Relaxed);
        }
        let Ok(rendered) = self
            .console
            .pages
            .get_or_insert_with(&key, || Ok::<_, Infallible>(draw()));
        self.respond(rendered)
    }

    /// Answers with a page whose data was read for this request.
    pub fn answer_fresh(&self, page: &Page) -> Response {
        if matches!(self.frame.want, Want::Region(_)) {
            self.console.drawn.asked.fetch_add(1, Ordering::Relaxed);
        }
        self.respond(self.render(page))
    }

    fn render(&self, page: &Page) -> Rendered {
        let bar = || Bar::of(self);
        let markup = match &self.frame.want {
            Want::Document => document(&bar().shell(page, &self.main(page))),
            Want::Main { stream_changes } => fragment(&bar().shell(page, &self.main(page)), *stream_changes),
            Want::Region(name) if is_of_bar(name) => return self.render_of_bar(name),
            Want::Region(name) => return self.render_region(page.regions.iter().find(|region| region.name == *name)),
        };
        Rendered::Html {
            status: page.status,
            body: markup.into_string().into(),
            etag: None,
        }
    }

    /// What is above the page's own parts comes from its surroundings; a fault says itself what is the matter.
    fn main(&self, page: &Page) -> Markup {
        let here = &self.frame.here;
        html! {
            @if let Some(banner) = banner(here, &self.registry) { (banner) }
            @if page.status.is_success() { (region(&staleness(&badge(self.freshness())), here)) }
            (page.head)
            @for part in &page.regions { (region(part, here)) }
            (page.foot)
        }
    }

    fn render_of_bar(&self, name: &str) -> Rendered {
        let (bar, here) = (Bar::of(self), &self.frame.here);
        self.part(match name {
            "switcher" => Some(switcher_region(
                bar.current(),
                bar.switchable(),
                self.role.may_look(),
                here,
            )),
            "freshness" => Some(freshness_badge(&bar.freshness, here)),
            "staleness" => Some(region(&staleness(&bar.freshness), here)),
            _ => bar.pending.map(|pending| pending_counts(pending, here)),
        })
    }

    fn render_region(&self, wanted: Option<&Region>) -> Rendered {
        self.part(wanted.map(|wanted| region(wanted, &self.frame.here)))
    }

    /// A part of a page; none where the page has no such part any more.
    fn part(&self, markup: Option<Markup>) -> Rendered {
        let Some(markup) = markup else { return Rendered::Reload };
        self.console.drawn.drawn.fetch_add(1, Ordering::Relaxed);
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
        headers.insert(freshness_header::HEADER, freshness_header::header(&self.freshness()));
        headers.insert(
            header::VARY,
            HeaderValue::from_static("HX-Request, HX-Request-Type, HX-Target, Cookie"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        response
    }
}

/// Whether a region is one of those around every page.
pub(crate) fn is_of_bar(name: &str) -> bool {
    matches!(name, "switcher" | "freshness" | "staleness" | "pending")
}

/// The tag that the region's own markup carries, which is what the browser sends back.
fn etag_in(body: &str) -> Option<String> {
    let (_, rest) = body.split_once("data-etag=\"")?;
    rest.split_once('"').map(|(etag, _)| etag.to_owned())
}
