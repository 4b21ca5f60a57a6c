//! What a data directory survives, and what it refuses.

use std::path::Path;

use switchboard::clock::Clock;
use switchboard::embedded::{Backend, Location, OpenError, Options};
use switchboard::lifecycle::Tasks;

use crate::support::ADMIN_TOKEN;

async fn open(dir: &Path) -> Result<Backend, OpenError> {
    let location = Location::Directory(dir.to_owned());
    let options = Options::new(location, ADMIN_TOKEN.into(), Clock::default(), Tasks::new());
    Backend::open(options).await
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_is_said_in_one_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let held = open(dir.path()).await.expect("opens");
    let error = open(dir.path()).await.err().expect("in use");
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    drop(held);

    let garbled = tempfile::tempdir().expect("a directory");
    std::fs::write(
        garbled.path().join("switchboard.db"),
        "no database at all\n".repeat(400),
    )
    .expect("written");
    let error = open(garbled.path()).await.err().expect("damaged");
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
    assert_eq!(error.to_string().lines().count(), 1);

    let file = garbled.path().join("switchboard.db");
    let error = open(&file.join("below")).await.err().expect("no directory");
    assert!(matches!(error, OpenError::Unwritable { .. }), "{error:?}");
}
