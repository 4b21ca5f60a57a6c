//! Security headers.

use poem::http::header::{self, HeaderName, HeaderValue};
use poem::{Endpoint, IntoResponse, Request, Response, Result};

/// No inline code or styles, no `eval`, nothing from other origins, and no framing of the console.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const POLICY: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, CSP),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Marks an answer that is read by a script only: the request for it has a header that no document, element or other site
/// can set. It is sent with each change of a page, and no policy applies to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ForScript;

/// Middleware for every answer, faults included.
pub(crate) async fn headers<E: Endpoint>(next: E, request: Request) -> Result<Response> {
    let mut response = next.call(request).await?.into_response();
    if response.extensions().get::<ForScript>().is_none() {
        for (name, value) in POLICY {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
    }
    Ok(response)
}
