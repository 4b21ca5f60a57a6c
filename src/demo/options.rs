use std::path::PathBuf;

use crate::client::Client;
use crate::clock::Clock;
use crate::lifecycle::Tasks;
use crate::protocol::ExperimentId;

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
    pub(super) fn repository(&self, id: &ExperimentId) -> PathBuf {
        self.data_dir.join("repos").join(format!("{id}.git"))
    }

    pub(super) fn credentials(&self) -> PathBuf {
        self.data_dir.join("credentials")
    }
}
