//! The workers and groups of the deployment, as four pages show and change them.
//!
//! `graph` is one listing and who belongs to what in it, `cache` reads it once for all, `request` is what a request to
//! one of the pages has at hand. `input` reads what is typed; `authority`, `links`, `list`, `secret` and `unread` have
//! the words and the markup that the pages share. Listings are not mirrored: they are read for the request, through the
//! admin token, since the control plane tells them to nobody else (`ch11 §6`). May import everything below `pages`.

pub(crate) mod authority;
pub(crate) mod cache;
pub(crate) mod graph;
pub(crate) mod input;
pub(crate) mod links;
pub(crate) mod list;
pub(crate) mod request;
pub(crate) mod secret;
pub(crate) mod unread;
