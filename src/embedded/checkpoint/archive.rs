//! Reading the container (`ch10 §4`): a tar archive of known members in one directory. Nothing in it is ever unpacked
//! by name: reading finds where each member lies, and members are read in place.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tar::EntryType;

use super::invalid;
use crate::embedded::transition::Refusal;

/// Members an archive may have, those that are not read counted in.
const MOST_ENTRIES: usize = 100_000;
/// What a member may say of itself beside its bytes.
const MOST_EXTENSION: u64 = 64 * 1024;

/// A file that every archive has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Member {
    Manifest,
    Config,
    Experiment,
    Tasks,
    Ideas,
    Variants,
    Submissions,
    Events,
    Workers,
    Groups,
    Bundle,
}

impl Member {
    pub(super) const ALL: [Self; 11] = [
        Self::Manifest,
        Self::Config,
        Self::Experiment,
        Self::Tasks,
        Self::Ideas,
        Self::Variants,
        Self::Submissions,
        Self::Events,
        Self::Workers,
        Self::Groups,
        Self::Bundle,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest.json",
            Self::Config => "experiment-config.yaml",
            Self::Experiment => "experiment.json",
            Self::Tasks => "tasks.jsonl",
            Self::Ideas => "ideas.jsonl",
            Self::Variants => "variants.jsonl",
            Self::Submissions => "submissions.jsonl",
            Self::Events => "events.jsonl",
            Self::Workers => "workers.jsonl",
            Self::Groups => "groups.jsonl",
            Self::Bundle => "repo.bundle",
        }
    }
}

/// Where the bytes of a member lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    begin: u64,
    size: u64,
}

/// An archive whose members were found.
#[derive(Debug)]
pub(super) struct Archive {
    file: File,
    places: HashMap<Member, Place>,
    /// Files under `artifacts/`, which v0 has a reader tolerate (`ch10 §7`).
    pub(super) artifacts: usize,
    stranger: Option<String>,
    abandoned: Abandoned,
}

/// Set once nobody waits for the outcome any more.
pub(super) type Abandoned = Arc<AtomicBool>;

impl Archive {
    /// Finds the members, of which none may be there twice, and all must be in one directory.
    pub(super) fn index(file: File, abandoned: Abandoned) -> Result<Self, Refusal> {
        let mut finder = Finder::default();
        {
            let unreadable = |error: io::Error| invalid(format!("the body is no tar archive: {error}"));
            let length = file.metadata().map_err(unreadable)?.len();
            let mut archive = tar::Archive::new(&file);
            // Raw, since the library would read a name of any length into memory.
            let entries = archive.entries_with_seek().map_err(unreadable)?.raw(true);
            for (number, entry) in entries.enumerate() {
                let mut entry = entry.map_err(unreadable)?;
                if number >= MOST_ENTRIES {
                    return Err(invalid(format!("the archive has more than {MOST_ENTRIES} members")));
                }
                let place = Place {
                    begin: entry.raw_file_position(),
                    size: entry.size(),
                };
                if place.begin.checked_add(place.size).is_none_or(|end| end > length) {
                    return Err(invalid("the archive ends in the middle of a member"));
                }
                let kind = entry.header().entry_type();
                let is_pax = kind.is_pax_local_extensions() || kind.is_pax_global_extensions();
                if is_pax || kind.is_gnu_longname() {
                    let mut text = Vec::new();
                    if place.size > MOST_EXTENSION {
                        return Err(invalid("an extended header is too long"));
                    }
                    entry.read_to_end(&mut text).map_err(unreadable)?;
                    match is_pax {
                        true => finder.extension(&text, kind.is_pax_global_extensions())?,
                        false => finder.long_name(text)?,
                    }
                } else {
                    let path = entry.path_bytes().into_owned();
                    finder.member(path, kind, place)?;
                }
            }
        }
        finder.finish(file, abandoned)
    }

    /// Whether it has every member that a checkpoint has and no other. Another version of the format may have
    /// others, so this is asked once the version is known.
    pub(super) fn is_complete(&self) -> Result<(), Refusal> {
        if let Some(stranger) = &self.stranger {
            return Err(invalid(format!("{stranger:?} has no business in a checkpoint")));
        }
        match Member::ALL.iter().find(|member| !self.places.contains_key(member)) {
            Some(member) => Err(invalid(format!("{} is missing", member.name()))),
            None => Ok(()),
        }
    }

    /// Whether anybody still waits for what is found out. Reading a member asks as well.
    pub(super) fn is_wanted(&self) -> io::Result<()> {
        match self.abandoned.load(Ordering::Relaxed) {
            true => Err(io::Error::other("nobody waits for the answer any more")),
            false => Ok(()),
        }
    }

