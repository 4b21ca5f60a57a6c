//! Embedded files, named by a hash of their content so that browsers may cache them for ever. The build script makes them
//! from `assets`, and their compressed forms.

use std::fmt::Write as _;
use std::sync::LazyLock;

use poem::http::{Method, StatusCode, header};
use poem::{Endpoint, Request, Response};
use sha2::{Digest, Sha256};

use crate::compression::Coding;

/// A file that pages refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asset {
    /// The stylesheet: every component, in cascade order.
    Style,
    /// The console's script: every module.
    Script,
    /// htmx.
    Htmx,
    /// The event-stream extension of htmx.
    HtmxSse,
    /// The icon.
    Favicon,
}

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

struct File {
    asset: Asset,
    url: String,
    /// A hash of the content, without quotes.
    hash: String,
    content_type: &'static str,
    identity: &'static [u8],
    gzip: &'static [u8],
    brotli: &'static [u8],
}

impl File {
    fn bytes(&self, coding: Coding) -> &'static [u8] {
        match coding {
            Coding::Identity => self.identity,
            Coding::Gzip => self.gzip,
            Coding::Brotli => self.brotli,
        }
    }

    /// It names bytes, so it is another one in each coding.
    fn etag(&self, coding: Coding) -> String {
        match coding.name() {
            Some(name) => format!("\"{}-{name}\"", self.hash),
            None => format!("\"{}\"", self.hash),
        }
    }
}

macro_rules! built {
    ($name:literal) => {
        [
            &include_bytes!(concat!(env!("OUT_DIR"), "/", $name))[..],
            &include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".gz"))[..],
            &include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".br"))[..],
        ]
    };
}

static FILES: LazyLock<[File; 5]> = LazyLock::new(|| {
    [
        (Asset::Style, "console", "css", CSS, built!("console.css")),
        (Asset::Script, "console", "js", JS, built!("console.js")),
        (Asset::Htmx, "htmx", "js", JS, built!("htmx.js")),
        (Asset::HtmxSse, "hx-sse", "js", JS, built!("hx-sse.js")),
        (Asset::Favicon, "favicon", "svg", SVG, built!("favicon.svg")),
    ]
    .map(
        |(asset, stem, extension, content_type, [identity, gzip, brotli])| File {
            asset,
            url: format!("/assets/{stem}-{}.{extension}", hex(identity, 4)),
            hash: hex(identity, 8),
            content_type,
            identity,
            gzip,
            brotli,
        },
    )
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

/// The path of a file. It changes with the content.
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
    // The router strips the mount point, but not the slash after it.
    let path = request.uri().path();
    let Some(file) = FILES.iter().find(|file| file.url.strip_prefix("/assets") == Some(path)) else {
        return StatusCode::NOT_FOUND.into();
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Response::builder()
            .status(StatusCode::METHOD_NOT_ALLOWED)
            .header(header::ALLOW, "GET, HEAD")
            .finish();
    }
    let coding = Coding::accepted(request.header(header::ACCEPT_ENCODING));
    let response = Response::builder()
        .header(header::CACHE_CONTROL, "public, max-age=31536000, immutable")
        .header(header::VARY, "Accept-Encoding")
        .header(header::ETAG, file.etag(coding));
    // In another coding the browser has the same content.
    let known = request.header(header::IF_NONE_MATCH).is_some_and(|tags| {
        let mut tags = tags
            .split(',')
            .map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"'));
        tags.any(|tag| tag.split('-').next() == Some(&file.hash))
    });
    if known {
        return response.status(StatusCode::NOT_MODIFIED).finish();
    }
    let response = match coding.name() {
        Some(name) => response.header(header::CONTENT_ENCODING, name),
        None => response,
    };
    response.content_type(file.content_type).body(file.bytes(coding))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn get(url: &str, name: header::HeaderName, value: &str) -> Response {
        let path = url.strip_prefix("/assets").expect("mounted there");
        let request = Request::builder().uri(path.parse().expect("a path"));
        answer(&request.header(name, value).finish())
    }

    #[tokio::test]
    async fn every_file_is_served_for_ever_under_its_own_url_in_the_coding_that_is_accepted() {
        for file in FILES.iter() {
            let mut tags = Vec::new();
            for (accepted, coding) in [("br, gzip", Some("br")), ("gzip", Some("gzip")), ("zstd", None)] {
                let response = get(&file.url, header::ACCEPT_ENCODING, accepted);
                assert_eq!(response.status(), StatusCode::OK, "{}", file.url);
                assert_eq!(response.content_type(), Some(file.content_type));
                assert_eq!(response.header(header::CONTENT_ENCODING), coding);
                assert_eq!(response.header(header::VARY), Some("Accept-Encoding"));
                assert_eq!(
                    response.header(header::CACHE_CONTROL),
                    Some("public, max-age=31536000, immutable")
                );
                let tag = response.header(header::ETAG).expect("a tag").to_owned();
                let known = get(&file.url, header::IF_NONE_MATCH, &format!("\"other\", W/{tag}"));
                assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
                assert!(!tags.contains(&tag), "each coding has its own tag");
                tags.push(tag);
                let bytes = response.into_body().into_bytes().await.expect("a body");
                let mut decoded = Vec::new();
                match coding {
                    Some("br") => brotli::BrotliDecompress(&mut &*bytes, &mut decoded).expect("brotli"),
                    Some(_) => drop(
                        flate2::read::GzDecoder::new(&*bytes)
                            .read_to_end(&mut decoded)
                            .expect("gzip"),
                    ),
                    None => decoded = bytes.to_vec(),
                }
                assert_eq!(decoded, file.identity);
            }
        }
    }

    #[test]
    fn another_hash_is_not_found() {
        for path in ["console-00000000.css", "console.css", "main.js", ""] {
            let response = get(&format!("/assets/{path}"), header::ACCEPT_ENCODING, "br");
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn modules_are_short_and_say_first_what_they_add() {
        for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/js")).expect("a directory") {
            let path = entry.expect("an entry").path();
            let text = std::fs::read_to_string(&path).expect("a module");
            assert!(
                text.starts_with("// ") && text.lines().count() < 160,
                "{}",
                path.display()
            );
        }
    }

    #[test]
    fn the_vendored_scripts_are_the_ones_the_readme_sums() {
        let readme = include_str!("../../assets/vendor/README.md");
        for asset in [Asset::Htmx, Asset::HtmxSse] {
            let file = FILES.iter().find(|file| file.asset == asset).expect("embedded");
            assert!(readme.contains(&hex(file.identity, 32)), "{}", file.url);
        }
    }

    #[test]
    fn no_sheet_asks_a_third_party_for_anything() {
        let style = include_str!(concat!(env!("OUT_DIR"), "/console.css"));
        let within = style.replace("url(\"data:", "");
        assert!(!within.contains("@import") && !within.contains("url("));
    }
}
