//! What the document around a page is drawn from.

use maud::Markup;

use super::freshness::Freshness;
use super::switcher::{SwitchEntry, SwitchList};
use crate::web::sections::Section;

/// Who is signed in, and with which role.
#[derive(Debug, Clone)]
pub(crate) struct OperatorInfo {
    /// The name in the bar.
    pub name: String,
    /// Whether they may read the administrators' pages; links to pages that they may not read are not drawn.
    pub may_read: bool,
    /// Their role in words, with the reason.
    pub role: String,
}

/// Everything around the content of a page.
#[derive(Debug)]
pub(crate) struct Shell<'a> {
    /// The page's title, without the product's name.
    pub title: &'a str,
    /// The section that it belongs to.
    pub section: Option<Section>,
    /// The active experiment.
    pub experiment: Option<&'a SwitchEntry>,
    /// The experiments to switch between; none without a control plane.
    pub switcher: Option<&'a SwitchList>,
    /// How fresh the page's data is; none on pages that follow nothing.
    pub freshness: Option<&'a Freshness>,
    /// Who is signed in.
    pub operator: &'a OperatorInfo,
    /// Path and query of this page.
    pub page_url: &'a str,
    /// The URL of the event stream, with the position that the page was drawn from.
    pub stream_url: Option<&'a str>,
    /// The content of `<main>`.
    pub main: &'a Markup,
    /// Pending ideation, execution and evaluation tasks.
    pub pending: Option<[u64; 3]>,
}

impl Shell<'_> {
    /// The active experiment's id; empty where there is none.
    pub(super) fn experiment_id(&self) -> &str {
        self.experiment.map_or("", |entry| entry.id.as_str())
    }

    /// The document's title.
    pub(super) fn full_title(&self) -> String {
        match self.experiment {
            Some(entry) => format!("{} \u{b7} {} \u{b7} Switchboard", self.title, entry.label()),
            None => format!("{} \u{b7} Switchboard", self.title),
        }
    }
}
