//! From a rendered answer to a response: status, headers, content coding.

use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};

use crate::compression::Coding;
use crate::web::request::{Context, PageScope};
use crate::web::respond::freshness_header;
use crate::web::respond::headers::ForScript;
use crate::web::respond::page_cache::Rendered;

/// What answers depend on beside the address.
const VARY: &str =
    "HX-Request, HX-Request-Type, HX-Target, HX-Current-URL, Switchboard-Regions, Accept-Encoding, Cookie";

const HTML: &str = "text/html; charset=utf-8";

/// The response to a request.
pub(crate) fn respond(context: &Context, rendered: Rendered) -> Response {
    let coding = context.htmx.coding;
    let (status, body, etag) = match rendered {
        Rendered::Reload => return Response::builder().header("hx-refresh", "true").finish(),
        Rendered::Unchanged => return unstored(StatusCode::NO_CONTENT.into()),
        Rendered::Html { status, body, etag } => (status, body, etag),
    };
    if let PageScope::Regions(_) = context.htmx.scope {
        let (coding, bytes) = body.get(coding);
        // A script reads it, as UTF-8 in any case.
        let response = Response::builder().status(status).content_type("text/html").body(bytes);
        return unstored(with_coding(response, coding));
    }
    let known = etag.is_some() && context.htmx.if_none_match.as_deref().map(without_coding) == etag.as_deref();
    let (coding, bytes) = body.get(coding);
    let mut response = match known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => with_coding(
            Response::builder().status(status).content_type(HTML).body(bytes),
            coding,
        ),
    };
    let headers = response.headers_mut();
    if let Some(tag) = etag.and_then(|etag| HeaderValue::try_from(tag_in(coding, &etag)).ok()) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(freshness_header::HEADER, freshness_header::header(&context.freshness()));
    headers.insert(header::VARY, HeaderValue::from_static(VARY));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

fn with_coding(mut response: Response, coding: Coding) -> Response {
    if let Some(name) = coding.name() {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    response
}

/// The answer to a page that asks for the changes of its regions. Its headers are sent with each batch, so they are few: it
/// depends on what the page has, so nothing stores it.
fn unstored(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(ForScript);
    response
}

/// The ETag of content in a coding: it names bytes, so it is another one in each coding (RFC 9110 §8.8.3).
fn tag_in(coding: Coding, etag: &str) -> String {
    match coding.name() {
        Some(name) => format!("\"{etag}-{name}\""),
        None => format!("\"{etag}\""),
    }
}

/// The tag of the content itself.
fn without_coding(tag: &str) -> &str {
    tag.split_once('-').map_or(tag, |(etag, _)| etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_names_the_bytes_of_its_coding_and_leads_back_to_the_content() {
        let codings = [Coding::Identity, Coding::Gzip, Coding::Brotli];
        let tags = codings.map(|coding| tag_in(coding, "31d8"));
        assert_eq!(tags, ["\"31d8\"", "\"31d8-gzip\"", "\"31d8-br\""]);
        for tag in tags {
            assert_eq!(without_coding(tag.trim_matches('"')), "31d8");
        }
    }
}
