//! Recognises cross-site request forgery: writes that another site makes a browser send.
//!
//! Browsers say where a request comes from (`Sec-Fetch-Site`, `Origin`), so markup needs no per-session token and can
//! be cached and shared. A request without either header and without a session cookie has nobody's authority, so it may
//! pass.

use poem::http::{HeaderMap, header};

use crate::web::auth::session::COOKIE;

/// Whether a write with these headers comes from the console's own pages.
pub(crate) fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    if let Some(origin) = text(header::ORIGIN.as_str()) {
        let host = origin.split_once("://").map(|(_, host)| host);
        return host.is_some() && host == text(header::HOST.as_str());
    }
    let cookies = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    !cookies
        .flat_map(|line| line.split(';'))
        .any(|pair| pair.trim_start().starts_with(COOKIE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(headers: &[(&'static str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a header value"));
        }
        is_same_origin(&map)
    }

    #[test]
    fn only_this_origin_may_write() {
        let cookie = ("cookie", "a=b; eden_web_ui_session=xyz");
        assert!(passes(&[("sec-fetch-site", "same-origin"), cookie]));
        assert!(!passes(&[("sec-fetch-site", "same-site"), cookie]));
        assert!(!passes(&[("sec-fetch-site", "cross-site")]));
        assert!(passes(&[("origin", "http://h:1"), ("host", "h:1"), cookie]));
        assert!(!passes(&[("origin", "http://evil"), ("host", "h:1")]));
        assert!(!passes(&[("origin", "null"), ("host", "h:1")]));
    }

    #[test]
    fn a_client_without_origin_headers_may_write_only_without_a_session() {
        assert!(!passes(&[("cookie", "eden_web_ui_session=xyz")]));
        assert!(passes(&[]));
    }
}
