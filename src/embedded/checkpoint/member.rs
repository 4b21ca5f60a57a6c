//! The files of an archive (`ch10 §4`).

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
