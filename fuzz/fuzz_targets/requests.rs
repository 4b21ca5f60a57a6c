//! Sends nearly valid requests to every route of the backend.
#![no_main]

#[expect(dead_code, reason = "the rest is used by `cargo test`")]
#[path = "../../tests/support/adversary/mod.rs"]
mod adversary;
mod arena;

use adversary::request::Attack;
use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    arena::fight(async |world| {
        if let Ok(attack) = Attack::new(&mut Unstructured::new(data), &world.cast) {
            world.strike(attack).await;
        }
    });
});
