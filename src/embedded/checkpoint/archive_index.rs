//! What the lines of an archive may refer to. Entities are read one at a time; of each only the id is kept.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::references::NamedCommits;
use super::{Counts, LineReader, MAX_LINES, Member, NamedBranch, SourceLocation, invalid};
use crate::embedded::{ProtocolError, ProtocolResult, strict_json};
use crate::protocol::*;

/// The most metric names that are collected. A schema of more would be of no use.
const MAX_METRICS: usize = 1000;

/// The ids of an archive, and what else its lines must agree on.
#[derive(Debug, Default)]
pub(super) struct ArchiveIndex {
    pub(super) ideas: HashSet<IdeaId>,
    /// Whether each variant is a baseline. The idea of a baseline need not exist (`ch02 §9.4`).
    pub(super) variants: HashMap<VariantId, bool>,
    pub(super) tasks: HashMap<TaskId, TaskSummary>,
    /// The groups inside each group.
    pub(super) groups: HashMap<GroupId, Vec<GroupId>>,
    /// In the order of the file.
    pub(super) workers: Vec<WorkerId>,
    pub(super) commits: NamedCommits,
    pub(super) branches: HashMap<String, NamedBranch>,
    /// Ideas and variants that a live task is about.
    pub(super) live: HashSet<(TaskKind, String)>,
    /// Where the log says that the experiment was terminated.
    pub(super) terminated: Option<SourceLocation>,
    /// The metrics that were measured, in case the configuration cannot be read.
    pub(super) metrics: BTreeMap<String, MetricType>,
    pub(super) counts: Counts,
}

/// What is kept of a task.
#[derive(Debug)]
pub(super) struct TaskSummary {
    pub(super) kind: TaskKind,
    pub(super) state: TaskState,
    pub(super) has_submission: bool,
}

impl ArchiveIndex {
    /// Requires that the log and the experiment itself agree.
    pub(super) fn check_experiment(&mut self, experiment: &Experiment) -> ProtocolResult {
        if let Some(base) = &experiment.base_commit_sha {
            let location = SourceLocation::whole(Member::Experiment);
            self.commits.add(base, location).map_err(invalid)?;
        }
        match self.terminated {
            Some(location) if experiment.state == ExperimentState::Running => Err(invalid(format!(
                "{}: the experiment is running, and {location} says that it was terminated",
                Member::Experiment.name()
            ))),
            _ => Ok(()),
        }
    }

    /// The kind of a task.
    pub(super) fn task_kind(&self, task: &str) -> Option<TaskKind> {
        self.tasks.get(task).map(|task| task.kind)
    }

    /// Reads the next line as an entity.
    pub(super) fn next<T: DeserializeOwned + Serialize>(
        &self,
        lines: &mut LineReader<'_>,
    ) -> ProtocolResult<Option<T>> {
        let Some(value) = lines.next()? else { return Ok(None) };
        if self.counts.total() + lines.number > MAX_LINES {
            return Err(invalid(format!("the archive has more than {MAX_LINES} lines")));
        }
        strict_json::from_value(&value)
            .map(Some)
            .map_err(|fault| lines.fault(fault))
    }

    pub(super) fn require_idea(&self, lines: &LineReader<'_>, id: &str) -> ProtocolResult {
        match self.ideas.contains(id) {
            true => Ok(()),
            false => Err(lines.fault(format!("there is no idea {id:?}"))),
        }
    }

    pub(super) fn require_variant(&self, lines: &LineReader<'_>, id: &str) -> ProtocolResult {
        match self.variants.contains_key(id) {
            true => Ok(()),
            false => Err(lines.fault(format!("there is no variant {id:?}"))),
        }
    }

    pub(super) fn add_commits<'a>(
        &mut self,
        lines: &LineReader<'_>,
        commits: impl IntoIterator<Item = &'a CommitSha>,
    ) -> ProtocolResult {
        let mut commits = commits.into_iter();
        let added = commits.try_for_each(|commit| self.commits.add(commit, lines.location()));
        added.map_err(|fault| lines.fault(fault))
    }

    pub(super) fn add_metrics(&mut self, evaluation: Option<&Evaluation>) {
        for (name, value) in evaluation.into_iter().flatten() {
            let kind = match value {
                Value::Number(_) => MetricType::Real,
                Value::String(_) => MetricType::Text,
                _ => continue,
            };
            if self.metrics.len() < MAX_METRICS {
                self.metrics.entry(name.clone()).or_insert(kind);
            }
        }
    }
}

/// Requires that a line belongs to the experiment of the archive.
pub(super) fn require_source(lines: &LineReader<'_>, named: &ExperimentId, source: &ExperimentId) -> ProtocolResult {
    match named == source {
        true => Ok(()),
        false => Err(lines.fault(format!("it belongs to experiment {named}, and the archive to {source}"))),
    }
}

/// An id that stands on two lines.
pub(super) fn duplicate(lines: &LineReader<'_>, id: impl Display) -> ProtocolError {
    lines.fault(format!("{id} is there twice"))
}
