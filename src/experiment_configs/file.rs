//! Looking at one file, bounded in bytes.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::protocol::ExperimentConfig;

/// What tells a version of a file from others without reading it.
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

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Bytes(Arc<[u8]>),
    /// More than a configuration has; it was not read.
    TooLong,
}

/// Reads a file that was looked at before; it may be another by now, so it says itself what it is.
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
