//! The configuration of each experiment, from files.
//!
//! An experiment never gets the configuration of another: there is no fallback. A changed file is read again at the
//! next call.

mod error;
mod file;
mod source;
#[cfg(test)]
mod tests;

pub use error::{ConfigError, LookedIn};
pub use source::{ConfigSource, Options};
