//! Reads every line of an archive: no id twice, no reference to something that is not there, and as many lines as the
//! manifest says.

use std::collections::HashSet;
use std::collections::hash_map::Entry;

use serde_json::Value;

use super::archive_index::TaskSummary;
use super::group_cycle::find_cycle;
use super::read_events::read_events;
use super::{
    Archive, ArchiveIndex, LineReader, MAX_LINES, Manifest, Member, NamedBranch, duplicate, invalid, require_source,
};
use crate::embedded::groups::RESERVED_GROUPS;
use crate::embedded::{ProtocolResult, transition};
use crate::protocol::*;

/// Reads every line of an archive.
pub(super) fn index_archive(archive: &Archive, manifest: &Manifest) -> ProtocolResult<ArchiveIndex> {
    let mut index = ArchiveIndex::default();
    let source = &manifest.experiment_id;
    let lines = |member| LineReader::new(archive, member);
    read_ideas(&mut index, lines(Member::Ideas), source)?;
    read_variants(&mut index, lines(Member::Variants), source)?;
    read_tasks(&mut index, lines(Member::Tasks), source)?;
    read_submissions(&mut index, lines(Member::Submissions))?;
    read_workers(&mut index, lines(Member::Workers), source)?;
    read_groups(&mut index, lines(Member::Groups), source)?;
    read_events(&mut index, lines(Member::Events), source)?;
    match manifest.counts.difference(&index.counts) {
        Some(detail) => Err(invalid(format!("manifest.json: {detail}"))),
        None => Ok(index),
    }
}

fn read_ideas(index: &mut ArchiveIndex, mut lines: LineReader<'_>, source: &ExperimentId) -> ProtocolResult {
    while let Some(idea) = index.next::<Idea>(&mut lines)? {
        require_source(&lines, &idea.experiment_id, source)?;
        transition::check_idea(&idea).map_err(|fault| lines.fault(fault))?;
        index.add_commits(&lines, &idea.parent_commits)?;
        if !index.ideas.insert(idea.idea_id.clone()) {
            return Err(duplicate(&lines, &idea.idea_id));
        }
    }
    index.counts.ideas = lines.number;
    Ok(())
}

fn read_variants(index: &mut ArchiveIndex, mut lines: LineReader<'_>, source: &ExperimentId) -> ProtocolResult {
    while let Some(variant) = index.next::<Variant>(&mut lines)? {
        require_source(&lines, &variant.experiment_id, source)?;
        transition::check_variant(&variant).map_err(|fault| lines.fault(fault))?;
        index.add_commits(&lines, &variant.parent_commits)?;
        index.add_commits(&lines, &variant.commit_sha)?;
        index.add_commits(&lines, &variant.variant_commit_sha)?;
        add_branch(index, &lines, &variant)?;
        index.add_metrics(variant.evaluation.as_ref());
        let is_baseline = variant.is_baseline();
        if let Some(idea) = variant.idea_id.as_ref().filter(|_| !is_baseline) {
            index.require_idea(&lines, idea.as_str())?;
        }
        if index.variants.insert(variant.variant_id.clone(), is_baseline).is_some() {
            return Err(duplicate(&lines, &variant.variant_id));
        }
    }
    index.counts.variants = lines.number;
    Ok(())
}

fn add_branch(index: &mut ArchiveIndex, lines: &LineReader<'_>, variant: &Variant) -> ProtocolResult {
    let Some(name) = &variant.branch else { return Ok(()) };
    match index.branches.entry(name.clone()) {
        Entry::Vacant(entry) => {
            entry.insert(NamedBranch {
                location: lines.location(),
                has_commit: variant.commit_sha.is_some(),
            });
            Ok(())
        }
        Entry::Occupied(other) => {
            let other = other.get().location;
            Err(lines.fault(format!("branch {name} belongs to the variant of {other}")))
        }
    }
}

