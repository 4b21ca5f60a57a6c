//! The configuration of each experiment, from files.
//!
//! An experiment is never shown with the configuration of another (there is no falling back), and a file that changes
//! is noticed at the next look.

mod error;
mod file;
mod source;
#[cfg(test)]
mod tests;

pub use error::{ConfigError, LookedIn};
pub use source::{ConfigSource, Options};
