use std::sync::atomic::{AtomicI64, Ordering};

use crate::protocol::Timestamp;

/// An instant that threads share without a lock.
#[derive(Debug)]
pub(super) struct AtomicTimestamp(AtomicI64);

impl AtomicTimestamp {
    pub(super) fn new(instant: Timestamp) -> Self {
        Self(AtomicI64::new(instant.as_millisecond()))
    }

    pub(super) fn get(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst))
    }

    pub(super) fn set(&self, instant: Timestamp) {
        self.0.store(instant.as_millisecond(), Ordering::SeqCst);
    }
}
