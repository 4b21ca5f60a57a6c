//! Regions: pieces of page with an id that refetch themselves when a topic they depend on changes.

use maud::{Markup, html};

use crate::web::assets;

/// How long a region waits between two refetches, however many changes arrive.
const THROTTLE: &str = "50ms";

/// A piece of page that can be fetched alone.
#[derive(Debug)]
pub(crate) struct Region {
    /// Its name, unique on the page; the element's id is `region-{name}`.
    pub name: &'static str,
    /// The topics of the event stream that may change it.
    pub topics: &'static [&'static str],
    /// What it shows.
    pub body: Markup,
}

/// A region, refetched from `here` (the page's own path and query) and morphed in place. A failed refetch leaves
/// what is shown and lets the script say so, rather than putting an error page inside a region.
pub(crate) fn region(region: &Region, here: &str) -> Markup {
    html! {
        section id={ "region-" (region.name) } data-region=(region.name) data-etag=(etag(&region.body.0))
            hx-get=(here) hx-target="this" hx-swap="outerMorph" hx-trigger=(trigger(region.topics, THROTTLE))
            "hx-status:4xx"="swap:none" "hx-status:5xx"="swap:none" {
            (region.body)
        }
    }
}

/// The trigger of a region: `refresh` on the element itself, and each topic wherever it was raised.
pub(super) fn trigger(topics: &[&str], throttle: &str) -> String {
    let mut trigger = "refresh".to_owned();
    for topic in topics {
        trigger.push_str(&format!(", {topic} from:body throttle:{throttle}"));
    }
    trigger
}

/// The tag of a region's body: 16 hex digits. Equal bodies have equal tags, in every process.
pub(crate) fn etag(body: &str) -> String {
    assets::hex(body.as_bytes(), 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_names_where_and_when_it_refetches() {
        let markup = region(
            &Region {
                name: "rows",
                topics: &["tasks", "variants"],
                body: html! { p { "x" } },
            },
            "/x/e/?a=1&b=2",
        );
        assert_eq!(
            markup.0,
            "<section id=\"region-rows\" data-region=\"rows\" data-etag=\"31d8e07ec305ac4e\" \
             hx-get=\"/x/e/?a=1&amp;b=2\" hx-target=\"this\" hx-swap=\"outerMorph\" \
             hx-trigger=\"refresh, tasks from:body throttle:50ms, variants from:body throttle:50ms\" \
             hx-status:4xx=\"swap:none\" hx-status:5xx=\"swap:none\"><p>x</p></section>"
        );
    }
}
