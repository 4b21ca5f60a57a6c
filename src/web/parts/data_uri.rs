//! Text within a `data:` URI (RFC 2397). EDEN treats artifact URIs as opaque, so other URIs are shown and never
//! fetched.

use crate::protocol::percent_decode;

/// The text of a `data:text/…` URI in UTF-8; none for anything else.
pub(crate) fn text(uri: &str) -> Option<String> {
    let (media_type, data) = uri.strip_prefix("data:")?.split_once(',')?;
    let is_text = media_type.is_empty() || media_type.starts_with("text/") || media_type.starts_with(";charset=");
    if !is_text || media_type.ends_with(";base64") {
        return None;
    }
    String::from_utf8(percent_decode(data)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_utf8_text_is_decoded() {
        assert_eq!(
            text("data:text/plain;charset=utf-8,a%20b%C3%A9").as_deref(),
            Some("a bé")
        );
        assert_eq!(text("data:,x").as_deref(), Some("x"));
        for other in [
            "data:text/plain;base64,eA==",
            "data:image/png,x",
            "https://example/x",
            "data:text/plain",
            "data:,%4",
            "data:,%FF",
        ] {
            assert_eq!(text(other), None, "{other}");
        }
    }
}
