//! What is asked: how much of a page htmx wants, the query, the size of a body, which route, and the context that the
//! request is answered in.
//!
//! `htmx`, `query` and `target` are plain readers of a request. `context` makes a request's context once; handlers get it
//! from the request. May import `auth`, `fault` and `console`.

pub(crate) mod body_limit;
pub(crate) mod context;
pub(crate) mod htmx;
pub(crate) mod query;
pub(crate) mod target;
