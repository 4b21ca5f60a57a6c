//! Who asks: signing in, sessions, what an operator may do, and the gate in front of every page.
//!
//! The files here are services: each knows its data, a clock and, where it must, the servers, but no page and no
//! request's context. Only `gate` reads requests. They import `urls`, `ui::short` and what lies outside `web`.

pub(crate) mod authenticate;
pub(crate) mod gate;
pub(crate) mod rate_limit;
pub(crate) mod revoked_sessions;
pub(crate) mod same_origin;
pub(crate) mod session;
pub(crate) mod sign_in_links;
