//! Embedded files, named by a hash of their content so that browsers may cache them for ever.

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
    /// The module of the console's script that imports the others.
    Script,
    /// htmx.
    Htmx,
    /// The event-stream extension of htmx.
    HtmxSse,
    /// The icon.
    Favicon,
}

/// One sheet per component; the first declares the order of the cascade layers.
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

macro_rules! modules {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!("../../assets/js/", $name)))),*]
    };
}

/// The modules of the console's script, by file name. Each imports only from those above it.
const MODULES: [(&str, &str); 24] = modules![
    "state.js"
    "dom.js"
    "announce.js"
    "selection.js"
    "times.js"
    "regions.js"
    "morph.js"
    "changed-rows.js"
    "held-rows.js"
    "stream-slots.js"
    "freshness.js"
    "notices.js"
    "session.js"
    "connection.js"
    "polling.js"
    "stream.js"
    "faults.js"
    "switcher.js"
    "swaps.js"
    "navigation.js"
    "copy.js"
    "submit-once.js"
    "keys.js"
    "main.js"
];

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

struct File {
    /// Its name for pages; none for a module that only other modules import.
    asset: Option<Asset>,
    url: String,
    etag: String,
    content_type: &'static str,
    bytes: &'static [u8],
}

impl File {
    /// A file named by a hash of its content.
    fn new(asset: Asset, stem: &str, extension: &str, content_type: &'static str, bytes: &'static [u8]) -> Self {
        let name = format!("{stem}-{}.{extension}", hex(bytes, 4));
        Self::named(Some(asset), &name, content_type, bytes)
    }

    fn named(asset: Option<Asset>, name: &str, content_type: &'static str, bytes: &'static [u8]) -> Self {
        Self {
            asset,
            url: format!("/assets/{name}"),
            etag: format!("\"{}\"", hex(bytes, 8)),
            content_type,
            bytes,
        }
    }
}

static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let htmx = include_bytes!("../../assets/vendor/htmx.min.js");
    let htmx_sse = include_bytes!("../../assets/vendor/hx-sse.min.js");
    let favicon = include_bytes!("../../assets/favicon.svg");
    let mut files = vec![
        File::new(Asset::Style, "console", "css", CSS, STYLE.as_bytes()),
        File::new(Asset::Htmx, "htmx", "js", JS, htmx),
        File::new(Asset::HtmxSse, "hx-sse", "js", JS, htmx_sse),
        File::new(Asset::Favicon, "favicon", "svg", SVG, favicon),
    ];
    files.extend(module_files());
    files
});

/// The modules, in a directory named by a hash of all of them. They import each other by relative paths, so no page
/// gets modules of two versions.
fn module_files() -> impl Iterator<Item = File> {
    let all: String = MODULES.iter().flat_map(|(name, text)| [*name, *text]).collect();
    let directory = format!("js-{}", hex(all.as_bytes(), 4));
    MODULES.iter().map(move |(name, text)| {
        let asset = (*name == "main.js").then_some(Asset::Script);
        File::named(asset, &format!("{directory}/{name}"), JS, text.as_bytes())
    })
}

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
        .find(|file| file.asset == Some(asset))
        .map_or("", |file| file.url.as_str())
}

/// The paths of the modules that [`Asset::Script`] imports, for pages to preload. Otherwise a browser finds a module
/// only when it has loaded the one that imports it.
pub(crate) fn imports() -> impl Iterator<Item = &'static str> {
    FILES
        .iter()
        .filter(|file| file.asset.is_none())
        .map(|file| file.url.as_str())
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

    fn get(url: &str, known: Option<&str>) -> Response {
        let path = url.strip_prefix("/assets").expect("mounted there");
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
        let paths = [
            "console-00000000.css",
            "console.css",
            "js-00000000/main.js",
            "main.js",
            "",
        ];
        for path in paths.map(|path| format!("/assets/{path}")) {
            assert_eq!(get(&path, None).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn modules_are_short_and_explained_and_import_only_from_those_above_them() {
        for (index, (name, text)) in MODULES.iter().enumerate() {
            assert!(text.starts_with("// ") && text.lines().count() < 150, "{name}");
            let imports = text.lines().filter(|line| line.starts_with("import "));
            for specifier in imports.map(|line| line.rsplit('"').nth(1).expect("a specifier")) {
                let mut above = MODULES[..index].iter();
                assert!(
                    above.any(|(other, _)| specifier.strip_prefix("./") == Some(other)),
                    "{name} imports {specifier}"
                );
            }
        }
        let written = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/js")).expect("a directory");
        assert_eq!(written.count(), MODULES.len());
    }

    #[test]
    fn a_page_loads_all_modules_from_one_directory() {
        let entry = url(Asset::Script).strip_suffix("main.js").expect("the entry");
        assert_eq!(imports().count(), MODULES.len() - 1);
        assert!(imports().all(|url| url.starts_with(entry)));
    }

    #[test]
    fn the_vendored_scripts_are_the_ones_the_readme_sums() {
        let readme = include_str!("../../assets/vendor/README.md");
        for asset in [Asset::Htmx, Asset::HtmxSse] {
            let file = FILES.iter().find(|file| file.asset == Some(asset)).expect("embedded");
            assert!(readme.contains(&hex(file.bytes, 32)), "{}", file.url);
        }
    }

    #[test]
    fn no_sheet_asks_a_third_party_for_anything() {
        assert!(!STYLE.contains("@import") && !STYLE.contains("url("));
    }
}
