//! Authentication and authorization: signing in, sessions, roles, and the gate in front of every page.
//!
//! All files but `gate` hold services and plain data. A service knows its data, a clock and, where necessary, the
//! servers, but no request and no context; it may import `ui::short` and modules outside `web`. `gate` reads requests
//! and needs the console.

pub(crate) mod audience;
pub(crate) mod authenticate;
pub(crate) mod gate;
pub(crate) mod rate_limit;
pub(crate) mod revoked_sessions;
pub(crate) mod role;
pub(crate) mod same_origin;
pub(crate) mod session;
pub(crate) mod sign_in_links;
