//! Finds the members of a tar archive without unpacking anything.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};

use tar::EntryType;

use super::{Member, invalid};
use crate::embedded::ProtocolResult;

/// The most entries an archive may have, ignored ones included.
const MAX_ENTRIES: usize = 100_000;
/// The longest extended header in bytes.
const MAX_EXTENDED_HEADER: u64 = 64 * 1024;

/// Where the bytes of a member are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ByteRange {
    pub(super) begin: u64,
    pub(super) size: u64,
}

/// What an archive contains.
#[derive(Debug, Default)]
pub(super) struct IndexedMembers {
    pub(super) members: HashMap<Member, ByteRange>,
    /// How many files are under `artifacts/`.
    pub(super) artifacts: usize,
    /// The first file that no checkpoint has.
    pub(super) unknown_member: Option<String>,
}

/// Finds the members of an archive. None may be there twice, and all must be in one directory.
pub(super) fn index_members(file: &File) -> ProtocolResult<IndexedMembers> {
    let unreadable = |error: io::Error| invalid(format!("the body is no tar archive: {error}"));
    let length = file.metadata().map_err(unreadable)?.len();
    let mut archive = tar::Archive::new(file);
    let mut indexer = MemberIndexer::default();
    // Raw, since the library would read a name of any length into memory.
    let entries = archive.entries_with_seek().map_err(unreadable)?.raw(true);
    for (number, entry) in entries.enumerate() {
        let mut entry = entry.map_err(unreadable)?;
        if number >= MAX_ENTRIES {
            return Err(invalid(format!("the archive has more than {MAX_ENTRIES} members")));
        }
        let range = ByteRange {
            begin: entry.raw_file_position(),
            size: entry.size(),
        };
        if range.begin.checked_add(range.size).is_none_or(|end| end > length) {
            return Err(invalid("the archive ends in the middle of a member"));
        }
        let kind = entry.header().entry_type();
        let is_pax = kind.is_pax_local_extensions() || kind.is_pax_global_extensions();
        if !is_pax && !kind.is_gnu_longname() {
            indexer.add(entry.path_bytes().into_owned(), kind, range)?;
            continue;
        }
        if range.size > MAX_EXTENDED_HEADER {
            return Err(invalid("an extended header is too long"));
        }
        let mut text = Vec::new();
        entry.read_to_end(&mut text).map_err(unreadable)?;
        match is_pax {
            true => indexer.pax_header(&text, kind.is_pax_global_extensions())?,
            false => indexer.gnu_long_name(text)?,
        }
    }
    indexer.finish()
}

#[derive(Default)]
struct MemberIndexer {
    /// The one directory of the archive.
    top: Option<String>,
    found: IndexedMembers,
    /// The name that an extended header gave to the next entry.
    next_path: Option<Vec<u8>>,
}

impl MemberIndexer {
    /// A name that is too long for a header, as GNU tar writes it.
    fn gnu_long_name(&mut self, mut text: Vec<u8>) -> ProtocolResult {
        if text.pop() != Some(0) {
            return Err(invalid("a long name has no end"));
        }
        self.next_path = Some(text);
        Ok(())
    }

    /// Reads `length key=value` records. A record may set the name of the next entry, but nothing else that says where
    /// bytes are.
    fn pax_header(&mut self, mut text: &[u8], is_global: bool) -> ProtocolResult {
        let malformed = || invalid("an extended header is malformed");
        while !text.is_empty() {
            let blank = text.iter().position(|b| *b == b' ').ok_or_else(malformed)?;
            let digits = std::str::from_utf8(text.get(..blank).unwrap_or_default()).map_err(|_| malformed())?;
            let length: usize = digits.parse().map_err(|_| malformed())?;
            let record = text.get(blank + 1..length).ok_or_else(malformed)?;
            let record = record.strip_suffix(b"\n").ok_or_else(malformed)?;
            let equals = record.iter().position(|b| *b == b'=').ok_or_else(malformed)?;
            let (key, value) = record.split_at(equals);
            match key {
                b"path" if !is_global => self.next_path = Some(value.get(1..).unwrap_or_default().to_vec()),
                b"path" | b"linkpath" | b"size" => return Err(invalid("an extended header moves a member")),
                key if key.starts_with(b"GNU.sparse") => return Err(invalid("sparse members are not taken")),
                _ => {}
            }
            text = text.get(length..).unwrap_or_default();
        }
        Ok(())
    }

    fn add(&mut self, path: Vec<u8>, kind: EntryType, range: ByteRange) -> ProtocolResult {
        let path = self.next_path.take().unwrap_or(path);
        let shown = String::from_utf8_lossy(&path).chars().take(200).collect::<String>();
        let path = String::from_utf8(path).map_err(|_| invalid(format!("{shown:?} is no name in UTF-8")))?;
        let is_dir = kind == EntryType::Directory;
        if !is_dir && kind != EntryType::Regular {
            return Err(invalid(format!("{shown:?} is neither a file nor a directory")));
        }
        // tar puts this before every name when it packs a directory that is named so.
        let path = path.strip_prefix("./").unwrap_or(&path);
        let path = match is_dir {
            true => path.strip_suffix('/').unwrap_or(path),
            false => path,
        };
        let mut parts = path.split('/');
        let is_unsafe = |part: &str| part.is_empty() || part == "." || part == ".." || part.contains('\0');
        if parts.clone().any(is_unsafe) {
            return Err(invalid(format!("{shown:?} is no plain path")));
        }
        let top = parts.next().unwrap_or_default();
        if self.top.get_or_insert_with(|| top.to_owned()) != top {
            return Err(invalid(format!("{shown:?} is not in the one directory of the archive")));
        }
        let rest: Vec<&str> = parts.collect();
        match (rest.as_slice(), is_dir) {
            ([] | ["artifacts"] | ["artifacts", "sha256"], true) => return Ok(()),
            (["artifacts", _] | ["artifacts", _, _], false) => {
                self.found.artifacts += 1;
                return Ok(());
            }
            ([name], false) => {
                if let Some(member) = Member::ALL.into_iter().find(|member| member.name() == *name) {
                    return match self.found.members.insert(member, range) {
                        None => Ok(()),
                        Some(_) => Err(invalid(format!("{shown:?} is there twice"))),
                    };
                }
            }
            _ => {}
        }
        self.found.unknown_member.get_or_insert(shown);
        Ok(())
    }

    fn finish(self) -> ProtocolResult<IndexedMembers> {
        if self.top.is_none() {
            return Err(invalid("the body is no tar archive, or an empty one"));
        }
        if !self.found.members.contains_key(&Member::Manifest) {
            return Err(invalid("manifest.json is missing"));
        }
        Ok(self.found)
    }
}
