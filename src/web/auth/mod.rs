//! Who asks: signing in, sessions, what an operator may do, and the gate in front of every page.
//!
//! All but `gate` are services: each knows its data, a clock and, where it must, the servers, but no request and no
//! context. `gate` reads requests, and needs the console. A service may import `ui::short` and what lies outside `web`.

pub(crate) mod audience;
pub(crate) mod authenticate;
pub(crate) mod gate;
pub(crate) mod rate_limit;
pub(crate) mod revoked_sessions;
pub(crate) mod role;
pub(crate) mod same_origin;
pub(crate) mod session;
pub(crate) mod sign_in_links;
