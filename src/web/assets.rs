//! Embedded files, named by their content so that a browser may keep them for ever.

use std::fmt::Write as _;
use std::sync::LazyLock;

use poem::http::{Method, StatusCode, header};
use poem::{Endpoint, Request, Response};
use sha2::{Digest, Sha256};

/// A file that pages refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asset {
    /// The stylesheet: every component, in cascade order.
    Style,
    /// The console's own script.
    Script,
    /// htmx.
    Htmx,
    /// The event-stream extension of htmx.
    HtmxSse,
    /// The icon.
    Favicon,
}

/// One sheet a component; the first declares the order of the layers.
const STYLE: &str = concat!(
    include_str!("../../assets/css/tokens.css"),
    include_str!("../../assets/css/base.css"),
    include_str!("../../assets/css/layout.css"),
    include_str!("../../assets/css/bar.css"),
    include_str!("../../assets/css/switcher.css"),
    include_str!("../../assets/css/freshness.css"),
    include_str!("../../assets/css/value.css"),
    include_str!("../../assets/css/table.css"),
    include_str!("../../assets/css/detail.css"),
    include_str!("../../assets/css/figure.css"),
    include_str!("../../assets/css/chart.css"),
    include_str!("../../assets/css/form.css"),
    include_str!("../../assets/css/deployment.css"),
    include_str!("../../assets/css/registry.css"),
    include_str!("../../assets/css/notice.css"),
    include_str!("../../assets/css/motion.css"),
    include_str!("../../assets/css/print.css"),
);

/// One file a concern; they share one scope, and what runs at once stands after what it needs.
const SCRIPT: &str = concat!(
    "(() => {\n\"use strict\";\n",
    include_str!("../../assets/js/base.js"),
    include_str!("../../assets/js/times.js"),
    include_str!("../../assets/js/regions.js"),
    include_str!("../../assets/js/rows.js"),
    include_str!("../../assets/js/swaps.js"),
    include_str!("../../assets/js/freshness.js"),
    include_str!("../../assets/js/slots.js"),
    include_str!("../../assets/js/stream.js"),
    include_str!("../../assets/js/faults.js"),
    include_str!("../../assets/js/copying.js"),
    include_str!("../../assets/js/forms.js"),
    include_str!("../../assets/js/switcher.js"),
    include_str!("../../assets/js/keys.js"),
    "})();\n",
);

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

struct File {
    asset: Asset,
    url: String,
    etag: String,
    content_type: &'static str,
    bytes: &'static [u8],
}

impl File {
    fn new(asset: Asset, stem: &str, extension: &str, content_type: &'static str, bytes: &'static [u8]) -> Self {
        let hash = hex(bytes, 8);
        Self {
            asset,
            url: format!("/assets/{stem}-{}.{extension}", &hash[..8]),
            etag: format!("\"{hash}\""),
            content_type,
            bytes,
        }
    }
}

static FILES: LazyLock<[File; 5]> = LazyLock::new(|| {
    [
        File::new(Asset::Style, "console", "css", CSS, STYLE.as_bytes()),
        File::new(Asset::Script, "console", "js", JS, SCRIPT.as_bytes()),
        File::new(
            Asset::Htmx,
            "htmx",
            "js",
            JS,
            include_bytes!("../../assets/vendor/htmx.min.js"),
        ),
        File::new(
            Asset::HtmxSse,
            "hx-sse",
            "js",
            JS,
            include_bytes!("../../assets/vendor/hx-sse.min.js"),
        ),
        File::new(
            Asset::Favicon,
            "favicon",
            "svg",
            SVG,
            include_bytes!("../../assets/favicon.svg"),
        ),
    ]
});

/// The first `bytes` bytes of a SHA-256 digest, in hex.
pub(crate) fn hex(content: &[u8], bytes: usize) -> String {
    let digest = Sha256::digest(content);
    digest.iter().take(bytes).fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The path of a file. It changes whenever the content does.
pub(crate) fn url(asset: Asset) -> &'static str {
    FILES
        .iter()
        .find(|file| file.asset == asset)
        .map_or("", |file| file.url.as_str())
}

/// Serves the files; mount it under `/assets`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Assets;

impl Endpoint for Assets {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        Ok(answer(&request))
    }
}

fn answer(request: &Request) -> Response {
    // The mount point may or may not be stripped; the last segment is the name either way.
    let name = request.uri().path().rsplit('/').next().unwrap_or_default();
    let Some(file) = FILES.iter().find(|file| file.url.ends_with(&format!("/{name}"))) else {
        return StatusCode::NOT_FOUND.into();
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Response::builder()
            .status(StatusCode::METHOD_NOT_ALLOWED)
            .header(header::ALLOW, "GET, HEAD")
            .finish();
    }
    let response = Response::builder()
        .header(header::CACHE_CONTROL, "public, max-age=31536000, immutable")
        .header(header::ETAG, &file.etag);
    let known = request.header(header::IF_NONE_MATCH).is_some_and(|tags| {
        tags.split(',')
            .any(|tag| tag.trim().trim_start_matches("W/") == file.etag)
    });
    if known {
        return response.status(StatusCode::NOT_MODIFIED).finish();
    }
    response.content_type(file.content_type).body(file.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str, known: Option<&str>) -> Response {
        let mut builder = Request::builder().uri(path.parse().expect("a path"));
        if let Some(etag) = known {
            builder = builder.header(header::IF_NONE_MATCH, etag);
        }
        answer(&builder.finish())
    }

    #[test]
    fn every_file_is_served_for_ever_under_its_own_url() {
        for file in FILES.iter() {
            let response = get(&file.url, None);
            assert_eq!(response.status(), StatusCode::OK, "{}", file.url);
            assert_eq!(response.content_type(), Some(file.content_type));
            assert_eq!(
                response.header(header::CACHE_CONTROL),
                Some("public, max-age=31536000, immutable")
            );
            assert_eq!(get(&file.url, Some(&file.etag)).status(), StatusCode::NOT_MODIFIED);
        }
    }

    #[test]
    fn another_hash_is_not_found() {
        for path in ["/assets/console-00000000.css", "/assets/console.css", "/assets/", "/"] {
            assert_eq!(get(path, None).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn the_vendored_scripts_are_the_ones_the_readme_sums() {
        let readme = include_str!("../../assets/vendor/README.md");
        for asset in [Asset::Htmx, Asset::HtmxSse] {
            let file = FILES.iter().find(|file| file.asset == asset).expect("embedded");
            assert!(readme.contains(&hex(file.bytes, 32)), "{}", file.url);
        }
    }

    #[test]
    fn no_sheet_asks_a_third_party_for_anything() {
        assert!(!STYLE.contains("@import") && !STYLE.contains("url("));
    }
}
