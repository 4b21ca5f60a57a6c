//! The cache of rendered answers, shared by all operators who may see the same thing, and the versions of regions that
//! pages in browsers have.
//!
//! Of a session, markup holds nothing but the choice of experiments that the switcher lists. The key of an answer names
//! everything that it was rendered from. When any of that changes the key does, so no entry has to be invalidated.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use poem::http::StatusCode;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::compression::Encoded;
use crate::web::auth::{Operator, Role};
use crate::web::request::PageScope;

/// Everything that an answer is rendered from.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct PageKey {
    /// Path and query of the page.
    pub page_url: String,
    /// The path of the document that shows it.
    pub document_path: String,
    /// The part of it.
    pub scope: PageScope,
    /// The operator, where the answer shows who is signed in; none where all operators of the role share it.
    pub operator: Option<Operator>,
    /// The operator's role.
    pub role: Role,
    /// A hash of the revisions and freshness of the data, and of what the switcher lists where the answer has it.
    pub data: u64,
}

/// A rendered answer.
#[derive(Clone)]
pub(crate) enum Rendered {
    /// Markup, and a region's ETag, which its markup carries too.
    Html {
        status: StatusCode,
        body: Arc<Encoded>,
        etag: Option<String>,
    },
    /// The browser has what it asks for.
    Unchanged,
    /// The page has no such region any more, for instance since the experiment was seeded: the browser has to reload
    /// it.
    Reload,
}

/// The bytes of an entry, without what it is found by. 200 is about the overhead of an entry.
fn overhead(key: &str) -> u64 {
    key.len() as u64 + 200
}

/// Weighs an answer by its bytes, and by those that its compressed forms will have: a quarter, together.
#[derive(Clone)]
struct ByBytes;

impl Weighter<PageKey, Rendered> for ByBytes {
    fn weight(&self, key: &PageKey, rendered: &Rendered) -> u64 {
        let text = match rendered {
            Rendered::Html { body, .. } => body.identity().len() as u64,
            Rendered::Unchanged | Rendered::Reload => 0,
        };
        let regions = match &key.scope {
            // A name and a tag have at most 32 bytes each.
            PageScope::Regions(known) => known.len() as u64 * 128,
            _ => 0,
        };
        text + text / 4 + overhead(&key.page_url) + key.document_path.len() as u64 + regions
    }
}

impl Weighter<VersionKey, Bytes> for ByBytes {
    fn weight(&self, key: &VersionKey, markup: &Bytes) -> u64 {
        markup.len() as u64 + overhead(&key.document_path)
    }
}

/// Names one version of a region.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct VersionKey {
    /// The path of the document that shows it, which its links start from.
    pub document_path: String,
    /// The region's name.
    pub name: String,
    /// The tag of its content.
    pub etag: String,
}

impl VersionKey {
    /// The key of a region with this name and tag, as a document shows it.
    pub fn new(document_path: &str, name: &str, etag: &str) -> Self {
        Self {
            document_path: document_path.to_owned(),
            name: name.to_owned(),
            etag: etag.to_owned(),
        }
    }
}

/// The cache of answers, and how many regions were requested and rendered.
pub(crate) struct PageCache {
    answers: Cache<PageKey, Rendered, ByBytes>,
    versions: Cache<VersionKey, Bytes, ByBytes>,
    regions_requested: AtomicU64,
    regions_drawn: AtomicU64,
}

impl PageCache {
    /// A cache of at most this many bytes.
    pub fn new(bytes: u64) -> Self {
        Self {
            answers: Cache::with_weighter(1024, bytes / 4 * 3, ByBytes),
            versions: Cache::with_weighter(1024, bytes / 4, ByBytes),
            regions_requested: AtomicU64::new(0),
            regions_drawn: AtomicU64::new(0),
        }
    }

    /// The answer under a key. Of concurrent requests for the same key one renders it and the others wait.
    pub fn get_or_draw(&self, key: &PageKey, draw: impl FnOnce() -> Rendered) -> Rendered {
        let Ok(rendered) = self.answers.get_or_insert_with(key, || Ok::<_, Infallible>(draw()));
        rendered
    }

    /// Keeps a version of a region that is about to be sent.
    pub fn keep_version(&self, key: VersionKey, markup: impl Into<Bytes>) {
        self.versions.insert(key, markup.into());
    }

    /// A version of a region that was sent, unless it was dropped since.
    pub fn version(&self, key: &VersionKey) -> Option<Bytes> {
        self.versions.get(key)
    }

    /// Counts requests for regions.
    pub fn count_requested(&self, regions: usize) {
        self.regions_requested.fetch_add(regions as u64, Ordering::Relaxed);
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
