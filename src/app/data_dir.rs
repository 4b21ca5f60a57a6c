use std::path::PathBuf;

use tracing::warn;

use super::error::AppError;
use crate::cli::Storage;
use crate::private_file::create_private_dir;

/// The data directory. An ephemeral one is removed when this is dropped.
pub(super) struct DataDir {
    pub path: PathBuf,
    pub is_ephemeral: bool,
}

impl DataDir {
    pub(super) fn prepare(storage: &Storage) -> Result<Self, AppError> {
        let (path, is_ephemeral) = match storage {
            Storage::Directory(path) => (path.clone(), false),
            Storage::Ephemeral => (
                std::env::temp_dir().join(format!("switchboard-{:016x}", rand::random::<u64>())),
                true,
            ),
        };
        create_private_dir(&path).map_err(|source| AppError::DataDirectory {
            path: path.clone(),
            source,
        })?;
        Ok(Self { path, is_ephemeral })
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if self.is_ephemeral
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            warn!(path = %self.path.display(), %error, "the temporary directory is left behind");
        }
    }
}
