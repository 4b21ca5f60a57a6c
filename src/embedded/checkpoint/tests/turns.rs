//! Imports wait for each other.

use futures_util::FutureExt;

use super::super::ImportTurn;
use crate::clock::Clock;
use crate::embedded::{Backend, Location, Options};
use crate::lifecycle::Tasks;

#[tokio::test]
async fn one_archive_at_a_time_is_checked() {
    let dir = tempfile::tempdir().expect("a directory");
    let location = Location::Scratch(dir.path().to_owned());
    let options = Options::new(location, "a token of the admin".into(), Clock::default(), Tasks::new());
    let backend = Backend::open(options).await.expect("open");
    let first = ImportTurn::wait(&backend.0).await.expect("a turn");
    let mut second = Box::pin(ImportTurn::wait(&backend.0));
    assert!((&mut second).now_or_never().is_none(), "it waits");
    drop(first);
    second.await.expect("its turn");
}
