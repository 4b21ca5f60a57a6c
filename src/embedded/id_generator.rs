//! New ids: the time of day and 80 random bits (`ch02 §1.6`).

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use ulid::Ulid;

use crate::clock::Clock;

/// Makes the payloads of new ids.
pub(super) struct IdGenerator {
    clock: Clock,
    random: Mutex<StdRng>,
}

impl IdGenerator {
    /// With a seed the same calls return the same ids; for tests only.
    pub(super) fn new(clock: Clock, seed: Option<u64>) -> Self {
        let random = seed.map_or_else(rand::make_rng, StdRng::seed_from_u64);
        Self {
            clock,
            random: Mutex::new(random),
        }
    }

    /// The payload of one id.
    pub(super) fn ulid(&self) -> Ulid {
        let millis = self.clock.now().instant().as_millisecond();
        let random = self.random.lock().random::<u128>();
        Ulid::from_parts(u64::try_from(millis).unwrap_or(0), random)
    }
}
