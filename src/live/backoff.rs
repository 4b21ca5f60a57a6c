use std::time::Duration;

use rand::RngExt;

/// How long to wait before the next try: doubled each time, capped and jittered. Only a connection that was healthy for
/// a while resets it, so that a server that accepts and drops at once is not hammered.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    cap: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(250);
    /// A connection that was healthy this long resets the wait.
    const RESET_AFTER: Duration = Duration::from_secs(20);

    /// A backoff whose waits are at most `cap`.
    pub(super) fn new(cap: Duration) -> Self {
        Self { failures: 0, cap }
    }

    /// The wait after a connection that was healthy for `healthy`.
    pub(super) fn next(&mut self, healthy: Duration) -> Duration {
        if healthy >= Self::RESET_AFTER {
            self.failures = 0;
        }
        let ceiling = Self::FIRST.saturating_mul(1 << self.failures.min(10)).min(self.cap);
        self.failures = self.failures.saturating_add(1);
        // Between half and all of it: many consoles spread out, and none retries at once.
        ceiling.mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_reset_only_after_a_healthy_connection() {
        const CAP: Duration = Duration::from_secs(15);
        let mut backoff = Backoff::new(CAP);
        let waits: Vec<_> = (0..12).map(|_| backoff.next(Duration::ZERO)).collect();
        assert!(waits[0] >= Backoff::FIRST / 2 && waits[0] <= Backoff::FIRST);
        assert!(waits.iter().all(|w| *w <= CAP));
        assert!(waits[11] >= CAP / 2);
        assert!(backoff.next(Duration::from_secs(1)) >= CAP / 2);
        assert!(backoff.next(Backoff::RESET_AFTER) <= Backoff::FIRST);
    }
}
