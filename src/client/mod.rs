//! The only code that speaks HTTP to a task store or a control plane.
//!
//! [`Client`] has the address of a server and a credential. [`ExperimentClient`] and [`ControlClient`] have the
//! operations of a task store and of a control plane. A client retries in one case only: a request that was refused
//! with 401 was not carried out, so with a renewable credential it is sent once more. What any other failure means is
//! for the caller to decide ([`ClientError`]).

mod call;
mod control;
mod credential;
mod error;
mod experiment;
mod push;
mod registry;
mod server;

pub use control::ControlClient;
pub use credential::{Bearer, BearerSource, Credential};
pub use error::ClientError;
pub use experiment::{ExperimentClient, Listed};
pub use push::{PushStream, WatchEvent};
pub use registry::RegistryClient;
pub use server::Client;
