//! The embedded backend: an EDEN task store and control plane for many experiments, on SQLite.
//!
//! From the bottom up:
//! - `transition` decides (pure functions); its errors are `protocol_error`, its rights `groups` and `caller`.
//! - `storage` holds the only SQL; `blobs` keeps files.
//! - `scope` and `hosted` wake the readers that wait for a change.
//! - `auth` checks secrets (`password_hash`, `admin_token`).
//! - `push` streams changes, `lease_expiry` announces leases that expire, `checkpoint` writes and reads archives.
//! - `state` holds all of these for the handlers of `http`, and `backend` opens and serves them.
//!
//! A [`Backend`] is reached over HTTP only: the console and the demo use the ordinary client.

mod admin_token;
mod auth;
mod backend;
mod blobs;
mod caller;
mod checkpoint;
mod groups;
mod hosted;
mod http;
mod id_generator;
mod lease_expiry;
mod open_error;
mod options;
mod password_hash;
mod protocol_error;
mod push;
mod scope;
mod state;
mod storage;
mod strict_json;
mod transition;

pub use admin_token::load_or_create_admin_token;
pub use backend::Backend;
pub use http::route_patterns;
pub use open_error::OpenError;
pub use options::{Authentication, Location, Options};

// What many of the modules below import.
pub(in crate::embedded) use auth::Authenticator;
pub(in crate::embedded) use blobs::{BlobStore, TempFile};
pub(in crate::embedded) use caller::Caller;
pub(in crate::embedded) use hosted::{HostedExperiment, HostedExperiments};
pub(in crate::embedded) use options::Durability;
pub(in crate::embedded) use protocol_error::{ProtocolError, ProtocolResult};
pub(in crate::embedded) use scope::{Scope, ScopeKey};
pub(in crate::embedded) use state::BackendState;
