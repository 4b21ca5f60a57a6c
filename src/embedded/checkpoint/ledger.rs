//! What the files of an archive must agree on: no id twice, nothing named that is not there, and as many lines as
//! the manifest says. Entities are read one at a time; of each only the id is kept.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::archive::{Archive, Member};
use super::invalid;
use super::lines::{Lines, MOST_LINES};
use super::manifest::{Counts, Manifest};
use super::names::{Branch, Commits, Spot, cyclic};
use crate::embedded::authority::RESERVED_GROUPS;
use crate::embedded::shape::shaped;
use crate::embedded::transition::{self, Refusal};
use crate::protocol::*;

/// A checked archive, as far as its own files go.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    ideas: HashSet<IdeaId>,
    /// Whether each is a baseline, of which the idea need not exist (`ch02 §9.4`).
    pub(super) variants: HashMap<VariantId, bool>,
    pub(super) tasks: HashMap<TaskId, Filed>,
    groups: HashMap<GroupId, Vec<GroupId>>,
    /// In the order of the file.
    pub(super) workers: Vec<WorkerId>,
    /// Every commit that is named.
    pub(super) commits: Commits,
    /// Every branch that is named.
    pub(super) branches: HashMap<String, Branch>,
    /// Ideas and variants that a live task is about.
    live: HashSet<(TaskKind, String)>,
    /// Where the log says that the experiment was terminated.
    pub(super) terminated: Option<Spot>,
    /// What was measured so far, in case the configuration does not say.
    pub(super) metrics: BTreeMap<String, MetricType>,
    pub(super) counts: Counts,
}

#[derive(Debug)]
pub(super) struct Filed {
    kind: TaskKind,
    state: TaskState,
    is_answered: bool,
}

impl Ledger {
    /// Reads every line of an archive.
    pub(super) fn read(archive: &Archive, manifest: &Manifest) -> Result<Self, Refusal> {
        let mut ledger = Self::default();
        let source = &manifest.experiment_id;
        ledger.read_ideas(Lines::new(archive, Member::Ideas), source)?;
        ledger.read_variants(Lines::new(archive, Member::Variants), source)?;
        ledger.read_tasks(Lines::new(archive, Member::Tasks), source)?;
        ledger.read_submissions(Lines::new(archive, Member::Submissions))?;
        ledger.read_workers(Lines::new(archive, Member::Workers), source)?;
        ledger.read_groups(Lines::new(archive, Member::Groups), source)?;
        ledger.read_events(Lines::new(archive, Member::Events), source)?;
        match manifest.counts.differs(&ledger.counts) {
            Some(words) => Err(invalid(format!("manifest.json: {words}"))),
            None => Ok(ledger),
        }
    }

    /// Whether the log may be that of an experiment as it is archived.
    pub(super) fn agrees(&mut self, experiment: &Experiment) -> Result<(), Refusal> {
        if let Some(base) = &experiment.base_commit_sha {
            self.commits
                .name(base, Spot::new(Member::Experiment, 0))
                .map_err(invalid)?;
        }
        match self.terminated {
            Some(spot) if experiment.state == ExperimentState::Running => Err(invalid(format!(
                "{}: the experiment is running, and {spot} says that it was terminated",
                Member::Experiment.name()
            ))),
            _ => Ok(()),
        }
    }

    /// The kind of a task.
    pub(super) fn kind(&self, task: &str) -> Option<TaskKind> {
        self.tasks.get(task).map(|filed| filed.kind)
    }

    /// Reads the next line as an entity.
    pub(super) fn next<T: DeserializeOwned + Serialize>(&self, lines: &mut Lines<'_>) -> Result<Option<T>, Refusal> {
        let Some(value) = lines.next()? else { return Ok(None) };
        let counted = &self.counts;
        let before = counted.tasks
            + counted.ideas
            + counted.variants
            + counted.submissions
            + counted.workers
            + counted.groups
            + counted.events;
        if before + lines.number > MOST_LINES {
            return Err(invalid(format!("the archive has more than {MOST_LINES} lines")));
        }
        shaped(&value).map(Some).map_err(|fault| lines.fault(fault))
    }

