//! Experiments that really evolve: an ordinary client that registers a few, and plays every role in them.
//!
//! The demo has no path to the backend but HTTP. [`catalog`] says which experiments there are and
//! [`problem`] what they solve; [`pilot`] runs whatever hosted experiment asks for it in its own
//! configuration, also one that a person seeded by hand; [`repo`] is the git side.

mod catalog;
mod credentials;
mod enrolment;
mod error;
mod pilot;
mod problem;
mod repo;

use std::path::PathBuf;

use crate::client::Client;
use crate::clock::Clock;
use crate::lifecycle::Tasks;
use crate::protocol::percent_encode;

pub use error::DemoError;

/// What the demo works with.
#[derive(Clone)]
pub struct Options {
    /// The backend, through the administrator's credential; task store and control plane share its base URL.
    pub client: Client,
    /// Holds `repos/<experiment>.git`, `credentials/<experiment>/<role>.json` and `credentials/control-plane/pilot.json`.
    /// No other process may use it.
    pub data_dir: PathBuf,
    /// Dates everything the demo makes.
    pub clock: Clock,
    /// Runs the pilot, and ends it.
    pub tasks: Tasks,
}

impl Options {
    fn repository(&self, id: &crate::protocol::ExperimentId) -> PathBuf {
        self.data_dir.join("repos").join(format!("{id}.git"))
    }
}

/// Registers the experiments that are missing, seeds those that are to run, and sets the pilot to work.
/// Safe to call on a data directory that has been in use: nothing is registered twice.
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

/// Text as a URI that carries it whole.
fn data_uri(text: &str) -> String {
    format!("data:text/plain;charset=utf-8,{}", percent_encode(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ExperimentConfig;

    #[test]
    fn the_sample_is_a_configuration() {
        let config = ExperimentConfig::from_yaml(sample_config()).expect("a good configuration");
        assert!(config.extra.contains_key("pilot"));
    }

    #[test]
    fn a_data_uri_holds_only_what_a_uri_may() {
        assert_eq!(data_uri("a b\né%"), "data:text/plain;charset=utf-8,a%20b%0A%C3%A9%25");
    }
}
