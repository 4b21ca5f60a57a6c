//! The console's own posture with the servers it speaks to: which server, as whom, with which secret.
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
mod posture;
mod scope;
mod sources;
mod task_stores;

pub use error::CredentialError;
pub use factory::StoreFactory;
pub use options::Options;
pub use posture::{CredentialState, Posture};
pub use scope::Scope;
pub use task_stores::{AddressError, TaskStores, check_address};
