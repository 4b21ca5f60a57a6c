//! Reading one file of bounded size.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::protocol::ExperimentConfig;

/// The metadata that tells versions of a file apart without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) modified: SystemTime,
    length: u64,
    inode: (u64, u64),
    /// Seconds and nanoseconds; a change of mode moves this only.
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> io::Result<Self> {
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        Ok(Self {
            modified: metadata.modified()?,
            length: metadata.len(),
            inode: (metadata.dev(), metadata.ino()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// The content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Bytes(Arc<[u8]>),
    /// It is longer than a configuration may be, and was not read.
    TooLong,
}

/// Reads a file and its stamp. The stamp is that of the file that was opened, which may differ from an earlier one.
pub(super) fn read(path: &Path) -> io::Result<(Stamp, Content)> {
    let file = File::open(path)?;
    let stamp = Stamp::of(&file.metadata()?)?;
    let longest = ExperimentConfig::LONGEST as u64;
    if stamp.length > longest {
        return Ok((stamp, Content::TooLong));
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    file.take(longest + 1).read_to_end(&mut bytes)?;
    let content = if bytes.len() as u64 > longest {
        Content::TooLong
    } else {
        Content::Bytes(bytes.into())
    };
    Ok((stamp, content))
}
