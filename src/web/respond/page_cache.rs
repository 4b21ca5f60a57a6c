//! Answers that were drawn, kept for everybody who may see the same thing.
//!
//! Markup holds nothing of a session. An answer is kept under a key that names all it was drawn from. When any of that
//! changes the key does, so nothing ever has to be invalidated.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use poem::http::StatusCode;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::web::auth::role::Role;
use crate::web::auth::session::Operator;
use crate::web::request::htmx::PageScope;

/// All that an answer is drawn from.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct PageKey {
    /// Path and query of the page.
    pub page_url: String,
    /// How much of it.
    pub scope: PageScope,
    /// The operator, where the answer shows who is signed in; none where all who may see it share it.
    pub operator: Option<Operator>,
    /// What the operator may do.
    pub role: Role,
    /// A hash of the revisions and freshness of the data.
    pub data: u64,
}

/// An answer that was drawn.
#[derive(Clone)]
pub(crate) enum Rendered {
    /// Markup, with the tag that a region's own markup carries.
    Html {
        status: StatusCode,
        body: Bytes,
        etag: Option<String>,
    },
    /// The page has turned into another kind, such as an experiment that was seeded meanwhile: load it anew.
    Reload,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<PageKey, Rendered> for ByBytes {
    fn weight(&self, key: &PageKey, rendered: &Rendered) -> u64 {
        let text = match rendered {
            Rendered::Html { body, .. } => body.len(),
            Rendered::Reload => 0,
        };
        // 200 is about what an entry costs beside its text.
        (text + key.page_url.len() + 200) as u64
    }
}

/// The cache of answers, and how often regions were asked for and drawn.
pub(crate) struct PageCache {
    answers: Cache<PageKey, Rendered, ByBytes>,
    regions_requested: AtomicU64,
    regions_drawn: AtomicU64,
}

impl PageCache {
    /// A cache of at most `bytes`.
    pub fn new(bytes: u64) -> Self {
        Self {
            answers: Cache::with_weighter(1024, bytes, ByBytes),
            regions_requested: AtomicU64::new(0),
            regions_drawn: AtomicU64::new(0),
        }
    }

    /// The answer under a key. Of all who want the same at once one draws it, and the others wait for that.
    pub fn get_or_draw(&self, key: &PageKey, draw: impl FnOnce() -> Rendered) -> Rendered {
        let Ok(rendered) = self.answers.get_or_insert_with(key, || Ok::<_, Infallible>(draw()));
        rendered
    }

    /// Counts a request for a region.
    pub fn count_requested(&self) {
        self.regions_requested.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a region that was drawn.
    pub fn count_drawn(&self) {
        self.regions_drawn.fetch_add(1, Ordering::Relaxed);
    }

    /// How many times a region was asked for, and how many times one was drawn for that.
    pub fn region_counts(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.regions_requested), count(&self.regions_drawn))
    }
}
