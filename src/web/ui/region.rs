//! Regions: parts of a page that are requested again when a topic that they depend on changes.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use maud::{Markup, PreEscaped, html};

use crate::live::Topic;
use crate::web::assets;

/// A part of a page that can be requested alone.
#[derive(Debug)]
pub(crate) struct Region<'a> {
    /// Its name, unique on the page; the element's id is `region-{name}`.
    pub name: &'static str,
    /// The topics of the event stream that may change it.
    pub topics: &'static [Topic],
    /// The least time between two requests for it; zero for a region that follows every batch of changes.
    pub pace: Duration,
    /// Whether it stands beside the next region, and is the wider one, where there is room.
    pub beside_next: bool,
    /// Its content.
    pub body: Body<'a>,
}

impl<'a> Region<'a> {
    /// A region that follows every batch of changes.
    pub fn new(name: &'static str, topics: &'static [Topic], body: impl Into<Body<'a>>) -> Self {
        Self {
            name,
            topics,
            pace: Duration::ZERO,
            beside_next: false,
            body: body.into(),
        }
    }

    /// The same, beside the next region.
    pub fn beside_next(self) -> Self {
        Self {
            beside_next: true,
            ..self
        }
    }

    /// The same, requested at this pace at most.
    pub fn at_pace(self, pace: Duration) -> Self {
        Self { pace, ..self }
    }
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

/// A region as an element. The script requests the regions of a page again, all that changed in one request, when the
/// stream names one of their topics.
pub(crate) fn region(region: &Region) -> Markup {
    let body = region.body.markup();
    html! {
        section id={ "region-" (region.name) } data-region=(region.name) data-topics=[topics(region.topics)]
            data-pace=[pace(region.pace)] data-etag=(etag(&body)) {
            (PreEscaped(body))
        }
    }
}

/// The value of `data-topics`: names of topics, separated by spaces; none for a region that no topic changes.
pub(super) fn topics(topics: &[Topic]) -> Option<String> {
    let names: Vec<_> = topics.iter().map(|topic| topic.name()).collect();
    (!names.is_empty()).then(|| names.join(" "))
}

/// The value of `data-pace`, in milliseconds.
pub(super) fn pace(pace: Duration) -> Option<String> {
    (!pace.is_zero()).then(|| pace.as_millis().to_string())
}

/// The tag of a region's body: 16 hex digits. Equal bodies have equal tags, in every process.
pub(crate) fn etag(body: &str) -> String {
    assets::hex(body.as_bytes(), 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_names_its_topics_its_pace_and_its_tag() {
        let rows = Region::new("rows", &[Topic::Tasks, Topic::Variants], html! { p { "x" } });
        assert_eq!(
            region(&rows.at_pace(Duration::from_secs(2))).0,
            "<section id=\"region-rows\" data-region=\"rows\" data-topics=\"tasks variants\" data-pace=\"2000\" \
             data-etag=\"31d8e07ec305ac4e\"><p>x</p></section>"
        );
        let fixed = region(&Region::new("fixed", &[], Markup::default())).0;
        assert!(
            !fixed.contains("data-topics") && !fixed.contains("data-pace"),
            "{fixed}"
        );
    }
}