    fn read_ideas(&mut self, mut lines: Lines<'_>, source: &ExperimentId) -> Result<(), Refusal> {
        while let Some(idea) = self.next::<Idea>(&mut lines)? {
            belongs(&lines, &idea.experiment_id, source)?;
            transition::good_idea(&idea).map_err(|fault| lines.fault(fault))?;
            self.name_commits(&lines, &idea.parent_commits)?;
            if !self.ideas.insert(idea.idea_id.clone()) {
                return Err(twice(&lines, &idea.idea_id));
            }
        }
        self.counts.ideas = lines.number;
        Ok(())
    }

    fn read_variants(&mut self, mut lines: Lines<'_>, source: &ExperimentId) -> Result<(), Refusal> {
        while let Some(variant) = self.next::<Variant>(&mut lines)? {
            belongs(&lines, &variant.experiment_id, source)?;
            transition::good_variant(&variant).map_err(|fault| lines.fault(fault))?;
            self.name_commits(&lines, &variant.parent_commits)?;
            self.name_commits(&lines, &variant.commit_sha)?;
            self.name_commits(&lines, &variant.variant_commit_sha)?;
            if let Some(name) = &variant.branch {
                let branch = Branch {
                    spot: lines.spot(),
                    has_commit: variant.commit_sha.is_some(),
                };
                match self.branches.entry(name.clone()) {
                    Entry::Vacant(place) => place.insert(branch),
                    Entry::Occupied(other) => {
                        let other = other.get().spot;
                        return Err(lines.fault(format!("branch {name} belongs to the variant of {other}")));
                    }
                };
            }
            self.measured(variant.evaluation.as_ref());
            if let Some(idea) = variant.idea_id.as_ref().filter(|_| !variant.is_baseline()) {
                self.is_idea(&lines, idea.as_str())?;
            }
            let is_baseline = variant.is_baseline();
            if self.variants.insert(variant.variant_id.clone(), is_baseline).is_some() {
                return Err(twice(&lines, &variant.variant_id));
            }
        }
        self.counts.variants = lines.number;
        Ok(())
    }

    fn read_tasks(&mut self, mut lines: Lines<'_>, source: &ExperimentId) -> Result<(), Refusal> {
        while let Some(task) = self.next::<Task>(&mut lines)? {
            transition::good_task(&task, source).map_err(|fault| lines.fault(fault))?;
            match task.kind {
                TaskKind::Ideation => {}
                TaskKind::Execution => self.is_idea(&lines, task.subject().unwrap_or_default())?,
                TaskKind::Evaluation => self.is_variant(&lines, task.subject().unwrap_or_default())?,
            }
            if let Some(subject) = task.subject().filter(|_| task.state.is_live())
                && !self.live.insert((task.kind, subject.to_owned()))
            {
                return Err(lines.fault(format!("{subject} has another {} task that is not done", task.kind)));
            }
            let filed = Filed {
                kind: task.kind,
                state: task.state,
                is_answered: false,
            };
            if self.tasks.insert(task.task_id.clone(), filed).is_some() {
                return Err(twice(&lines, &task.task_id));
            }
        }
        self.counts.tasks = lines.number;
        Ok(())
    }

    fn read_submissions(&mut self, mut lines: Lines<'_>) -> Result<(), Refusal> {
        while let Some(mut submission) = self.next::<Submission>(&mut lines)? {
            let task = submission.extra.remove("task_id");
            let task = task.as_ref().and_then(Value::as_str).unwrap_or_default();
            let Some(filed) = self.tasks.get_mut(task) else {
                return Err(lines.fault(format!("there is no task {task:?}")));
            };
            if std::mem::replace(&mut filed.is_answered, true) {
                return Err(twice(&lines, task));
            }
            if matches!(filed.state, TaskState::Pending | TaskState::Claimed) {
                return Err(lines.fault(format!("task {task} is {}: nothing was handed in for it", filed.state)));
            }
            let kind = filed.kind;
            transition::good_submission(&submission, kind).map_err(|fault| lines.fault(fault))?;
            for idea in submission.idea_ids.iter().flatten() {
                self.is_idea(&lines, idea.as_str())?;
            }
            if let Some(variant) = &submission.variant_id {
                self.is_variant(&lines, variant.as_str())?;
            }
            self.measured(submission.evaluation.as_ref());
        }
        self.counts.submissions = lines.number;
        let needs = |state| matches!(state, TaskState::Submitted | TaskState::Completed);
        let unanswered = |(_, filed): &(_, &Filed)| needs(filed.state) && !filed.is_answered;
        match self.tasks.iter().find(unanswered) {
            Some((task, filed)) => Err(invalid(format!(
                "task {task} is {}, but submissions.jsonl lacks it",
                filed.state
            ))),
            None => Ok(()),
        }
    }

