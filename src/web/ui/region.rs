//! Regions: parts of a page that are refetched when a topic that they depend on changes.

use std::borrow::Cow;
use std::fmt;

use maud::{Markup, PreEscaped, html};

use crate::live::Topic;
use crate::web::assets;

/// The time between two refetches of a region, at least.
const THROTTLE: &str = "50ms";

/// The event that stands for every topic: the page may have missed changes.
pub(crate) const RESYNC: &str = "resync";

/// A part of a page that can be fetched alone.
#[derive(Debug)]
pub(crate) struct Region<'a> {
    /// Its name, unique on the page; the element's id is `region-{name}`.
    pub name: &'static str,
    /// The topics of the event stream that may change it.
    pub topics: &'static [Topic],
    /// Its content.
    pub body: Body<'a>,
}

/// The content of a region. A request often wants only one of a page's regions, so a body can be drawn on demand.
pub(crate) enum Body<'a> {
    /// Markup.
    Drawn(Markup),
    /// A function that draws the markup.
    OnDemand(Box<dyn Fn() -> Markup + Send + Sync + 'a>),
}

impl<'a> Body<'a> {
    /// A body that is drawn only when it is wanted.
    pub fn on_demand(draw: impl Fn() -> Markup + Send + Sync + 'a) -> Self {
        Self::OnDemand(Box::new(draw))
    }

    fn markup(&self) -> Cow<'_, str> {
        match self {
            Self::Drawn(markup) => Cow::Borrowed(&markup.0),
            Self::OnDemand(draw) => Cow::Owned(draw().0),
        }
    }
}

impl From<Markup> for Body<'_> {
    fn from(markup: Markup) -> Self {
        Self::Drawn(markup)
    }
}

impl fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Drawn(_) => "Drawn",
            Self::OnDemand(_) => "OnDemand",
        })
    }
}

/// A region, refetched from `page_url` (the page's own path and query) and morphed in place. A failed refetch keeps the
/// present content, and the script reports it; no error page is swapped into a region.
pub(crate) fn region(region: &Region, page_url: &str) -> Markup {
    let body = region.body.markup();
    html! {
        section id={ "region-" (region.name) } data-region=(region.name) data-etag=(etag(&body))
            hx-get=(page_url) hx-target="this" hx-swap="outerMorph" hx-trigger=(trigger(region.topics, THROTTLE))
            "hx-status:4xx"="swap:none" "hx-status:5xx"="swap:none" {
            (PreEscaped(body))
        }
    }
}

/// The `hx-trigger` of a region: `refresh` on the element itself, and each of its topics, and `resync`, on the body.
pub(super) fn trigger(topics: &[Topic], throttle: &str) -> String {
    let mut trigger = "refresh".to_owned();
    let all = (!topics.is_empty()).then_some(RESYNC);
    for topic in topics.iter().map(|topic| topic.name()).chain(all) {
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
    fn a_region_has_its_url_and_triggers() {
        let markup = region(
            &Region {
                name: "rows",
                topics: &[Topic::Tasks, Topic::Variants],
                body: html! { p { "x" } }.into(),
            },
            "/x/e/?a=1&b=2",
        );
        assert_eq!(
            markup.0,
            "<section id=\"region-rows\" data-region=\"rows\" data-etag=\"31d8e07ec305ac4e\" \
             hx-get=\"/x/e/?a=1&amp;b=2\" hx-target=\"this\" hx-swap=\"outerMorph\" \
             hx-trigger=\"refresh, tasks from:body throttle:50ms, variants from:body throttle:50ms, resync from:body throttle:50ms\" \
             hx-status:4xx=\"swap:none\" hx-status:5xx=\"swap:none\"><p>x</p></section>"
        );
    }
}
