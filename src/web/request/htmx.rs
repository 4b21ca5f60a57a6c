//! The htmx headers of a request: which page is wanted, and how much of it.

use poem::http::{HeaderMap, Method, StatusCode, header};
use poem::{Request, Response};

use crate::compression::Coding;
use crate::protocol::ExperimentId;
use crate::web::urls;

/// How much of a page the answer is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum PageScope {
    /// A whole document: a plain request, or htmx replacing the body.
    Document,
    /// `<main>`, and the bar and rail around it.
    Main {
        /// Whether the page that is left follows another event stream.
        stream_changes: bool,
    },
    /// One region, by name.
    Region(String),
    /// The changes of several regions: what a page asks for when the stream names topics.
    Regions(Vec<KnownRegion>),
}

impl PageScope {
    /// Whether an open page asks for it by itself.
    pub fn is_refresh(&self) -> bool {
        matches!(self, Self::Region(_) | Self::Regions(_))
    }
}

/// A region as the page has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct KnownRegion {
    /// Its name.
    pub name: String,
    /// The tag of its content; empty to get all of it.
    pub etag: String,
}

/// The header that lists the regions of a page that may have changed: a dictionary (RFC 9651) from each region's name to
/// the tag of what the page has, `tasks="31d8e07ec305ac4e", pending=""`.
const REGIONS: &str = "switchboard-regions";
/// The most regions in one request. No page has as many.
const MAX_REGIONS: usize = 16;

/// What decides the shape of the answer.
#[derive(Debug, Clone)]
pub(crate) struct HtmxRequest {
    /// How much of the page is wanted.
    pub scope: PageScope,
    /// Path and query of the page: the requested one, or the page that a write belongs to.
    pub page_url: String,
    /// The path of the document that shows the answer, which its relative links start from.
    pub document_path: String,
    /// The tag in `If-None-Match`, without its quotes.
    pub if_none_match: Option<String>,
    /// The content coding of the answer.
    pub coding: Coding,
    /// Whether htmx sent it.
    pub is_htmx: bool,
    /// Whether the method is not a safe one (RFC 9110 §9.2.1).
    pub is_write: bool,
}

/// Bytes of path and query, and slashes of the path, of the longest address that a page has.
const MAX_ADDRESS: usize = 4096;
const MAX_DEPTH: usize = 16;

impl HtmxRequest {
    /// Reads the request's headers (htmx 4: `HX-Request-Type` and `HX-Target`).
    pub fn of(request: &Request) -> Self {
        let headers = request.headers();
        let requested = request.uri().path_and_query().map_or("/", |url| url.as_str());
        let page_url = match *request.method() {
            // A path that begins with two slashes would name another host in a link.
            Method::GET | Method::HEAD => format!("/{}", requested.trim_start_matches('/')),
            // The path of a write may not take GET, but the regions of the answer are refetched from this URL.
            _ => written_experiment(requested).map_or_else(|| urls::experiments().to_owned(), |id| urls::overview(&id)),
        };
        let is_htmx = text(headers, "hx-request") == Some("true");
        let partial = is_htmx && text(headers, "hx-request-type") == Some("partial");
        let known = text(headers, REGIONS).filter(|_| partial).and_then(known_regions);
        let scope = match text(headers, "hx-target").and_then(|target| target.split_once('#')) {
            _ if known.is_some() => PageScope::Regions(known.unwrap_or_default()),
            Some((_, "main")) if partial => PageScope::Main {
                stream_changes: stream_changes(headers, &page_url),
            },
            Some((_, id)) if partial => PageScope::Region(id.strip_prefix("region-").unwrap_or(id).to_owned()),
            _ => PageScope::Document,
        };
        // A navigation changes the document's address before it shows the answer. A region and the answer to a write of
        // htmx are put into the document that asks; without the script the answer to a write is a document of its own.
        let stays = is_htmx && (scope.is_refresh() || !request.method().is_safe());
        let document_path = match shown_path(headers).filter(|_| stays) {
            Some(path) => path.to_owned(),
            None if request.method().is_safe() => page_url.clone(),
            None => requested.to_owned(),
        };
        Self {
            scope,
            document_path: path_of(&document_path).to_owned(),
            page_url,
            if_none_match: text(headers, "if-none-match").map(|tag| tag.trim_matches('"').to_owned()),
            coding: Coding::accepted(text(headers, "accept-encoding")),
            is_htmx,
            is_write: !request.method().is_safe(),
        }
    }

    /// Redirects the browser: with 303; for htmx, which would follow that and swap the page into its target, with
    /// `HX-Redirect`.
    pub fn redirect(&self, location: &str) -> Response {
        match self.is_htmx {
            true => Response::builder()
                .status(StatusCode::NO_CONTENT)
                .header("hx-redirect", location)
                .finish(),
            false => see_other(location),
        }
    }
}

/// A redirect with 303, which a browser follows with GET.
pub(crate) fn see_other(location: &str) -> Response {
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, location)
        .finish()
}

/// Path and query of the page that the browser shows. One that is longer or deeper than any page's address is not used:
/// links would be relative to it, and answers are kept under it.
fn shown_path(headers: &HeaderMap) -> Option<&str> {
    let (_, rest) = text(headers, "hx-current-url")?.split_once("://")?;
    let shown = rest.find('/').map(|slash| &rest[slash..])?;
    let is_an_address = shown.len() <= MAX_ADDRESS && path_of(shown).matches('/').count() <= MAX_DEPTH;
    is_an_address.then_some(shown)
}

