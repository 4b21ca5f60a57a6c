//! From a page to a response: the shell around the page, the part that was wanted, and the cache.
//!
//! `page` is what a handler makes, `page_cache` keeps rendered answers, `render` makes the response. The page and the
//! cache know no request; `render` and `bar` read its context. May import `ui`, `auth`, `request` and `console`.

pub(crate) mod banner;
pub(crate) mod bar;
pub(crate) mod freshness_header;
pub(crate) mod headers;
pub(crate) mod page;
pub(crate) mod page_cache;
pub(crate) mod render;
