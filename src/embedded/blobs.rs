//! The files beside the database: artifacts, and temporary files on their way in or out.
//!
//! An artifact is written under `tmp`, synced, renamed to its place, and only then named by a row. A crash between the
//! last two steps leaves a file that no row names, which does no harm. `tmp` is emptied at every start.

use std::fs;
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};

use tokio::fs::File;
use tokio::io::{AsyncSeekExt, AsyncWriteExt, BufWriter};

use super::Durability;
use crate::protocol::ExperimentId;

/// Bytes that are handed to the system at once. The pieces of an upload are smaller.
const BUFFER: usize = 256 * 1024;

/// The directories of a data directory that hold files.
#[derive(Debug, Clone)]
pub(super) struct BlobStore {
    artifacts: PathBuf,
    tmp: PathBuf,
    durability: Durability,
}

impl BlobStore {
    /// Creates the directories, and removes the temporary files of an earlier process.
    pub(super) fn open(dir: &Path, durability: Durability) -> io::Result<Self> {
        let blobs = Self {
            artifacts: dir.join("artifacts"),
            tmp: dir.join("tmp"),
            durability,
        };
        match fs::remove_dir_all(&blobs.tmp) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir_all(&blobs.tmp)?;
        fs::create_dir_all(&blobs.artifacts)?;
        Ok(blobs)
    }

    /// An empty file under `tmp`. It is removed when it is dropped.
    pub(super) async fn temp_file(&self) -> io::Result<TempFile> {
        let path = self.tmp.join(format!("{:032x}", rand::random::<u128>()));
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .await?;
        Ok(TempFile {
            path: RemoveOnDrop(path),
            file: BufWriter::with_capacity(BUFFER, file),
            len: 0,
        })
    }

    /// Moves a temporary file to the place of an artifact.
    pub(super) async fn persist(&self, mut temp: TempFile, experiment: &ExperimentId, id: &str) -> io::Result<()> {
        temp.file.flush().await?;
        let dir = self.artifact_dir(experiment, id);
        let (from, to) = (temp.path.0.clone(), dir.join(id));
        let is_synced = self.durability == Durability::Synced;
        let file = temp.file.into_inner().into_std().await;
        blocking(move || {
            fs::create_dir_all(&dir)?;
            if is_synced {
                file.sync_all()?;
            }
            fs::rename(from, to)?;
            if is_synced {
                // Each of these directories may be new.
                for dir in dir.ancestors().take(3) {
                    sync_dir(dir)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// The bytes of an artifact.
    pub(super) async fn read(&self, experiment: &ExperimentId, id: &str) -> io::Result<File> {
        File::open(self.artifact_dir(experiment, id).join(id)).await
    }

    /// One of 256 directories per experiment, so that none grows too large to list.
    fn artifact_dir(&self, experiment: &ExperimentId, id: &str) -> PathBuf {
        let shard = id.get(..2).unwrap_or_default();
        self.artifacts.join(experiment.as_str()).join(shard)
    }
}

/// A file that is being written.
#[derive(Debug)]
pub(super) struct TempFile {
    path: RemoveOnDrop,
    file: BufWriter<File>,
    len: u64,
}

impl TempFile {
    /// Appends.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).await?;
        self.len += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Replaces bytes at `at`. Later writes append at the end again.
    pub(super) async fn overwrite(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(at)).await?;
        self.file.write_all(bytes).await?;
        self.file.seek(SeekFrom::End(0)).await?;
        Ok(())
    }

    /// How many bytes were appended.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The file itself, positioned at its start and without a name: closing the last handle frees it.
    pub(super) async fn into_unlinked(mut self) -> io::Result<fs::File> {
        self.file.seek(SeekFrom::Start(0)).await?;
        // Dropping `self.path` removes the name.
        Ok(self.file.into_inner().into_std().await)
    }
}

/// Removes a file when it is dropped. If the file was renamed, there is nothing to remove.
#[derive(Debug)]
struct RemoveOnDrop(PathBuf);

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Puts the names in a directory on disk.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

/// Runs what waits for the disk on a thread where that blocks no task.
pub(super) async fn blocking<T: Send + 'static, E: From<io::Error> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(E::from(io::Error::other(error))),
    }
}
