//! Secrets of the console that are kept in its data directory.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rand::RngExt;

/// The key of the session cookie: made on the first start, so that operators stay signed in over restarts.
///
/// # Errors
/// When the file cannot be read or written, or is not one that this program made.
pub fn load_or_create_session_key(directory: &Path) -> io::Result<[u8; 64]> {
    let path = directory.join("session-key");
    match fs::read(&path) {
        Ok(bytes) => bytes.try_into().map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "not 64 bytes long; remove it to have a new one made",
            )
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(directory, &path),
        Err(error) => Err(error),
    }
}

/// Written aside and renamed, so that a crash leaves either no key or a whole one.
fn create(directory: &Path, path: &Path) -> io::Result<[u8; 64]> {
    let mut key = [0; 64];
    rand::rng().fill(&mut key);
    let aside = directory.join("session-key.tmp");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&aside)?;
    file.write_all(&key)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    Ok(key)
}
