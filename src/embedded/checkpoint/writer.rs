//! Writing the container (`ch10 §4`): a tar archive whose members need not be known in size before they are written.

use std::io;

use tar::{EntryType, Header};

use super::archive::Member;
use crate::embedded::blobs::Draft;
use crate::protocol::Timestamp;

const BLOCK: u64 = 512;
/// The directory everything is in.
const TOP: &str = "checkpoint";
/// Writes an archive, member after member, none of which need be known in advance.
pub(super) struct Writer {
    draft: Draft,
    seconds: u64,
}

impl Writer {
    /// `now` is the time that every member is given.
    pub(super) fn new(draft: Draft, now: Timestamp) -> Self {
        let seconds = u64::try_from(now.instant().as_second()).unwrap_or_default();
        Self { draft, seconds }
    }

    /// A member of these bytes.
    pub(super) async fn whole(&mut self, member: Member, bytes: &[u8]) -> io::Result<()> {
        let place = self.begin().await?;
        self.append(bytes).await?;
        self.end(member, place).await
    }

    /// Begins a member, and returns where.
    pub(super) async fn begin(&mut self) -> io::Result<u64> {
        let place = self.draft.len();
        self.draft.write(&[0; BLOCK as usize]).await?;
        Ok(place)
    }

    /// Goes on with the member that was begun.
    pub(super) async fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.draft.write(bytes).await
    }

    /// Ends the member that was begun at `place`.
    pub(super) async fn end(&mut self, member: Member, place: u64) -> io::Result<()> {
        let size = self.draft.len() - place - BLOCK;
        self.pad(BLOCK).await?;
        let mut header = Header::new_ustar();
        header.set_path(format!("{TOP}/{}", member.name()))?;
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_mtime(self.seconds);
        header.set_size(size);
        header.set_cksum();
        self.draft.overwrite(place, header.as_bytes()).await
    }

    /// Ends the archive as tar does, with empty blocks up to a whole record.
    pub(super) async fn finish(mut self) -> io::Result<Draft> {
        self.draft.write(&[0; 2 * BLOCK as usize]).await?;
        self.pad(20 * BLOCK).await?;
        Ok(self.draft)
    }

    async fn pad(&mut self, to: u64) -> io::Result<()> {
        let missing = self.draft.len().next_multiple_of(to) - self.draft.len();
        let zeros = [0; 20 * BLOCK as usize];
        let missing = usize::try_from(missing).unwrap_or_default();
        self.draft.write(zeros.get(..missing).unwrap_or_default()).await
    }
}
