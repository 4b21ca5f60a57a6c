//! Experiments that really evolve: an ordinary client that registers a few, and plays every role in them.
//!
//! The demo reaches the backend only by HTTP. [`catalog`] says which experiments there are and [`problem`] what they
//! solve; [`pilot`] runs every hosted experiment whose configuration asks for it ([`plan`]), also one that a person
//! seeded by hand; [`repo`] is the git side, [`workers`] and [`credentials`] say who acts.

mod catalog;
mod credentials;
mod data_uri;
mod error;
mod options;
mod pilot;
mod plan;
mod problem;
mod repo;
mod workers;

pub use error::DemoError;
pub use options::Options;

/// Registers the experiments that are missing, seeds those that are to run, and starts the pilot. It may be called
/// again on the same data directory: nothing is registered twice.
///
/// # Errors
/// [`DemoError`] when the backend is away or refuses, or the data directory cannot be written.
pub async fn start(options: Options) -> Result<(), DemoError> {
    catalog::ensure(&options).await?;
    let tasks = options.tasks.clone();
    tasks.spawn("demo", pilot::follow(options));
    Ok(())
}

/// A configuration to seed an experiment with by hand, with comments for a newcomer; the pilot takes it on.
pub fn sample_config() -> &'static str {
    catalog::SAMPLE
}
