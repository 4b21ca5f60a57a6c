//! The one world of a fuzzing process.

use std::cell::RefCell;

use tokio::runtime::{Builder, Runtime};

use crate::adversary::world::World;

thread_local! {
    static ARENA: RefCell<Option<(Runtime, World)>> = const { RefCell::new(None) };
}

/// Runs one fight in a world that earlier ones may have marked; a new one is made when it is worn out.
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
