//! The answer: from a page to a response, with the bar around it, from the cache where possible.

pub(crate) mod banner;
pub(crate) mod bar;
pub(crate) mod freshness_header;
pub(crate) mod headers;
pub(crate) mod render;
