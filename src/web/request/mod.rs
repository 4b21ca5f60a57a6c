//! Reading a request: its htmx headers, its query, the size of its body, its row of the route table, and its context.
//!
//! `htmx` and `query` are plain readers, and `target` is what the route table said. `context` makes the context once per
//! request; handlers get it from the request's data. May import `auth`, `fault` and `console`.

pub(crate) mod body_limit;
pub(crate) mod context;
pub(crate) mod htmx;
pub(crate) mod query;
pub(crate) mod target;
