//! The files of an archive (`ch10 §4`), and places in them.

use std::fmt;

use crate::embedded::storage::ArchiveTable;

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

/// The members of one entity per line, and their rows. Submissions are stored with their tasks, so they come later.
pub(super) const LINE_MEMBERS: [(Member, ArchiveTable); 7] = [
    (Member::Tasks, ArchiveTable::Task),
    (Member::Ideas, ArchiveTable::Idea),
    (Member::Variants, ArchiveTable::Variant),
    (Member::Submissions, ArchiveTable::Submission),
    (Member::Events, ArchiveTable::Event),
    (Member::Workers, ArchiveTable::Worker),
    (Member::Groups, ArchiveTable::Group),
];

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
