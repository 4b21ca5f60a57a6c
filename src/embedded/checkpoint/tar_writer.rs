//! Writing the container (`ch10 §4`): a tar archive whose members need not be known in size before they are written.

use std::io;

use tar::{EntryType, Header};

use super::Member;
use crate::embedded::TempFile;
use crate::protocol::Timestamp;

const BLOCK: u64 = 512;
/// tar pads an archive to whole records of this many bytes.
const RECORD: u64 = 20 * BLOCK;
/// The directory of all members.
const TOP: &str = "checkpoint";

/// Writes an archive member by member.
pub(super) struct TarWriter {
    file: TempFile,
    modified_at: u64,
}

impl TarWriter {
    /// Every member gets the modification time `now`.
    pub(super) fn new(file: TempFile, now: Timestamp) -> Self {
        let modified_at = u64::try_from(now.instant().as_second()).unwrap_or_default();
        Self { file, modified_at }
    }

    /// Writes a whole member.
    pub(super) async fn write_member(&mut self, member: Member, bytes: &[u8]) -> io::Result<()> {
        let start = self.begin_member().await?;
        self.append(bytes).await?;
        self.end_member(member, start).await
    }

    /// Begins a member, and returns the position of its header.
    pub(super) async fn begin_member(&mut self) -> io::Result<u64> {
        let start = self.file.len();
        self.file.write(&[0; BLOCK as usize]).await?;
        Ok(start)
    }

    /// Appends to the member that was begun.
    pub(super) async fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write(bytes).await
    }

    /// Ends the member whose header is at `start`.
    pub(super) async fn end_member(&mut self, member: Member, start: u64) -> io::Result<()> {
        let size = self.file.len() - start - BLOCK;
        self.pad(BLOCK).await?;
        let mut header = Header::new_ustar();
        header.set_path(format!("{TOP}/{}", member.name()))?;
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_mtime(self.modified_at);
        header.set_size(size);
        header.set_cksum();
        self.file.overwrite(start, header.as_bytes()).await
    }

    /// Ends the archive as tar does, with empty blocks up to a whole record.
    pub(super) async fn finish(mut self) -> io::Result<TempFile> {
        self.file.write(&[0; 2 * BLOCK as usize]).await?;
        self.pad(RECORD).await?;
        Ok(self.file)
    }

    async fn pad(&mut self, to: u64) -> io::Result<()> {
        let missing = self.file.len().next_multiple_of(to) - self.file.len();
        let zeros = [0; RECORD as usize];
        let missing = usize::try_from(missing).unwrap_or_default();
        self.file.write(zeros.get(..missing).unwrap_or_default()).await
    }
}
