//! The configuration of each experiment, from files.
//!
//! An experiment is never shown with the configuration of another (there is no falling back), and a file that changes
//! is noticed at the next look.

mod file;
mod source;
#[cfg(test)]
mod tests;
mod trouble;

pub use source::{ConfigSource, Options};
pub use trouble::{ConfigTrouble, LookedIn};