fn read_tasks(index: &mut ArchiveIndex, mut lines: LineReader<'_>, source: &ExperimentId) -> ProtocolResult {
    while let Some(task) = index.next::<Task>(&mut lines)? {
        transition::check_task(&task, source).map_err(|fault| lines.fault(fault))?;
        match task.kind {
            TaskKind::Ideation => {}
            TaskKind::Execution => index.require_idea(&lines, task.subject().unwrap_or_default())?,
            TaskKind::Evaluation => index.require_variant(&lines, task.subject().unwrap_or_default())?,
        }
        if let Some(subject) = task.subject().filter(|_| task.state.is_live())
            && !index.live.insert((task.kind, subject.to_owned()))
        {
            return Err(lines.fault(format!("{subject} has another {} task that is not done", task.kind)));
        }
        let summary = TaskSummary {
            kind: task.kind,
            state: task.state,
            has_submission: false,
        };
        if index.tasks.insert(task.task_id.clone(), summary).is_some() {
            return Err(duplicate(&lines, &task.task_id));
        }
    }
    index.counts.tasks = lines.number;
    Ok(())
}

fn read_submissions(index: &mut ArchiveIndex, mut lines: LineReader<'_>) -> ProtocolResult {
    while let Some(mut submission) = index.next::<Submission>(&mut lines)? {
        let id = submission.extra.remove("task_id");
        let id = id.as_ref().and_then(Value::as_str).unwrap_or_default();
        let Some(task) = index.tasks.get_mut(id) else {
            return Err(lines.fault(format!("there is no task {id:?}")));
        };
        if std::mem::replace(&mut task.has_submission, true) {
            return Err(duplicate(&lines, id));
        }
        if matches!(task.state, TaskState::Pending | TaskState::Claimed) {
            return Err(lines.fault(format!("task {id} is {}: nothing was handed in for it", task.state)));
        }
        transition::check_submission(&submission, task.kind).map_err(|fault| lines.fault(fault))?;
        for idea in submission.idea_ids.iter().flatten() {
            index.require_idea(&lines, idea.as_str())?;
        }
        if let Some(variant) = &submission.variant_id {
            index.require_variant(&lines, variant.as_str())?;
        }
        index.add_metrics(submission.evaluation.as_ref());
    }
    index.counts.submissions = lines.number;
    let needs_submission = |state| matches!(state, TaskState::Submitted | TaskState::Completed);
    let lacks_submission = |(_, task): &(_, &TaskSummary)| needs_submission(task.state) && !task.has_submission;
    match index.tasks.iter().find(lacks_submission) {
        Some((id, task)) => Err(invalid(format!(
            "task {id} is {}, but submissions.jsonl lacks it",
            task.state
        ))),
        None => Ok(()),
    }
}

fn read_workers(index: &mut ArchiveIndex, mut lines: LineReader<'_>, source: &ExperimentId) -> ProtocolResult {
    let mut seen = HashSet::new();
    while let Some(worker) = index.next::<Worker>(&mut lines)? {
        require_source(&lines, &worker.experiment_id, source)?;
        if !seen.insert(worker.worker_id.clone()) {
            return Err(duplicate(&lines, &worker.worker_id));
        }
        index.workers.push(worker.worker_id);
    }
    index.counts.workers = lines.number;
    Ok(())
}

fn read_groups(index: &mut ArchiveIndex, mut lines: LineReader<'_>, source: &ExperimentId) -> ProtocolResult {
    let (mut reserved, mut memberships) = (HashSet::new(), 0_usize);
    while let Some(group) = index.next::<Group>(&mut lines)? {
        require_source(&lines, &group.experiment_id, source)?;
        transition::check_group(&group).map_err(|fault| lines.fault(fault))?;
        let name = group.name.as_ref().map(DisplayName::as_str).unwrap_or_default();
        if RESERVED_GROUPS.contains(&name) && !reserved.insert(name.to_owned()) {
            return Err(lines.fault(format!("a second group has the name {name}, which carries authority")));
        }
        let inner: Vec<_> = group.members.iter().filter_map(MemberId::as_group).collect();
        memberships += inner.len();
        if u64::try_from(memberships).is_ok_and(|count| count > MAX_LINES) {
            return Err(lines.fault(format!("more than {MAX_LINES} groups are members of others")));
        }
        if index.groups.insert(group.group_id.clone(), inner).is_some() {
            return Err(duplicate(&lines, &group.group_id));
        }
    }
    index.counts.groups = lines.number;
    match find_cycle(&index.groups) {
        Some(group) => Err(invalid(format!("groups.jsonl: group {group} contains itself"))),
        None => Ok(()),
    }
}
