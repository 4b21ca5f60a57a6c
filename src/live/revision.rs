//! Revisions: which part of a mirror changed last. A watcher compares numbers, so a slow one skips changes instead of
//! queueing them.

use std::fmt;
use std::str::FromStr;

/// Identifies one lifetime of one mirror. A revision means nothing outside its epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(u64);

impl Epoch {
    pub(super) fn random() -> Self {
        // 53 bits survive any reader that parses numbers as floats.
        Self(rand::random::<u64>() >> 11)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl FromStr for Epoch {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

/// What a region of a page depends on, and what the browser's event stream names when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Rows of tasks.
    Tasks,
    /// Rows of ideas.
    Ideas,
    /// Rows of variants.
    Variants,
    /// The tail of the log.
    Events,
    /// The experiment's own state, its workers and groups.
    Experiment,
    /// How fresh all of it is.
    Freshness,
    /// The registry of experiments; told on every page.
    Registry,
    /// Anything in an experiment that the page of experiments shows; told there, at most once a second.
    Activity,
}

impl Topic {
    /// The topics of one experiment. A mirror keeps a revision of each, in this order.
    pub const OF_EXPERIMENT: [Self; 6] = [
        Self::Tasks,
        Self::Ideas,
        Self::Variants,
        Self::Events,
        Self::Experiment,
        Self::Freshness,
    ];

    /// Every topic.
    pub const ALL: [Self; 8] = [
        Self::Tasks,
        Self::Ideas,
        Self::Variants,
        Self::Events,
        Self::Experiment,
        Self::Freshness,
        Self::Registry,
        Self::Activity,
    ];

    /// The name of the browser's event.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Ideas => "ideas",
            Self::Variants => "variants",
            Self::Events => "events",
            Self::Experiment => "experiment",
            Self::Freshness => "freshness",
            Self::Registry => "registry",
            Self::Activity => "activity",
        }
    }
}

/// The revision at which each topic last changed, and the newest of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Revisions {
    current: u64,
    topics: [u64; Topic::OF_EXPERIMENT.len()],
}

impl Revisions {
    /// The newest revision.
    pub fn current(&self) -> u64 {
        self.current
    }

    /// The newest revision that changed more than the freshness.
    pub(super) fn of_data(&self) -> u64 {
        let data = Topic::OF_EXPERIMENT
            .into_iter()
            .filter(|topic| *topic != Topic::Freshness);
        data.map(|topic| self.topics[topic as usize]).max().unwrap_or(0)
    }

    /// The topics that changed after `revision`.
    pub fn changed_since(&self, revision: u64) -> impl Iterator<Item = Topic> + '_ {
        Topic::OF_EXPERIMENT
            .into_iter()
            .filter(move |topic| self.topics[*topic as usize] > revision)
    }

    /// The newest revision in which any of the topics changed. Topics that are not of one experiment have none here.
    pub fn last_of(&self, topics: &[Topic]) -> u64 {
        let revisions = topics.iter().filter_map(|topic| self.topics.get(*topic as usize));
        revisions.max().copied().unwrap_or(0)
    }

    /// One new revision in which all of `topics` changed.
    #[must_use]
    pub(super) fn bumped(mut self, topics: &[Topic]) -> Self {
        self.current += 1;
        for topic in topics {
            self.topics[*topic as usize] = self.current;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_skipped_steps_is_told_each_topic_once() {
        let revisions = Revisions::default()
            .bumped(&[Topic::Tasks])
            .bumped(&[Topic::Tasks, Topic::Events]);
        assert_eq!(
            revisions.changed_since(0).collect::<Vec<_>>(),
            [Topic::Tasks, Topic::Events]
        );
        assert_eq!(revisions.changed_since(revisions.current()).count(), 0);
        assert_eq!(
            revisions
                .bumped(&[Topic::Ideas])
                .last_of(&[Topic::Tasks, Topic::Registry]),
            2
        );
    }

    #[test]
    fn an_epoch_reads_back() {
        let epoch = Epoch::random();
        assert_eq!(epoch.to_string().parse(), Ok(epoch));
    }
}
