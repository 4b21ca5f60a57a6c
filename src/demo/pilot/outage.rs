use std::time::Duration;

use tracing::{debug, info, warn};

use crate::demo::error::DemoError;

/// The longest wait after a failure.
const MOST_BACKOFF: Duration = Duration::from_secs(10);

/// A row of failures: the first is logged as a warning, and each is followed by a longer wait.
#[derive(Default)]
pub(super) struct Outage {
    failures: u32,
}

impl Outage {
    /// Counts and logs a failure; returns how long to wait.
    pub(super) fn failed(&mut self, what: &str, fault: &DemoError) -> Duration {
        if self.failures == 0 {
            warn!("{what}: {fault}; it keeps trying");
        } else {
            debug!("{what}: {fault}");
        }
        self.failures = self.failures.saturating_add(1);
        (Duration::from_millis(250) * 2_u32.saturating_pow(self.failures.min(10))).min(MOST_BACKOFF)
    }

    /// Ends the row, if there is one.
    pub(super) fn recovered(&mut self, what: &str) {
        if self.failures > 0 {
            info!("{what}");
            self.failures = 0;
        }
    }
}
