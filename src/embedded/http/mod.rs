//! The HTTP binding (`ch07`).
//!
//! `routes` is the route table. `guard` runs around every request: it authenticates, and turns every error into a
//! problem document. Handlers are in `artifacts`, `checkpoints`, `control`, `events`, `experiments`, `groups`,
//! `ideas`, `leases`, `reference`, `tasks`, `variants` and
//! `workers`. They share `calls` and `input` (what a handler
//! is given), `list`, `if_none_match`, `reply` and `coding` (what it answers with), `error` and `problem` (how it fails), and
//! `upload` (large bodies).
//!
//! The wire orders the checks: credential (401), body and query (400), experiment header (400), authority (403), and
//! then the store. `guard` does the first. The next two are extractors, in the order in which a handler names them.

mod artifacts;
mod calls;
mod checkpoints;
mod coding;
mod control;
mod error;
mod events;
mod experiments;
mod groups;
mod guard;
mod ideas;
mod if_none_match;
mod input;
mod leases;
mod list;
mod problem;
mod reference;
mod reply;
mod routes;
mod tasks;
mod upload;
mod variants;
mod workers;

pub use routes::route_patterns;
pub(super) use routes::{routes, serve};

// What several of these modules import.
pub(in crate::embedded::http) use calls::{ControlCall, ExperimentCall, RosterCall, RosterIds, find};
pub(in crate::embedded::http) use error::{HttpError, HttpResult, Reply, unauthorized};
pub(in crate::embedded::http) use if_none_match::IfNoneMatch;
pub(in crate::embedded::http) use input::{Body, ByName, Params, Resume, from_body};
pub(in crate::embedded::http) use list::List;
pub(in crate::embedded::http) use reply::{created, json, json_text, no_content, with_file};
