//! Reads files of one entity per line (`ch10 §3`), one line at a time. Faults say the file and the line.

use std::io::{BufRead, Read};

use serde_json::Value;

use super::{Archive, Member, SourceLocation, invalid};
use crate::embedded::{ProtocolError, ProtocolResult};

/// The longest line in bytes. The wire takes entities of at most 1 MiB, so no real one comes near.
const MAX_LINE: u64 = 8 * 1024 * 1024;
/// The most lines of all files together. Ids are kept in memory while an archive is checked.
pub(super) const MAX_LINES: u64 = 5_000_000;

/// The lines of a member, each a JSON object.
pub(super) struct LineReader<'a> {
    member: Member,
    reader: Box<dyn BufRead + 'a>,
    line: Vec<u8>,
    /// The number of the last line read, from 1.
    pub(super) number: u64,
}

impl<'a> LineReader<'a> {
    pub(super) fn new(archive: &'a Archive, member: Member) -> Self {
        Self {
            member,
            reader: Box::new(archive.read(member)),
            line: Vec::new(),
            number: 0,
        }
    }

    /// Where the last line read is.
    pub(super) fn location(&self) -> SourceLocation {
        SourceLocation::line(self.member, self.number)
    }

    /// A fault of the last line read.
    pub(super) fn fault(&self, detail: impl std::fmt::Display) -> ProtocolError {
        invalid(format!("{} line {}: {detail}", self.member.name(), self.number))
    }

    /// The next line, or `None` at the end.
    pub(super) fn next(&mut self) -> ProtocolResult<Option<Value>> {
        self.line.clear();
        self.number += 1;
        let read = (&mut self.reader).take(MAX_LINE + 1).read_until(b'\n', &mut self.line);
        match read {
            Ok(0) => {
                self.number -= 1;
                return Ok(None);
            }
            Ok(_) => {}
            Err(error) => return Err(self.fault(error)),
        }
        let line = match self.line.split_last() {
            Some((b'\n', line)) => line,
            _ if u64::try_from(self.line.len()).unwrap_or(u64::MAX) > MAX_LINE => {
                return Err(self.fault(format!("longer than {MAX_LINE} bytes")));
            }
            _ => return Err(self.fault("it has no end")),
        };
        if line.last().is_none_or(u8::is_ascii_whitespace) {
            return Err(self.fault("it is empty or ends in a blank"));
        }
        match serde_json::from_slice(line) {
            Ok(value @ Value::Object(_)) => Ok(Some(value)),
            Ok(_) => Err(self.fault("it is no JSON object")),
            Err(error) => Err(self.fault(error)),
        }
    }
}
