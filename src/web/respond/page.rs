//! A page as a handler makes it, whatever part of it was requested.

use maud::Markup;
use poem::http::StatusCode;

use crate::web::sections::Section;
use crate::web::ui::Region;

/// A page: the content of `<main>`, and what the shell around it needs.
pub(crate) struct Page<'a> {
    /// The document's title.
    pub title: String,
    /// The section it belongs to; none for faults and choices.
    pub section: Option<Section>,
    /// The answer's status.
    pub status: StatusCode,
    /// The top: heading, context line, actions. A refetch of a region does not change it.
    pub head: Markup,
    /// The parts that are refetched when their data changes.
    pub regions: Vec<Region<'a>>,
    /// Whether it shows a secret: it is then neither stored nor compressed.
    pub holds_secret: bool,
    /// The bottom, such as a form. A refetch of a region does not change it.
    pub foot: Markup,
}

impl<'a> Page<'a> {
    /// A page of a section, with status 200.
    pub fn new(
        title: impl Into<String>,
        section: impl Into<Option<Section>>,
        head: Markup,
        regions: Vec<Region<'a>>,
    ) -> Self {
        Self {
            title: title.into(),
            section: section.into(),
            status: StatusCode::OK,
            head,
            regions,
            holds_secret: false,
            foot: Markup::default(),
        }
    }

    /// The same page with another status.
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }
}
