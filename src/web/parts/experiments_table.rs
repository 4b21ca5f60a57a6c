//! The table of the deployment's experiments.

use maud::{Markup, html};

use crate::live::{Freshness, Hosting, RegistryRow, RegistryView, Snapshot, View};
use crate::protocol::{ExperimentId, ExperimentState, Lease, TaskState};
use crate::repos::RepoMaterializer;
use crate::web::parts::experiments_list::{ExperimentOrder, ExperimentsList, Shown, StateFilter};
use crate::web::parts::readiness::{Readiness, ReadinessLevel, readiness};
use crate::web::respond::switch_entry;
use crate::web::ui::{
    Column, Mark, Row, RowKind, Table, count, empty, number, short, short_id, sparkline, state, when,
};
use crate::web::urls;

/// What the table is drawn from.
pub(crate) struct ExperimentsTable<'a> {
    /// The list, as its query says.
    pub list: &'a ExperimentsList,
    /// The page of it that is shown.
    pub shown: &'a Shown,
    /// The registry.
    pub registry: &'a RegistryView,
    /// The view of an experiment; none when it is not followed.
    pub view: &'a dyn Fn(&ExperimentId) -> Option<std::sync::Arc<View>>,
    /// The experiment that this session selected.
    pub selected: Option<&'a ExperimentId>,
    /// The deployment's default experiment.
    pub default: Option<&'a ExperimentId>,
    /// Path and query of the page, from which a switch starts.
    pub page_url: &'a str,
    /// The experiments' repositories.
    pub repos: Option<&'a RepoMaterializer>,
    /// Whether experiments can be unregistered from here.
    pub may_unregister: bool,
}

impl ExperimentsTable<'_> {
    /// Filters, table and pager.
    pub fn markup(&self) -> Markup {
        let table = Table {
            caption: "Experiments",
            columns: self.columns(),
            rows: self.shown.rows.iter().map(|row| self.row(row)).collect(),
            empty: self.nothing(),
        };
        let listing = &self.list.listing;
        let any_state = self.shown.by_state.iter().sum();
        let in_state = |state: Option<StateFilter>| {
            Some(state.map_or(any_state, |StateFilter(state)| self.shown.by_state[state as usize]))
        };
        let filters = html! {
            (listing.chips("State", "state", &StateFilter::ALL, self.list.state, in_state))
            (listing.chips("Readiness", "readiness", &ReadinessLevel::ALL, self.list.readiness, |_| None))
        };
        listing.markup("experiments", self.shown.total, &filters, &table)
    }

    fn columns(&self) -> Vec<Column<'static>> {
        let sorted = |column, by: ExperimentOrder| {
            let is_current = self.list.by == by;
            self.list
                .listing
                .sorted_first(column, by.word(), is_current, by.first())
        };
        vec![
            sorted(Column::text("Experiment"), ExperimentOrder::Name),
            sorted(Column::text("State"), ExperimentOrder::State),
            sorted(Column::number("Pending"), ExperimentOrder::Pending),
            Column::number("Variants").minor(),
            Column::number("Best score"),
            Column::text("Progress").minor(),
            sorted(Column::text("Last event").minor(), ExperimentOrder::LastEvent),
            sorted(Column::text("Registered").minor(), ExperimentOrder::Registered),
            Column::text("Lease").minor(),
            Column::text("Readiness"),
            Column::text("Actions"),
        ]
    }

    fn nothing(&self) -> Markup {
        match (self.registry.listed, self.registry.rows.is_empty()) {
            (false, _) => empty(
                "Not known yet",
                html! { "The control plane has not been read; the badge above says why." },
            ),
            (true, true) => empty(
                "No experiment is registered",
                html! { "Registering one below puts it here." },
            ),
            (true, false) => empty(
                "No experiment matches",
                html! { a href=(urls::experiments()) { "Show all experiments" } },
            ),
        }
    }

    fn row(&self, row: &RegistryRow) -> Row {
        let view = (self.view)(&row.id);
        let snapshot = view.as_ref().and_then(|view| view.snapshot()).map(|held| held.as_ref());
        let ready = readiness(row, self.repos.map(|repos| repos.state(&row.id)));
        Row {
            kind: RowKind::Experiment,
            id: row.id.to_string(),
            cells: vec![
                self.name(row),
                state_cell(row, view.as_deref()),
                pending(&row.id, snapshot),
                html! { @if let Some(snapshot) = snapshot { (count(snapshot.count_variants(None) as u64)) } @else { "–" } },
                best(&row.id, snapshot),
                progress(snapshot),
                last_event(snapshot),
                html! { @if let Some(entry) = &row.entry { (when(entry.created_at)) } @else { "–" } },
                lease(row.entry.as_ref().and_then(|entry| entry.lease.as_ref())),
                ready.markup(row),
                self.actions(row, &ready),
            ],
        }
    }

    fn name(&self, row: &RegistryRow) -> Markup {
        let entry = switch_entry(row);
        html! {
            a class="name" href=(urls::overview(&row.id)) { (entry.label()) } " " (short_id(row.id.as_str()))
            @if self.selected == Some(&row.id) { " " span class="tag" { "selected" } }
            @if self.default == Some(&row.id) { " " span class="tag" { "default" } }
            @if row.entry.is_none() { div class="muted" { "not registered" } }
        }
    }

    fn actions(&self, row: &RegistryRow, ready: &Readiness) -> Markup {
        let action = urls::select(&row.id);
        let entry = switch_entry(row);
        let verb = if row.hosting == Hosting::NotHosted {
            "Seed"
        } else {
            "Select"
        };
        let needs = format!("needs-{}", row.id);
        html! {
            div class="row-actions" {
                form method="post" action=(action) hx-boost="false"
                    hx-post=(action) hx-target="#main" hx-swap="outerHTML show:top showTarget:window" {
                    input type="hidden" name="next" value=(self.page_url);
                    button type="submit" class="button" aria-label={ (verb) " " (entry.label()) } aria-describedby=(needs)
                        disabled[ready.obstacle().is_some()] title=[ready.obstacle()] { (verb) }
                }
                @if self.may_unregister && row.entry.is_some() {
                    a class="button" href=(urls::unregister(&row.id)) aria-label={ "Unregister " (entry.label()) } { "Unregister…" }
                }
            }
        }
    }
}

