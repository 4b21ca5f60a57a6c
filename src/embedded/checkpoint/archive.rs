//! Reading the container (`ch10 §4`): a tar archive of known members in one directory. Nothing in it is unpacked by
//! name. Opening finds where the bytes of each member are, and members are read in place.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

use tokio_util::sync::CancellationToken;

use super::member_indexer::{ByteRange, IndexedMembers, index_members};
use super::{Member, invalid};
use crate::embedded::ProtocolResult;

const BUFFER: usize = 64 * 1024;

/// An archive whose members were found.
#[derive(Debug)]
pub(super) struct Archive {
    file: File,
    members: HashMap<Member, ByteRange>,
    /// How many files are under `artifacts/`. A reader of v0 ignores them (`ch10 §7`).
    pub(super) artifacts: usize,
    unknown_member: Option<String>,
    cancelled: CancellationToken,
}

impl Archive {
    /// Finds the members. None may be there twice, and all must be in one directory. After `cancelled` every read
    /// fails.
    pub(super) fn open(file: File, cancelled: CancellationToken) -> ProtocolResult<Self> {
        let IndexedMembers {
            members,
            artifacts,
            unknown_member,
        } = index_members(&file)?;
        Ok(Self {
            file,
            members,
            artifacts,
            unknown_member,
            cancelled,
        })
    }

    /// Requires every member of a checkpoint and no other. Another version of the format may have others, so this is
    /// checked after the version.
    pub(super) fn require_complete(&self) -> ProtocolResult {
        if let Some(unknown) = &self.unknown_member {
            return Err(invalid(format!("{unknown:?} has no business in a checkpoint")));
        }
        match Member::ALL.iter().find(|member| !self.members.contains_key(member)) {
            Some(member) => Err(invalid(format!("{} is missing", member.name()))),
            None => Ok(()),
        }
    }

    /// Fails when the caller has gone. Each read of a member checks this as well.
    pub(super) fn check_cancelled(&self) -> io::Result<()> {
        match self.cancelled.is_cancelled() {
            true => Err(io::Error::other("nobody waits for the answer any more")),
            false => Ok(()),
        }
    }

    /// The bytes of a member, read in place.
    pub(super) fn read(&self, member: Member) -> BufReader<MemberReader<'_>> {
        let (at, size) = match self.members.get(&member) {
            Some(range) => (range.begin, range.size),
            None => (0, 0),
        };
        let reader = MemberReader {
            archive: self,
            at,
            end: at + size,
        };
        BufReader::with_capacity(BUFFER, reader)
    }

    /// The size of a member in bytes.
    pub(super) fn size(&self, member: Member) -> u64 {
        self.members.get(&member).map_or(0, |range| range.size)
    }

    /// The whole text of a short member.
    pub(super) fn text(&self, member: Member, limit: u64) -> ProtocolResult<String> {
        let name = member.name();
        if self.size(member) > limit {
            return Err(invalid(format!("{name} is longer than {limit} bytes")));
        }
        let mut text = String::new();
        let read = self.read(member).read_to_string(&mut text);
        read.map_err(|error| invalid(format!("{name} cannot be read: {error}")))?;
        Ok(text)
    }
}

/// Reads a part of the file. Several may read at the same time.
#[derive(Debug)]
pub(super) struct MemberReader<'a> {
    archive: &'a Archive,
    at: u64,
    end: u64,
}

impl Read for MemberReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.archive.check_cancelled()?;
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let buffer = buffer.get_mut(..wanted).unwrap_or_default();
        let read = self.archive.file.read_at(buffer, self.at)?;
        self.at += u64::try_from(read).unwrap_or_default();
        Ok(read)
    }
}
