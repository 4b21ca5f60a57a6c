//! Where ids come from: the time of day and 80 random bits (`ch02 §1.6`).

use std::sync::{Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use ulid::Ulid;

use crate::clock::Clock;

/// Mints identifiers.
pub(super) struct Mint {
    clock: Clock,
    random: Mutex<StdRng>,
}

impl Mint {
    /// With a seed the same calls mint the same ids, which is for tests only.
    pub(super) fn new(clock: Clock, seed: Option<u64>) -> Self {
        let random = seed.map_or_else(rand::make_rng, StdRng::seed_from_u64);
        Self {
            clock,
            random: Mutex::new(random),
        }
    }

    /// Fresh bits for one id.
    pub(super) fn ulid(&self) -> Ulid {
        let millis = self.clock.now().instant().as_millisecond();
        // The generator is whole at every step, so a panic elsewhere does not spoil it.
        let random = self
            .random
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .random::<u128>();
        Ulid::from_parts(u64::try_from(millis).unwrap_or(0), random)
    }
}
