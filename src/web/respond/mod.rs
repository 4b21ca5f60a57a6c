//! From a page to a response: the shell around the page, the part that was wanted, and the cache.
//!
//! `page` is what a handler makes, `page_cache` keeps rendered answers, `render` makes the response. The page and the
//! cache know no request; `render` and `bar` read its context. May import `ui`, `auth`, `request` and `console`.

mod banner;
mod bar;
mod changes;
mod delta;
mod freshness_header;
pub(crate) mod headers;
mod links;
mod page;
mod page_cache;
mod render;
mod response;
mod switch_list;

pub(crate) use banner::{SWITCHED_MID_FORM, with_banner, with_outcome};
pub(crate) use bar::BarRegion;
pub(crate) use page::Page;
pub(crate) use page_cache::PageCache;
pub(crate) use render::{answer, answer_bar, answer_bar_with, answer_from_view, answer_write};
pub(crate) use switch_list::{MAX_LISTED, entry_state, stale_reason, switch_entry};
