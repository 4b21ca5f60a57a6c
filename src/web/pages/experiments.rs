//! Every experiment of the deployment, one live row each.

use std::sync::Arc;

use maud::{Markup, html};
use poem::{Response, handler};

use crate::live::{Freshness, Hosting, Mirror, RegistryRow, Snapshot, View};
use crate::protocol::{ExperimentId, TaskState};
use crate::web::answer::Page;
use crate::web::bar::entry;
use crate::web::context::Context;
use crate::web::ui::{
    Button, Column, Mark, Nav, Region, Row, RowKind, Table, button, count, empty, number, page_head, short_id,
    sparkline, state, table, when,
};
use crate::web::urls;

/// `GET /admin/experiments/`
#[handler]
pub(crate) fn get(context: Context) -> Response {
    // Followed before it is looked whether the page was drawn already: what nobody follows does not change.
    let followed = context.live().hosted();
    context.answer(|| {
        let head = page_head(
            "Experiments",
            html! { "Everything registered with this deployment" },
            html! {},
        );
        let region = Region {
            name: "experiments",
            topics: &["activity", "registry"],
            body: rows(&context, &followed),
        };
        Page::new("Experiments", Nav::Experiments, head, vec![region])
    })
}

/// Experiments that are not followed are told from the registry alone.
fn rows(context: &Context, followed: &[Arc<Mirror>]) -> Markup {
    let rows = context.registry.rows.values().rev().map(|row| {
        let mirror = followed.iter().find(|mirror| *mirror.experiment() == row.id);
        experiment(context, row, mirror.map(|mirror| mirror.view()).as_deref())
    });
    table(&Table {
        caption: "Experiments, newest first",
        columns: vec![
            Column::text("Experiment"),
            Column::text("State"),
            Column::number("Pending"),
            Column::number("In hand").minor(),
            Column::number("Variants").minor(),
            Column::number("Best score"),
            Column::text("Progress").minor(),
            Column::text("Last event").minor(),
            Column::text(""),
        ],
        rows: rows.collect(),
        empty: if context.registry.listed {
            empty(
                "No experiment is registered",
                html! { "Registering one with the control plane puts it here." },
            )
        } else {
            empty(
                "Not known yet",
                html! { "The control plane has not been read; the badge above says why." },
            )
        },
    })
}

fn experiment(context: &Context, row: &RegistryRow, view: Option<&View>) -> Row {
    let snapshot = view.and_then(|view| view.snapshot()).map(Arc::as_ref);
    let id = &row.id;
    let entry = entry(row);
    let tasks = |state: TaskState| snapshot.map(|s| s.counts.in_state(state));
    let busy = snapshot.map(|s| s.counts.in_state(TaskState::Claimed) + s.counts.in_state(TaskState::Submitted));
    let best = snapshot.and_then(|s| s.best());
    let last = snapshot.and_then(|s| s.newest_events().next().map(|(_, event)| event.occurred_at));
    let figure = |value: Option<u64>| html! { @if let Some(value) = value { (count(value)) } @else { "–" } };
    Row {
        kind: RowKind::Experiment,
        id: id.to_string(),
        cells: vec![
            html! { a class="name" href=(urls::overview(id)) { (entry.label()) } " " (short_id(id.as_str())) },
            html! {
                (state(Mark::from(entry.state), entry.state.word()))
                @if let Some(Freshness::Stale { since, .. }) = view.map(|view| &view.freshness) {
                    div class="muted" { "stale since " (when(*since)) }
                }
            },
            pending(id, tasks(TaskState::Pending)),
            figure(busy),
            figure(snapshot.map(|s| s.variants().len() as u64)),
            html! { @if let Some((variant, value)) = best { a href=(urls::variant(id, variant)) { (number(value)) } } @else { "–" } },
            progress(snapshot),
            html! { @if let Some(last) = last { (when(last)) } @else { "–" } },
            select(context, id, &row.hosting),
        ],
    }
}

fn pending(id: &ExperimentId, pending: Option<u64>) -> Markup {
    html! {
        @match pending {
            Some(0) => { "0" }
            Some(pending) => { a href={ (urls::tasks(id)) "?state=pending" } { (count(pending)) } }
            None => { "–" }
        }
    }
}

fn progress(snapshot: Option<&Snapshot>) -> Markup {
    let Some((snapshot, config)) = snapshot.and_then(|s| Some((s, s.config()?))) else {
        return html! { "–" };
    };
    let points: Vec<_> = snapshot.scored().map(|(at, _, value)| (at, value)).collect();
    sparkline(config.objective.direction, &points, "Best score over time")
}

fn select(context: &Context, id: &ExperimentId, hosting: &Hosting) -> Markup {
    html! {
        form method="post" action=(urls::select(id)) hx-boost="false"
            hx-post=(urls::select(id)) hx-target="#main" hx-swap="outerHTML show:top showTarget:window" {
            input type="hidden" name="next" value=(context.frame.here);
            (button(Button::Quiet, if *hosting == Hosting::NotHosted { "Seed" } else { "Select" }))
        }
    }
}