    fn read_workers(&mut self, mut lines: Lines<'_>, source: &ExperimentId) -> Result<(), Refusal> {
        let mut seen = HashSet::new();
        while let Some(worker) = self.next::<Worker>(&mut lines)? {
            belongs(&lines, &worker.experiment_id, source)?;
            if !seen.insert(worker.worker_id.clone()) {
                return Err(twice(&lines, &worker.worker_id));
            }
            self.workers.push(worker.worker_id);
        }
        self.counts.workers = lines.number;
        Ok(())
    }

    fn read_groups(&mut self, mut lines: Lines<'_>, source: &ExperimentId) -> Result<(), Refusal> {
        let (mut reserved, mut memberships) = (HashSet::new(), 0_usize);
        while let Some(group) = self.next::<Group>(&mut lines)? {
            belongs(&lines, &group.experiment_id, source)?;
            transition::good_group(&group).map_err(|fault| lines.fault(fault))?;
            let name = group.name.as_ref().map(DisplayName::as_str).unwrap_or_default();
            if RESERVED_GROUPS.contains(&name) && !reserved.insert(name.to_owned()) {
                return Err(lines.fault(format!("a second group has the name {name}, which carries authority")));
            }
            let inner: Vec<_> = group.members.iter().filter_map(MemberId::as_group).collect();
            memberships += inner.len();
            if u64::try_from(memberships).is_ok_and(|count| count > MOST_LINES) {
                return Err(lines.fault(format!("more than {MOST_LINES} groups are members of others")));
            }
            if self.groups.insert(group.group_id.clone(), inner).is_some() {
                return Err(twice(&lines, &group.group_id));
            }
        }
        self.counts.groups = lines.number;
        match cyclic(&self.groups) {
            Some(group) => Err(invalid(format!("groups.jsonl: group {group} contains itself"))),
            None => Ok(()),
        }
    }

    pub(super) fn is_idea(&self, lines: &Lines<'_>, id: &str) -> Result<(), Refusal> {
        match self.ideas.contains(id) {
            true => Ok(()),
            false => Err(lines.fault(format!("there is no idea {id:?}"))),
        }
    }

    pub(super) fn is_variant(&self, lines: &Lines<'_>, id: &str) -> Result<(), Refusal> {
        match self.variants.contains_key(id) {
            true => Ok(()),
            false => Err(lines.fault(format!("there is no variant {id:?}"))),
        }
    }

    fn name_commits<'a>(
        &mut self,
        lines: &Lines<'_>,
        commits: impl IntoIterator<Item = &'a CommitSha>,
    ) -> Result<(), Refusal> {
        let mut commits = commits.into_iter();
        let named = commits.try_for_each(|commit| self.commits.name(commit, lines.spot()));
        named.map_err(|fault| lines.fault(fault))
    }

    fn measured(&mut self, evaluation: Option<&Evaluation>) {
        for (name, value) in evaluation.into_iter().flatten() {
            let kind = match value {
                Value::Number(_) => MetricType::Real,
                Value::String(_) => MetricType::Text,
                _ => continue,
            };
            // Names without end are no schema.
            if self.metrics.len() < 1000 {
                self.metrics.entry(name.clone()).or_insert(kind);
            }
        }
    }
}

pub(super) fn belongs(lines: &Lines<'_>, named: &ExperimentId, source: &ExperimentId) -> Result<(), Refusal> {
    match named == source {
        true => Ok(()),
        false => Err(lines.fault(format!("it belongs to experiment {named}, and the archive to {source}"))),
    }
}

pub(super) fn twice(lines: &Lines<'_>, id: impl std::fmt::Display) -> Refusal {
    lines.fault(format!("{id} is there twice"))
}
