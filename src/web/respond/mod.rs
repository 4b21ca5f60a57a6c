//! The answer: from a page to a response, with the bar around it, from the cache where possible.
//!
//! `page` is what a page hands over, `page_cache` keeps answers that were drawn, `render` makes the response. A page and
//! the cache know no request; `render` and `bar` read its context. May import `ui`, `auth`, `request` and `console`.

pub(crate) mod banner;
pub(crate) mod bar;
pub(crate) mod freshness_header;
pub(crate) mod headers;
pub(crate) mod page;
pub(crate) mod page_cache;
pub(crate) mod render;
