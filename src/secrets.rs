//! Secrets of the console that are stored in its data directory.

use std::io;
use std::path::Path;

use rand::RngExt;
use sha2::{Digest, Sha512};

use crate::private_file::create_private_once;

/// The key of the session cookie. It is made on the first start and stored, so that operators stay signed in over
/// restarts.
///
/// # Errors
/// When the file cannot be read or written, or is not one that this program made.
pub fn load_or_create_session_key(directory: &Path) -> io::Result<[u8; 64]> {
    let mut made = [0; 64];
    rand::rng().fill(&mut made);
    let kept = create_private_once(&directory.join("session-key"), &made)?;
    kept.try_into().map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "not 64 bytes long; remove it to have a new one made",
        )
    })
}

/// Derives the key of the session cookie from a secret, the same in every replica.
pub fn derive_session_key(secret: &str) -> [u8; 64] {
    let digest = Sha512::new()
        .chain_update(b"switchboard session key\0")
        .chain_update(secret);
    digest.finalize().into()
}
