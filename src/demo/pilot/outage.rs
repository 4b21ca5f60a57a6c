//! Failures that last.

use std::time::Duration;

use tracing::{debug, info, warn};

use crate::demo::DemoError;

/// The longest wait after a failure.
const MOST_BACKOFF: Duration = Duration::from_secs(10);

/// Says a failure once however long it lasts, and waits longer each time.
#[derive(Default)]
pub(super) struct Outage(u32);

impl Outage {
    pub(super) fn wait(&mut self, what: &str, fault: &DemoError) -> Duration {
        if self.0 == 0 {
            warn!("{what}: {fault}; it keeps trying");
        } else {
            debug!("{what}: {fault}");
        }
        self.0 = self.0.saturating_add(1);
        (Duration::from_millis(250) * 2_u32.saturating_pow(self.0.min(10))).min(MOST_BACKOFF)
    }

    pub(super) fn over(&mut self, what: &str) {
        if self.0 > 0 {
            info!("{what}");
            self.0 = 0;
        }
    }
}
