//! Secrets of the console that are kept in its data directory.

use std::fs;
use std::io;
use std::path::Path;

use rand::RngExt;

use crate::private_file::replace_private;

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
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(&path),
        Err(error) => Err(error),
    }
}

fn create(path: &Path) -> io::Result<[u8; 64]> {
    let mut key = [0; 64];
    rand::rng().fill(&mut key);
    replace_private(path, &key)?;
    Ok(key)
}
