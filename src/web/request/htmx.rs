//! The htmx headers of a request: which page is wanted, and how much of it.

use poem::http::{HeaderMap, Method, StatusCode, header};
use poem::{Request, Response};

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
}

/// What decides the shape of the answer.
#[derive(Debug, Clone)]
pub(crate) struct HtmxRequest {
    /// How much of the page is wanted.
    pub scope: PageScope,
    /// Path and query of the page: the requested one, or the page that a write belongs to.
    pub page_url: String,
    /// The tag in `If-None-Match`, without its quotes.
    pub if_none_match: Option<String>,
    /// Whether htmx sent it.
    pub is_htmx: bool,
    /// Whether the method is not a safe one (RFC 9110 §9.2.1).
    pub is_write: bool,
}

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
        let scope = match text(headers, "hx-target").and_then(|target| target.split_once('#')) {
            Some((_, "main")) if partial => PageScope::Main {
                stream_changes: stream_changes(headers, &page_url),
            },
            Some((_, id)) if partial => PageScope::Region(id.strip_prefix("region-").unwrap_or(id).to_owned()),
            _ => PageScope::Document,
        };
        Self {
            scope,
            page_url,
            if_none_match: text(headers, "if-none-match").map(|tag| tag.trim_matches('"').to_owned()),
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

/// Whether the page that the browser shows follows another event stream than `page_url`.
fn stream_changes(headers: &HeaderMap, page_url: &str) -> bool {
    let left = text(headers, "hx-current-url").and_then(|url| {
        let (_, rest) = url.split_once("://")?;
        rest.find('/').map(|slash| &rest[slash..])
    });
    left.is_none_or(|left| urls::experiment_of(left) != urls::experiment_of(page_url))
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
