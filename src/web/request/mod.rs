//! What is asked: how much of a page htmx wants, the query, the size of a body, and the context that a request is
//! answered in.

pub(crate) mod body_limit;
pub(crate) mod context;
pub(crate) mod htmx;
pub(crate) mod query;
