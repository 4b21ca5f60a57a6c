//! The repositories of the experiments: found, cloned when first needed, fetched when old, kept within a byte budget.
//!
//! Blocking work runs beside the async threads. A clone has one fetch at a time: within this process all callers wait
//! for the same one, between processes it holds a lock. A caller waits for a bounded time, and the fetch goes on after
//! that.

mod blocking;
mod clone_path;
mod commit;
mod credential;
mod error;
mod failures;
mod fetch;
mod materializer;
mod options;
mod pkt_line;
mod remote;
mod smart_http;
mod state;
#[cfg(test)]
mod tests;
mod transfer;

pub use commit::{ChangedFile, CommitSummary, FileChange};
pub use credential::CredentialSource;
pub use error::{RemoteFailure, RemoteFault, RepoError, SetupError};
pub use materializer::{Handle, RepoMaterializer};
pub use options::Options;
pub use remote::Remote;
pub use smart_http::NetworkLimits;
pub use state::{FetchFailure, RepoState};