/// The path of an address without its query and fragment.
fn path_of(address: &str) -> &str {
    address.split(['?', '#']).next().unwrap_or_default()
}

/// Whether the page that the browser shows follows another event stream than `page_url`.
fn stream_changes(headers: &HeaderMap, page_url: &str) -> bool {
    shown_path(headers).is_none_or(|left| urls::experiment_of(left) != urls::experiment_of(page_url))
}

/// Reads [`REGIONS`]; none where it is not of that form, or empty.
fn known_regions(text: &str) -> Option<Vec<KnownRegion>> {
    let is_name = |name: &str| name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let is_tag = |tag: &str| tag.len() <= 32 && tag.bytes().all(|byte| byte.is_ascii_hexdigit());
    let member = |member: &str| {
        let (name, tag) = member.trim_matches(' ').split_once('=')?;
        let tag = tag.strip_prefix('"')?.strip_suffix('"')?;
        (!name.is_empty() && is_name(name) && is_tag(tag)).then(|| KnownRegion {
            name: name.to_owned(),
            etag: tag.to_owned(),
        })
    };
    let known: Vec<_> = text.splitn(MAX_REGIONS + 1, ',').map(member).collect::<Option<_>>()?;
    (known.len() <= MAX_REGIONS).then_some(known)
}

/// The experiment that a write's path names: `/x/{E}/…` or `/admin/experiments/{E}/…`.
fn written_experiment(path: &str) -> Option<ExperimentId> {
    let named = || path.strip_prefix(urls::experiments())?.split('/').next()?.parse().ok();
    urls::experiment_of(path).or_else(named)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "/x/exp_00000000000000000000000000/";
    const B: &str = "/x/exp_11111111111111111111111111/admin/tasks/?state=pending";

    fn parsed(path: &str, headers: &[(&'static str, String)]) -> HtmxRequest {
        let mut request = Request::builder().uri(path.parse().expect("a path"));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        HtmxRequest::of(&request.finish())
    }

    fn htmx(kind: &str, target: &str, from: &str) -> [(&'static str, String); 4] {
        [
            ("hx-request", "true".to_owned()),
            ("hx-request-type", kind.to_owned()),
            ("hx-target", target.to_owned()),
            ("hx-current-url", from.to_owned()),
        ]
    }

    #[test]
    fn a_plain_request_wants_a_document() {
        assert_eq!(parsed(A, &[]).scope, PageScope::Document);
        assert_eq!(
            parsed(A, &[("hx-target", "main#main".to_owned())]).scope,
            PageScope::Document
        );
        assert_eq!(parsed(A, &htmx("full", "body", "http://h/")).scope, PageScope::Document);
    }

    #[test]
    fn the_regions_that_a_page_has_are_read_from_a_dictionary() {
        let scope = |regions: &str| {
            let mut headers = htmx("partial", "div#refresh", "http://h/").to_vec();
            headers.push((REGIONS, regions.to_owned()));
            parsed(B, &headers).scope
        };
        let known = |name: &str, etag: &str| KnownRegion {
            name: name.to_owned(),
            etag: etag.to_owned(),
        };
        assert_eq!(
            scope("tasks=\"31d8e07ec305ac4e\", pending=\"\""),
            PageScope::Regions(vec![known("tasks", "31d8e07ec305ac4e"), known("pending", "")])
        );
        let many = vec!["a=\"\""; MAX_REGIONS + 1].join(", ");
        for malformed in ["", "tasks", "tasks=1", "T=\"\"", "a=\"x y\"", "a=\"1\",", many.as_str()] {
            assert!(!matches!(scope(malformed), PageScope::Regions(_)), "{malformed}");
        }
    }

    #[test]
    fn relative_links_start_from_the_document_that_shows_them() {
        let tasks = B.split('?').next().expect("a path");
        assert_eq!(parsed(B, &[]).document_path, tasks);
        let shown = htmx("partial", "section#region-tasks", &format!("http://h{A}?a=1"));
        assert_eq!(parsed(B, &shown).document_path, A);
        let navigation = htmx("partial", "main#main", &format!("http://h{A}"));
        assert_eq!(parsed(B, &navigation).document_path, tasks);
        let post = |headers: &[(&'static str, String)]| {
            let mut request = Request::builder()
                .method(Method::POST)
                .uri("/x/e/admin/seed?a".parse().expect("a path"));
            for (name, value) in headers {
                request = request.header(*name, value);
            }
            HtmxRequest::of(&request.finish()).document_path
        };
        assert_eq!(post(&[]), "/x/e/admin/seed");
        assert_eq!(post(&shown), A);
    }

    #[test]
    fn a_partial_names_its_target() {
        let to = |target, from: &str| parsed(B, &htmx("partial", target, from)).scope;
        assert_eq!(
            to("section#region-tasks", "http://h/"),
            PageScope::Region("tasks".into())
        );
        assert_eq!(to("div#freshness", "http://h/"), PageScope::Region("freshness".into()));
        assert_eq!(
            to("main#main", &format!("http://h:1{A}")),
            PageScope::Main { stream_changes: true }
        );
        assert_eq!(
            to("main#main", &format!("http://h:1{B}")),
            PageScope::Main { stream_changes: false }
        );
        assert_eq!(
            to("main#main", "http://h:1/admin/experiments/"),
            PageScope::Main { stream_changes: true }
        );
    }
}
