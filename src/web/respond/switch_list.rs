//! Which experiments the switcher lists.

use std::collections::HashSet;

use crate::live::{Freshness, Hosting, Live, RegistryRow, RegistryView};
use crate::protocol::{ExperimentId, ExperimentState, TaskState};
use crate::web::request::Context;
use crate::web::ui::{EntryState, SwitchEntry, SwitchList};

/// The most experiments that the switcher lists, and that a search answers with.
pub(crate) const MAX_LISTED: usize = 20;

/// The experiments that the switcher lists in this request. All of them in the order of registration, if they are few.
/// Else the present one, those this browser switched to last, those with most open work, and the newest.
pub(crate) fn listed_experiments(context: &Context) -> Vec<ExperimentId> {
    let rows = &context.registry.rows;
    if rows.len() <= MAX_LISTED {
        return rows.keys().cloned().collect();
    }
    let present = context
        .experiment
        .as_ref()
        .map(|followed| followed.mirror.experiment().clone());
    let preferred = present.into_iter().chain(context.recent.iter().cloned());
    choose(&context.registry, preferred, busiest(context.live()))
}

/// The switcher's list in this request.
pub(crate) fn switch_list(context: &Context) -> SwitchList {
    let rows = &context.registry.rows;
    let listed = listed_experiments(context);
    SwitchList {
        entries: listed
            .iter()
            .filter_map(|id| rows.get(id))
            .map(|row| switch_entry(row))
            .collect(),
        total: rows.len(),
        stale_reason: stale_reason(&context.registry),
    }
}

/// Why there may be other experiments by now.
pub(crate) fn stale_reason(registry: &RegistryView) -> Option<String> {
    match &registry.freshness {
        Freshness::Stale { cause, .. } => Some(cause.message.clone()),
        _ => None,
    }
}

/// An experiment as the switcher and the tables of experiments show it.
pub(crate) fn switch_entry(row: &RegistryRow) -> SwitchEntry {
    SwitchEntry {
        id: row.id.clone(),
        name: row.name().map(str::to_owned),
        state: entry_state(row),
    }
}

/// The state of an experiment, from the registry and the task store.
pub(crate) fn entry_state(row: &RegistryRow) -> EntryState {
    match (&row.hosting, row.state()) {
        (Hosting::NotHosted, _) => EntryState::Unseeded,
        (Hosting::Elsewhere, _) => EntryState::Elsewhere,
        (Hosting::Unknown(_), _) | (_, None) => EntryState::Unknown,
        (Hosting::Hosted(_), Some(ExperimentState::Running)) => EntryState::Running,
        (Hosting::Hosted(_), Some(ExperimentState::Terminated)) => EntryState::Terminated,
    }
}

/// The followed experiments with open work, the busiest first. Nothing is known of the others.
fn busiest(live: &Live) -> Vec<ExperimentId> {
    let mut busy: Vec<_> = live
        .followed_mirrors()
        .iter()
        .filter_map(|mirror| {
            let view = mirror.view();
            let counts = &view.snapshot()?.counts;
            let open = counts.in_state(TaskState::Pending) + counts.in_state(TaskState::Claimed);
            (open > 0).then(|| (open, mirror.experiment().clone()))
        })
        .collect();
    busy.sort_unstable_by(|a, b| b.cmp(a));
    busy.into_iter().map(|(_, id)| id).collect()
}

/// As many registered experiments as are listed: the preferred in their order, then the busiest and the newest that there
/// is room for. Those are listed by registration, so that an entry does not move whenever its work does.
fn choose(
    registry: &RegistryView,
    preferred: impl Iterator<Item = ExperimentId>,
    busiest: Vec<ExperimentId>,
) -> Vec<ExperimentId> {
    let mut seen = HashSet::new();
    let newest = registry.rows.keys().rev().cloned();
    let mut is_new = |id: &ExperimentId| registry.rows.contains_key(id) && seen.insert(id.clone());
    let mut chosen: Vec<_> = preferred.filter(&mut is_new).take(MAX_LISTED).collect();
    let left = MAX_LISTED - chosen.len();
    let mut others: Vec<_> = busiest.into_iter().chain(newest).filter(is_new).take(left).collect();
    others.sort_unstable_by(|a, b| b.cmp(a));
    chosen.append(&mut others);
    chosen
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::access::CredentialState;

    fn id(n: usize) -> ExperimentId {
        format!("exp_{n:026}").parse().expect("an id")
    }

    /// The numbers of those chosen among `total` registered.
    fn chosen(total: usize, preferred: &[usize], busiest: &[usize]) -> Vec<usize> {
        let row = |n| RegistryRow::unregistered(id(n), Hosting::NotHosted, CredentialState::Stored);
        let registry = RegistryView {
            rows: (0..total).map(|n| (id(n), Arc::new(row(n)))).collect(),
            ..RegistryView::new(Freshness::CatchingUp)
        };
        let preferred = preferred.iter().copied().map(id);
        let busiest = busiest.iter().copied().map(id).collect();
        let chosen = choose(&registry, preferred, busiest);
        chosen
            .iter()
            .map(|id| id.as_str()[4..].parse().expect("a number"))
            .collect()
    }

    #[test]
    fn the_preferred_go_first_and_the_rest_is_by_registration() {
        let newest = (85..100).rev();
        let expected: Vec<_> = [7, 3, 9].into_iter().chain(newest).chain([50, 5]).collect();
        assert_eq!(chosen(100, &[7, 3, 7, 9, 3], &[5, 50, 9]), expected);
    }

    #[test]
    fn nobody_is_listed_twice_or_without_being_registered() {
        let listed = chosen(30, &[1, 500], &[29, 1, 400]);
        assert_eq!(listed.len(), MAX_LISTED);
        assert_eq!(listed[..2], [1, 29]);
        let unique: HashSet<_> = listed.iter().collect();
        assert_eq!(unique.len(), MAX_LISTED);
        assert!(listed.iter().all(|n| *n < 30));
    }

    #[test]
    fn the_busiest_go_before_the_newest_where_room_is_short() {
        let busy: Vec<_> = (0..40).collect();
        let listed = chosen(100, &[99], &busy);
        assert_eq!(listed[0], 99);
        assert!((0..19).all(|n| listed.contains(&n)));
        assert!(!listed.contains(&98));
    }
}
