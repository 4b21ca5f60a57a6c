//! Imports wait for each other.

use futures_util::FutureExt;

use crate::clock::Clock;
use crate::embedded::{Backend, Location, Options};
use crate::lifecycle::Tasks;

#[tokio::test]
async fn imports_wait_for_each_other() {
    let dir = tempfile::tempdir().expect("a directory");
    let location = Location::Scratch(dir.path().to_owned());
    let options = Options::new(location, "a token of the admin".into(), Clock::default(), Tasks::new());
    let backend = Backend::open(options).await.expect("open");
    let checkpoints = &backend.state.checkpoints;
    let first = checkpoints.import_permit().await.expect("a permit");
    let mut second = Box::pin(checkpoints.import_permit());
    assert!((&mut second).now_or_never().is_none(), "it waits");
    drop(first);
    let _second = second.await.expect("a permit");
}
