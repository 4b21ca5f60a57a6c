//! The event log of an archive: no event twice, what each type needs, and nothing named that is not there.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::ledger::{Ledger, belongs, twice};
use super::lines::Lines;
use crate::embedded::transition::{self, Refusal};
use crate::protocol::*;

impl Ledger {
    pub(super) fn read_events(&mut self, mut lines: Lines<'_>, source: &ExperimentId) -> Result<(), Refusal> {
        // There may be many: what is kept of an id is a digest that no sender can foresee.
        let digests = [RandomState::new(), RandomState::new()];
        let mut seen = HashSet::new();
        while let Some(event) = self.next::<Event>(&mut lines)? {
            belongs(&lines, &event.experiment_id, source)?;
            transition::good_event_kind(&event.kind).map_err(|fault| lines.fault(fault))?;
            if event.event_id.is_empty() {
                return Err(lines.fault("event_id must not be empty"));
            }
            if !seen.insert(digests.each_ref().map(|digest| digest.hash_one(&event.event_id))) {
                return Err(twice(&lines, &event.event_id));
            }
            check_event_data(&event.kind, &event.data).map_err(|fault| lines.fault(fault))?;
            if event.kind == "experiment.terminated" {
                self.terminated = Some(lines.spot());
            }
            self.names_something(&lines, &event)?;
        }
        self.counts.events = lines.number;
        Ok(())
    }

    /// An event about a task, an idea or a variant names it, and all it names is there.
    fn names_something(&self, lines: &Lines<'_>, event: &Event) -> Result<(), Refusal> {
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
            // Types of somebody's own mean what they like by their members.
            _ => return Ok(()),
        };
        if subject.is_none() {
            return Err(lines.fault(format!("an event of type {} must name its {family}", event.kind)));
        }
        if let Some(task) = task.filter(|task| !self.tasks.contains_key(*task)) {
            return Err(lines.fault(format!("there is no task {task:?}")));
        }
        if let Some(variant) = variant {
            self.is_variant(lines, variant)?;
        }
        let is_baseline = variant.and_then(|variant| self.variants.get(variant)) == Some(&true);
        match idea.filter(|_| !is_baseline) {
            Some(idea) => self.is_idea(lines, idea),
            None => Ok(()),
        }
    }
}
