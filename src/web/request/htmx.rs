//! How much of a page a request wants: a document, the main part, or one region.

use poem::http::{HeaderMap, Method, StatusCode, header};
use poem::{Request, Response};

use crate::protocol::ExperimentId;
use crate::web::urls;

/// The part of the page that the answer is swapped into.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Want {
    /// A whole document: a plain request, or htmx replacing the body.
    Document,
    /// `<main>`, with the bar beside it; the flag says whether the event stream changes too.
    Main {
        /// The page left was of another experiment.
        stream_changes: bool,
    },
    /// One region, by name.
    Region(String),
}

/// What a handler needs to know about the request to answer it in the right shape.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// The part wanted.
    pub want: Want,
    /// Path and query of the page: as requested, or of the page that a write belongs to.
    pub here: String,
    /// `If-None-Match`.
    pub none_match: Option<String>,
    /// Whether htmx asks.
    pub htmx: bool,
    /// Whether something was sent that may be lost with the page it was typed on.
    pub writes: bool,
}

impl Frame {
    /// Reads the request's headers (htmx 4: `HX-Request-Type` and `HX-Target`).
    pub fn of(request: &Request) -> Self {
        let headers = request.headers();
        let asked = request.uri().path_and_query().map_or("/", |here| here.as_str());
        let here = match *request.method() {
            // A path that begins with two slashes would name another host wherever it is a link.
            Method::GET | Method::HEAD => format!("/{}", asked.trim_start_matches('/')),
            // Only some paths of writes can be read; what a page drawn from one asks for later must be.
            _ => written_to(asked).map_or_else(|| urls::experiments().to_owned(), |id| urls::overview(&id)),
        };
        let htmx = text(headers, "hx-request") == Some("true");
        let partial = htmx && text(headers, "hx-request-type") == Some("partial");
        let want = match text(headers, "hx-target").and_then(|target| target.split_once('#')) {
            Some((_, "main")) if partial => Want::Main {
                stream_changes: stream_changes(headers, &here),
            },
            Some((_, id)) if partial => Want::Region(id.strip_prefix("region-").unwrap_or(id).to_owned()),
            _ => Want::Document,
        };
        Self {
            want,
            here,
            none_match: text(headers, "if-none-match").map(|tag| tag.trim_matches('"').to_owned()),
            htmx,
            writes: !request.method().is_safe(),
        }
    }
}

impl Frame {
    /// Sends the browser to another page: with 303, or for htmx, which would follow that and swap the page into
    /// whatever it asked for, with `HX-Redirect`.
    pub fn redirect(&self, location: &str) -> Response {
        match self.htmx {
            true => Response::builder()
                .status(StatusCode::NO_CONTENT)
                .header("hx-redirect", location)
                .finish(),
            false => see_other(location),
        }
    }
}

/// Sends a browser to another page, which it then gets.
pub(crate) fn see_other(location: &str) -> Response {
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, location)
        .finish()
}

/// Whether the browser's present page follows another stream than the page asked for.
fn stream_changes(headers: &HeaderMap, here: &str) -> bool {
    let left = text(headers, "hx-current-url").and_then(|url| {
        let (_, rest) = url.split_once("://")?;
        rest.find('/').map(|slash| &rest[slash..])
    });
    left.is_none_or(|left| experiment_of(left) != experiment_of(here))
}

/// The experiment that a path of a write is about: `/x/{E}/…`, or `/admin/experiments/{E}/…`.
fn written_to(path: &str) -> Option<ExperimentId> {
    let named = || path.strip_prefix(urls::experiments())?.split('/').next()?.parse().ok();
    experiment_of(path).or_else(named)
}

/// The experiment that a path names.
pub(crate) fn experiment_of(path: &str) -> Option<ExperimentId> {
    path.strip_prefix("/x/")?.split('/').next()?.parse().ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "/x/exp_00000000000000000000000000/";
    const B: &str = "/x/exp_11111111111111111111111111/admin/tasks/?state=pending";

    fn frame(path: &str, headers: &[(&'static str, String)]) -> Frame {
        let mut request = Request::builder().uri(path.parse().expect("a path"));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        Frame::of(&request.finish())
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
        assert_eq!(frame(A, &[]).want, Want::Document);
        assert_eq!(frame(A, &[("hx-target", "main#main".to_owned())]).want, Want::Document);
        assert_eq!(frame(A, &htmx("full", "body", "http://h/")).want, Want::Document);
    }

    #[test]
    fn a_partial_names_its_target() {
        let to = |target, from: &str| frame(B, &htmx("partial", target, from)).want;
        assert_eq!(to("section#region-tasks", "http://h/"), Want::Region("tasks".into()));
        assert_eq!(to("div#freshness", "http://h/"), Want::Region("freshness".into()));
        assert_eq!(
            to("main#main", &format!("http://h:1{A}")),
            Want::Main { stream_changes: true }
        );
        assert_eq!(
            to("main#main", &format!("http://h:1{B}")),
            Want::Main { stream_changes: false }
        );
        assert_eq!(
            to("main#main", "http://h:1/admin/experiments/"),
            Want::Main { stream_changes: true }
        );
    }
}
