//! The console's own standing with the servers it speaks to: which server, as whom, with which secret.
//!
//! Worker ids are minted by each experiment for itself, so the console is one worker **per experiment** and another one
//! to the control plane, and never shows one's credential to another. [`StoreFactory`] hands out clients by experiment and
//! role; the bearer behind each comes from one cache, is bootstrapped at most once at a time in this process and under a
//! file lock between processes, and is replaced once when a server refuses it.

mod bearers;
mod bootstrap;
mod directory;
mod error;
mod factory;
mod options;
mod routes;
mod scope;
mod sources;
mod standing;

pub use error::CredentialError;
pub use factory::StoreFactory;
pub use options::Options;
pub use routes::{RouteError, TaskStores, check_address};
pub use scope::Scope;
pub use standing::{CredentialState, Posture};
