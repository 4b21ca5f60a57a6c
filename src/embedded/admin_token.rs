//! The admin token of a data directory.

use std::fs;
use std::io;
use std::path::Path;

use secrecy::SecretString;

use super::OpenError;
use super::password_hash::random_secret;
use crate::private_file::write_private;

/// The admin token in `<dir>/admin-token` (mode 0600). It is made on first use.
///
/// # Errors
/// When the directory cannot be written, or the file is there but holds no token.
pub fn load_or_create_admin_token(dir: &Path) -> Result<SecretString, OpenError> {
    let path = dir.join("admin-token");
    let unwritable = |source| OpenError::Unwritable {
        path: path.clone(),
        source,
    };
    match fs::read_to_string(&path) {
        Ok(text) if text.trim().len() >= 32 => return Ok(text.trim().into()),
        Ok(_) => return Err(OpenError::Token { path }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(unwritable(error)),
    }
    fs::create_dir_all(dir).map_err(unwritable)?;
    let token = random_secret();
    let draft = dir.join(format!("admin-token.{}.tmp", std::process::id()));
    let written = write_private(&draft, token.as_bytes()).and_then(|()| {
        // A hard link fails if the name exists: of two processes that start at once, one makes the token.
        fs::hard_link(&draft, &path)
    });
    // If it cannot be removed it does no harm.
    let _ = fs::remove_file(&draft);
    match written {
        Ok(()) => Ok(token.into()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::read_to_string(&path)
            .map(|text| text.trim().into())
            .map_err(unwritable),
        Err(error) => Err(unwritable(error)),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn the_admin_token_is_private_and_stays() -> Result<(), Box<dyn std::error::Error>> {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir()?;
        let inner = dir.path().join("data");
        let first = load_or_create_admin_token(&inner)?;
        let again = load_or_create_admin_token(&inner)?;
        assert_eq!(first.expose_secret(), again.expose_secret());
        assert_eq!(first.expose_secret().len(), 64);
        let mode = fs::metadata(inner.join("admin-token"))?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(&inner)?.count(), 1, "no temporary file is left");
        fs::write(inner.join("admin-token"), "\n")?;
        assert!(matches!(
            load_or_create_admin_token(&inner),
            Err(OpenError::Token { .. })
        ));
        Ok(())
    }
}
