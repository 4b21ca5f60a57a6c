//! The files beside the database: artifacts, and whatever is on its way in or out.
//!
//! A file is written under `tmp`, synced, renamed to its place, and only then named by a row. A crash between the
//! last two steps leaves a file that nothing names, which is harmless; `tmp` is emptied at every start.

use std::fs;
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};

use tokio::fs::File;
use tokio::io::{AsyncSeekExt, AsyncWriteExt, BufWriter};

use super::storage::Durability;
use crate::protocol::ExperimentId;

/// Written to the system at once; an upload arrives in smaller pieces.
const BUFFER: usize = 256 * 1024;

/// The directories of a data directory that hold files.
#[derive(Debug, Clone)]
pub(super) struct Blobs {
    artifacts: PathBuf,
    tmp: PathBuf,
    is_synced: bool,
}

impl Blobs {
    /// Makes the directories and throws away what an earlier process left unfinished.
    pub(super) fn open(dir: &Path, durability: Durability) -> io::Result<Self> {
        let blobs = Self {
            artifacts: dir.join("artifacts"),
            tmp: dir.join("tmp"),
            is_synced: durability == Durability::Synced,
        };
        match fs::remove_dir_all(&blobs.tmp) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir_all(&blobs.tmp)?;
        fs::create_dir_all(&blobs.artifacts)?;
        Ok(blobs)
    }

    /// Whether what is acknowledged must be on disk.
    pub(super) fn is_synced(&self) -> bool {
        self.is_synced
    }

    /// An empty file under `tmp`, gone again when the draft is dropped.
    pub(super) async fn draft(&self) -> io::Result<Draft> {
        let path = self.tmp.join(format!("{:032x}", rand::random::<u128>()));
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .await?;
        Ok(Draft {
            litter: Litter(path),
            file: BufWriter::with_capacity(BUFFER, file),
            len: 0,
        })
    }

    /// Gives a draft its lasting place.
    pub(super) async fn keep(&self, mut draft: Draft, experiment: &ExperimentId, id: &str) -> io::Result<()> {
        draft.file.flush().await?;
        let home = self.home(experiment, id);
        let (from, to) = (draft.litter.0.clone(), home.join(id));
        let is_synced = self.is_synced;
        let file = draft.file.into_inner().into_std().await;
        blocking(move || {
            fs::create_dir_all(&home)?;
            if is_synced {
                file.sync_all()?;
            }
            fs::rename(from, to)?;
            if is_synced {
                // Each directory on the way may be new.
                for dir in home.ancestors().take(3) {
                    sync_dir(dir)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// The bytes of an artifact.
    pub(super) async fn read(&self, experiment: &ExperimentId, id: &str) -> io::Result<File> {
        File::open(self.home(experiment, id).join(id)).await
    }

    /// 256 directories an experiment, so that none grows beyond what tools like to list.
    fn home(&self, experiment: &ExperimentId, id: &str) -> PathBuf {
        let shard = id.get(..2).unwrap_or_default();
        self.artifacts.join(experiment.as_str()).join(shard)
    }
}

/// A file in the making.
#[derive(Debug)]
pub(super) struct Draft {
    litter: Litter,
    file: BufWriter<File>,
    len: u64,
}

impl Draft {
    /// Appends.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).await?;
        self.len += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Writes over what was appended at `at`, and goes on at the end.
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

    /// The file itself, at its beginning and without a name, so that the last handle to it is the end of it.
    pub(super) async fn unnamed(mut self) -> io::Result<fs::File> {
        self.file.seek(SeekFrom::Start(0)).await?;
        // The name goes with `self.litter`.
        Ok(self.file.into_inner().into_std().await)
    }
}

/// Removed when dropped. A file that was renamed away is not there any more, which is as good.
#[derive(Debug)]
struct Litter(PathBuf);

impl Drop for Litter {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Makes the names in a directory last.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

/// Runs what waits for the disk where waiting harms nobody.
pub(super) async fn blocking<T: Send + 'static, E: From<io::Error> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(E::from(io::Error::other(error))),
    }
}
