//! The backend that all runs of a fuzzing process share.

use std::cell::RefCell;

use tokio::runtime::{Builder, Runtime};

use crate::adversary::world::World;

thread_local! {
    static ARENA: RefCell<Option<(Runtime, World)>> = const { RefCell::new(None) };
}

/// Runs one input against the shared backend, which keeps the effects of earlier inputs. A new backend replaces it when
/// its experiment has ended or grown, and after many requests.
pub fn fight(fight: impl AsyncFnOnce(&mut World)) {
    ARENA.with_borrow_mut(|arena| {
        let (runtime, world) = arena.get_or_insert_with(|| {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            let world = runtime.block_on(World::start());
            (runtime, world)
        });
        runtime.block_on(async {
            fight(world).await;
            if world.is_worn {
                *world = World::start().await;
            }
        });
    });
}
