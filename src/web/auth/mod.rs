//! Authentication and authorization: signing in, sessions, roles, and the gate in front of every page.
//!
//! All files but `gate` hold services and plain data. A service knows its data, a clock and, where necessary, the
//! servers, but no request and no context; it may import `ui::short` and modules outside `web`. `gate` reads requests
//! and needs the console.

pub(crate) mod audience;
mod authenticate;
pub(crate) mod gate;
mod rate_limit;
mod revoked_sessions;
mod role;
mod same_origin;
pub(crate) mod session;
mod sign_in_links;

pub(crate) use audience::Audience;
pub(crate) use authenticate::{Authenticator, SignInRefusal};
pub(crate) use role::{Role, RoleResolver};
pub(crate) use session::{Operator, Sessions, SignedIn};
pub(crate) use sign_in_links::{SignInLinks, TokenError};
