//! The changes of several regions in one answer. Each region is one `<hx-partial>`: whole, for htmx to morph, or with what
//! differs from the version that the page has (swap style `delta`, which the script knows).

use std::sync::Arc;

use poem::http::StatusCode;

use crate::compression::Encoded;
use crate::web::request::{Context, KnownRegion};
use crate::web::respond::delta::delta;
use crate::web::respond::page_cache::{Rendered, VersionKey};

/// Renders the regions that differ from what the page has. One that is missing asks for a reload of the page.
pub(super) fn render(
    context: &Context,
    status: StatusCode,
    known: &[KnownRegion],
    draw: impl Fn(&str) -> Rendered,
) -> Rendered {
    let mut changes = String::new();
    for known in known {
        let Rendered::Html { body, etag, .. } = draw(&known.name) else {
            return Rendered::Reload;
        };
        if etag.as_ref() == Some(&known.etag) {
            continue;
        }
        // The region is rendered from text.
        let markup = String::from_utf8_lossy(body.identity());
        let key = VersionKey::new(&context.htmx.document_path, &known.name, &known.etag);
        let kept = context.console.pages.version(&key);
        let kept = kept.as_deref().map(String::from_utf8_lossy);
        let delta = kept.and_then(|kept| delta(&kept, &markup)).zip(etag);
        let id = element_id(&markup);
        match delta {
            Some((delta, etag)) => changes.extend([
                "<hx-partial id=\"",
                id,
                "\" hx-swap=\"delta etag:'",
                &etag,
                "'\">",
                &delta,
            ]),
            None => changes.extend(["<hx-partial id=\"", id, "\" hx-swap=\"outerMorph\">", &markup]),
        }
        changes.push_str("</hx-partial>");
    }
    if changes.is_empty() {
        return Rendered::Unchanged;
    }
    Rendered::Html {
        status,
        body: Arc::new(Encoded::new(changes)),
        etag: None,
    }
}

/// The id of a region's element, which is the first one in its markup.
fn element_id(markup: &str) -> &str {
    let (_, rest) = markup.split_once(" id=\"").unwrap_or_default();
    rest.split('"').next().unwrap_or_default()
}