fn state_cell(row: &RegistryRow, view: Option<&View>) -> Markup {
    let entry = switch_entry(row);
    html! {
        (state(Mark::from(entry.state), entry.state.word()))
        @if let Some(Freshness::Stale { since, .. }) = view.map(|view| &view.freshness) {
            div class="muted" { "stale since " (when(*since)) }
        }
    }
}

fn pending(id: &ExperimentId, snapshot: Option<&Snapshot>) -> Markup {
    html! {
        @match snapshot.map(|snapshot| snapshot.counts.in_state(TaskState::Pending)) {
            Some(0) => { "0" }
            Some(pending) => { a href={ (urls::tasks(id)) "?state=pending" } { (count(pending)) } }
            None => { "–" }
        }
    }
}

fn best(id: &ExperimentId, snapshot: Option<&Snapshot>) -> Markup {
    html! {
        @match snapshot.and_then(|snapshot| snapshot.scores()?.best()) {
            Some(best) => { a href=(urls::variant(id, best.variant)) { (number(best.value)) } }
            None => { "–" }
        }
    }
}

fn progress(snapshot: Option<&Snapshot>) -> Markup {
    // The sparkline is about a hundred pixels wide.
    const STEPS: usize = 100;
    let Some((snapshot, config)) = snapshot.and_then(|s| Some((s, s.config()?))) else {
        return html! { "–" };
    };
    let Some((scores, last)) = snapshot.scores().and_then(|scores| Some((scores, scores.last()?))) else {
        return Markup::default();
    };
    let steps: Vec<_> = scores.steps(STEPS).iter().map(|step| (step.at, step.value)).collect();
    sparkline(config.objective.direction, &steps, last.at, "Best score over time")
}

fn last_event(snapshot: Option<&Snapshot>) -> Markup {
    let last = snapshot.and_then(|s| s.newest_events().next().map(|(_, event)| event.occurred_at));
    html! { @if let Some(last) = last { (when(last)) } @else { "–" } }
}

/// The lease: its holder, the start of the holder's instance id, and its times.
fn lease(lease: Option<&Lease>) -> Markup {
    html! {
        @match lease {
            Some(lease) => {
                span title=(lease.holder) { (short(lease.holder.as_str())) }
                " " span class="muted" title=(lease.holder_instance) { (lease.holder_instance.chars().take(8).collect::<String>()) }
                div class="muted" title={ "held since " (lease.acquired_at) } { "renewed " (when(lease.renewed_at)) }
            }
            None => { span class="muted" { "nobody" } }
        }
    }
}

/// Why the control plane would refuse to unregister the experiment, as far as is known (`ch11 §2.4`); it decides.
pub(crate) fn unregister_obstacle(row: &RegistryRow) -> Option<&'static str> {
    let leased = row.entry.as_ref().is_some_and(|entry| entry.lease.is_some());
    match row.state() {
        _ if leased => Some("an orchestrator holds its lease"),
        Some(ExperimentState::Terminated) => None,
        Some(ExperimentState::Running) => Some("it is not terminated"),
        None => None,
    }
}
