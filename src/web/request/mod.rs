//! Reading a request: its htmx headers, its query, the size of its body, its row of the route table, and its context.
//!
//! `htmx` and `query` are plain readers, and `target` is what the route table said. `context` makes the context once per
//! request; handlers get it from the request's data. May import `auth`, `fault` and `console`.

pub(crate) mod body_limit;
mod context;
mod htmx;
mod query;
mod target;

pub(crate) use context::{Active, Context, Deployment, Followed, path_segment};
pub(crate) use htmx::{HtmxRequest, KnownRegion, PageScope, see_other};
pub(crate) use query::{Paging, Query};
pub(crate) use target::Target;
