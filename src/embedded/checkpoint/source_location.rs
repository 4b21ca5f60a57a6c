//! Where in an archive something stands.

use std::fmt;

use super::member::Member;

/// A line of a member, or a whole member. Small, since there may be millions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SourceLocation {
    member: Member,
    /// From 1; 0 is the whole member.
    line: u32,
}

impl SourceLocation {
    pub(super) fn line(member: Member, line: u64) -> Self {
        // No archive has more lines than fit.
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        Self { member, line }
    }

    pub(super) fn whole(member: Member) -> Self {
        Self { member, line: 0 }
    }
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(self.member.name()),
            line => write!(f, "{} line {line}", self.member.name()),
        }
    }
}
