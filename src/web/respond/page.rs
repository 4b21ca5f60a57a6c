//! A page, before it is known how much of it is wanted.

use maud::Markup;
use poem::http::StatusCode;

use crate::web::sections::Section;
use crate::web::ui::Region;

/// A page: what stands in `<main>`, and what the shell around it needs to know.
pub(crate) struct Page<'a> {
    /// The document's title.
    pub title: String,
    /// The section it belongs to; none for faults and choices.
    pub section: Option<Section>,
    /// The answer's status.
    pub status: StatusCode,
    /// Heading, context line, actions and filters: what a refetch leaves alone.
    pub head: Markup,
    /// The parts that follow the data.
    pub regions: Vec<Region<'a>>,
    /// What stands below them and a refetch leaves alone, such as a form.
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
            foot: Markup::default(),
        }
    }

    /// The same page with another status.
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }
}
