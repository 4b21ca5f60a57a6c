//! The cache of rendered answers, shared by all operators who may see the same thing.
//!
//! Markup holds nothing of a session. The key of an answer names everything that it was rendered from. When any of that
//! changes the key does, so no entry has to be invalidated.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use poem::http::StatusCode;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::web::auth::{Operator, Role};
use crate::web::request::PageScope;

/// Everything that an answer is rendered from.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct PageKey {
    /// Path and query of the page.
    pub page_url: String,
    /// The part of it.
    pub scope: PageScope,
    /// The operator, where the answer shows who is signed in; none where all operators of the role share it.
    pub operator: Option<Operator>,
    /// The operator's role.
    pub role: Role,
    /// A hash of the revisions and freshness of the data.
    pub data: u64,
}

/// A rendered answer.
#[derive(Clone)]
pub(crate) enum Rendered {
    /// Markup, and a region's ETag, which its markup carries too.
    Html {
        status: StatusCode,
        body: Bytes,
        etag: Option<String>,
    },
    /// The page has no such region any more, for instance since the experiment was seeded: the browser has to reload
    /// it.
    Reload,
}

/// Weighs an entry by its bytes.
#[derive(Clone)]
struct ByBytes;

impl Weighter<PageKey, Rendered> for ByBytes {
    fn weight(&self, key: &PageKey, rendered: &Rendered) -> u64 {
        let text = match rendered {
            Rendered::Html { body, .. } => body.len(),
            Rendered::Reload => 0,
        };
        // 200 is about the overhead of an entry.
        (text + key.page_url.len() + 200) as u64
    }
}

/// The cache of answers, and how many regions were requested and rendered.
pub(crate) struct PageCache {
    answers: Cache<PageKey, Rendered, ByBytes>,
    regions_requested: AtomicU64,
    regions_drawn: AtomicU64,
}

impl PageCache {
    /// A cache of at most this many bytes.
    pub fn new(bytes: u64) -> Self {
        Self {
            answers: Cache::with_weighter(1024, bytes, ByBytes),
            regions_requested: AtomicU64::new(0),
            regions_drawn: AtomicU64::new(0),
        }
    }

    /// The answer under a key. Of concurrent requests for the same key one renders it and the others wait.
    pub fn get_or_draw(&self, key: &PageKey, draw: impl FnOnce() -> Rendered) -> Rendered {
        let Ok(rendered) = self.answers.get_or_insert_with(key, || Ok::<_, Infallible>(draw()));
        rendered
    }

    /// Counts a request for a region.
    pub fn count_requested(&self) {
        self.regions_requested.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a region that was rendered.
    pub fn count_drawn(&self) {
        self.regions_drawn.fetch_add(1, Ordering::Relaxed);
    }

    /// How many regions were requested, and how many of them had to be rendered.
    pub fn region_counts(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.regions_requested), count(&self.regions_drawn))
    }
}
