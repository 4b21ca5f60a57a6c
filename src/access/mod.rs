//! Which server hosts what, and the console's own credential for each.
//!
//! Every experiment mints worker ids of its own, so the console is one worker **per experiment** and another one in the
//! control plane, and never shows one's credential to another. [`StoreFactory`] makes clients by experiment and role.
//! The bearer of each comes from one cache. It is bootstrapped at most once at a time in this process, under a file
//! lock between processes, and replaced once when a server refuses it.

mod bearer_sources;
mod bearers;
mod bootstrap;
mod credentials;
mod directory;
mod error;
mod factory;
mod options;
mod posture;
mod scope;
mod task_stores;

pub use error::CredentialError;
pub use factory::StoreFactory;
pub use options::Options;
pub use posture::{CredentialState, Posture};
pub use scope::Scope;
pub use task_stores::{AddressError, TaskStores, check_address};
