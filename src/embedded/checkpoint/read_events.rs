//! Reads the event log of an archive: no event twice, the data that each type needs, and no reference to something
//! that is not there.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::{ArchiveIndex, LineReader, duplicate, require_source};
use crate::embedded::{ProtocolResult, transition};
use crate::protocol::*;

pub(super) fn read_events(
    index: &mut ArchiveIndex,
    mut lines: LineReader<'_>,
    source: &ExperimentId,
) -> ProtocolResult {
    // There may be many events, so of each id only a keyed digest is kept: a sender cannot make two ids collide.
    let hashers = [RandomState::new(), RandomState::new()];
    let mut seen = HashSet::new();
    while let Some(event) = index.next::<Event>(&mut lines)? {
        require_source(&lines, &event.experiment_id, source)?;
        transition::check_event_type(&event.kind).map_err(|fault| lines.fault(fault))?;
        if event.event_id.is_empty() {
            return Err(lines.fault("event_id must not be empty"));
        }
        if !seen.insert(hashers.each_ref().map(|hasher| hasher.hash_one(&event.event_id))) {
            return Err(duplicate(&lines, &event.event_id));
        }
        check_event_data(&event.kind, &event.data).map_err(|fault| lines.fault(fault))?;
        if event.kind == "experiment.terminated" {
            index.terminated = Some(lines.location());
        }
        check_references(index, &lines, &event)?;
    }
    index.counts.events = lines.number;
    Ok(())
}

/// An event about a task, an idea or a variant must name it, and whatever it names must be there.
fn check_references(index: &ArchiveIndex, lines: &LineReader<'_>, event: &Event) -> ProtocolResult {
    let (task, idea, variant) = (
        event.data_str("task_id"),
        event.data_str("idea_id"),
        event.data_str("variant_id"),
    );
    let (family, _) = event.kind.split_once('.').unwrap_or_default();
    let subject = match family {
        "task" => task,
        "idea" => idea,
        "variant" => variant,
        // The members of other types may mean something else.
        _ => return Ok(()),
    };
    if subject.is_none() {
        return Err(lines.fault(format!("an event of type {} must name its {family}", event.kind)));
    }
    if let Some(task) = task.filter(|task| !index.tasks.contains_key(*task)) {
        return Err(lines.fault(format!("there is no task {task:?}")));
    }
    if let Some(variant) = variant {
        index.require_variant(lines, variant)?;
    }
    let is_baseline = variant.and_then(|variant| index.variants.get(variant)) == Some(&true);
    match idea.filter(|_| !is_baseline) {
        Some(idea) => index.require_idea(lines, idea),
        None => Ok(()),
    }
}
