//! The workers and groups of the deployment, for the four pages that show and change them.
//!
//! `graph` is one listing with its memberships resolved, `cache` shares listings between requests, `request` is the
//! extractor of the pages' handlers. `input` parses form fields; `authority`, `links`, `list`, `secret` and `unread` have the
//! texts and the markup that the pages share. Listings are not mirrored: they are read on request, with the admin
//! token, since the control plane gives them to nobody else (`ch11 §6`). May import what stands before it in `web`.

pub(crate) mod authority;
pub(crate) mod cache;
pub(crate) mod graph;
pub(crate) mod input;
pub(crate) mod links;
pub(crate) mod list;
pub(crate) mod request;
pub(crate) mod secret;
pub(crate) mod unread;