    /// The bytes of a member, read in place.
    pub(super) fn read(&self, member: Member) -> BufReader<Slice<'_>> {
        let place = self.places.get(&member);
        let (at, size) = place.map_or((0, 0), |place| (place.begin, place.size));
        BufReader::with_capacity(
            64 * 1024,
            Slice {
                archive: self,
                at,
                end: at + size,
            },
        )
    }

    /// How long a member is.
    pub(super) fn size(&self, member: Member) -> u64 {
        self.places.get(&member).map_or(0, |place| place.size)
    }

    /// A member that is short, whole.
    pub(super) fn text(&self, member: Member, limit: u64) -> Result<String, Refusal> {
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

/// A part of a file, whatever else reads it.
#[derive(Debug)]
pub(super) struct Slice<'a> {
    archive: &'a Archive,
    at: u64,
    end: u64,
}

impl Read for Slice<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.archive.is_wanted()?;
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let read = self
            .archive
            .file
            .read_at(buffer.get_mut(..wanted).unwrap_or_default(), self.at)?;
        self.at += u64::try_from(read).unwrap_or_default();
        Ok(read)
    }
}

#[derive(Default)]
struct Finder {
    top: Option<String>,
    places: HashMap<Member, Place>,
    artifacts: usize,
    stranger: Option<String>,
    /// The name that an extended header gave the member after it.
    path: Option<Vec<u8>>,
}

impl Finder {
    /// A name as GNU tar writes it when it is too long for a header.
    fn long_name(&mut self, mut text: Vec<u8>) -> Result<(), Refusal> {
        if text.pop() != Some(0) {
            return Err(invalid("a long name has no end"));
        }
        self.path = Some(text);
        Ok(())
    }

    /// Reads `length key=value` records. A name may come this way; nothing else that tells where bytes are may.
    fn extension(&mut self, mut text: &[u8], is_global: bool) -> Result<(), Refusal> {
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
                b"path" if !is_global => self.path = Some(value.get(1..).unwrap_or_default().to_vec()),
                b"path" | b"linkpath" | b"size" => return Err(invalid("an extended header moves a member")),
                key if key.starts_with(b"GNU.sparse") => return Err(invalid("sparse members are not taken")),
                _ => {}
            }
            text = text.get(length..).unwrap_or_default();
        }
        Ok(())
    }

    fn member(&mut self, path: Vec<u8>, kind: EntryType, place: Place) -> Result<(), Refusal> {
        let path = self.path.take().unwrap_or(path);
        let shown = String::from_utf8_lossy(&path).chars().take(200).collect::<String>();
        let path = String::from_utf8(path).map_err(|_| invalid(format!("{shown:?} is no name in UTF-8")))?;
        let is_dir = kind == EntryType::Directory;
        if !is_dir && kind != EntryType::Regular {
            return Err(invalid(format!("{shown:?} is neither a file nor a directory")));
        }
        // So tar begins every name when it is told to pack a directory by such a one.
        let path = path.strip_prefix("./").unwrap_or(&path);
        let path = match is_dir {
            true => path.strip_suffix('/').unwrap_or(path),
            false => path,
        };
        let mut parts = path.split('/');
        let is_strange = |part: &str| part.is_empty() || part == "." || part == ".." || part.contains('\0');
        if parts.clone().any(is_strange) {
            return Err(invalid(format!("{shown:?} is no plain path")));
        }
        let top = parts.next().unwrap_or_default();
        if self.top.get_or_insert_with(|| top.to_owned()) != top {
            return Err(invalid(format!("{shown:?} is not in the one directory of the archive")));
        }
        let rest: Vec<&str> = parts.collect();
        match (rest.as_slice(), is_dir) {
            ([] | ["artifacts"] | ["artifacts", "sha256"], true) => Ok(()),
            (["artifacts", _] | ["artifacts", _, _], false) => {
                self.artifacts += 1;
                Ok(())
            }
            ([name], false) => {
                let member = Member::ALL.into_iter().find(|member| member.name() == *name);
                if member.is_some_and(|member| self.places.insert(member, place).is_some()) {
                    return Err(invalid(format!("{shown:?} is there twice")));
                }
                if member.is_none() {
                    self.stranger.get_or_insert(shown);
                }
                Ok(())
            }
            _ => {
                self.stranger.get_or_insert(shown);
                Ok(())
            }
        }
    }

    fn finish(self, file: File, abandoned: Abandoned) -> Result<Archive, Refusal> {
        if self.top.is_none() {
            return Err(invalid("the body is no tar archive, or an empty one"));
        }
        if !self.places.contains_key(&Member::Manifest) {
            return Err(invalid("manifest.json is missing"));
        }
        Ok(Archive {
            file,
            places: self.places,
            artifacts: self.artifacts,
            abandoned,
            stranger: self.stranger,
        })
    }
}
