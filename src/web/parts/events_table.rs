//! Rows of the event log, as the overview, the log itself and detail pages show them.

use std::sync::Arc;

use maud::{Markup, html};

use crate::live::Snapshot;
use crate::protocol::{Event, ExperimentId, IdeaId, TaskId, VariantId, WorkerId};
use crate::web::auth::Role;
use crate::web::parts::entity_links::worker_label;
use crate::web::ui::{Column, Row, RowKind, Table, count, empty, id_maybe_link, number, table, when};
use crate::web::urls;

/// An event and its cursor, which is the length of the log up to and including the event.
pub(crate) type Entry = (u64, Arc<Event>);

/// The newest events, newest first.
pub(crate) fn recent(snapshot: &Snapshot, limit: usize) -> Vec<Entry> {
    snapshot
        .newest_events()
        .take(limit)
        .map(|(cursor, event)| (cursor, event.clone()))
        .collect()
}

/// A table of events, with links where the role may read the page.
pub(crate) fn events_table(role: &Role, experiment: &ExperimentId, snapshot: &Snapshot, events: &[Entry]) -> Markup {
    let rows = events.iter().map(|(cursor, event)| Row {
        kind: RowKind::Event,
        id: event.event_id.clone(),
        cells: vec![
            html! { (count(*cursor)) },
            html! { code class="event-type" { (event.kind) } },
            about(role, experiment, event),
            html! { (note(snapshot, event)) },
            when(event.occurred_at),
        ],
    });
    table(&Table {
        caption: "Events, newest first",
        columns: vec![
            Column::number("#"),
            Column::text("Event"),
            Column::text("About"),
            Column::text("Detail").minor(),
            Column::text("When"),
        ],
        rows: rows.collect(),
        empty: empty(
            "No event yet",
            html! { "The first one comes with the first idea, task or variant." },
        ),
    })
}

/// The entity the event is about, as a link.
fn about(role: &Role, experiment: &ExperimentId, event: &Event) -> Markup {
    let id = |key: &str| event.data_str(key).filter(|id| !id.is_empty());
    let link = |href: String, id: &str| id_maybe_link(role.link(href).as_deref(), id);
    let family = event.kind.split('.').next().unwrap_or_default();
    html! {
        @match (family, id("task_id"), id("idea_id"), id("variant_id")) {
            ("task", Some(task), _, _) => { @if let Ok(task) = task.parse::<TaskId>() { (link(urls::task(experiment, &task), task.as_str())) } }
            ("idea", _, Some(idea), _) => { @if let Ok(idea) = idea.parse() { (link(urls::idea(experiment, &idea), idea.as_str())) } }
            ("variant", _, _, Some(variant)) => { @if let Ok(variant) = variant.parse::<VariantId>() { (link(urls::variant(experiment, &variant), variant.as_str())) } }
            ("experiment", ..) => { "the experiment" }
            _ => { "–" }
        }
    }
}

/// A detail of the event in a few words.
fn note(snapshot: &Snapshot, event: &Event) -> Markup {
    let worker = |key: &str| event.data_str(key).and_then(|id| id.parse::<WorkerId>().ok());
    html! {
        @match event.kind.as_str() {
            "task.created" => { (event.data_str("kind").unwrap_or_default()) }
            "task.claimed" | "task.submitted" => { @if let Some(id) = worker("worker_id") { "by " (worker_label(snapshot, &id)) } }
            "task.failed" => { (event.data_str("reason").unwrap_or_default().replace('_', " ")) }
            "task.reclaimed" => { (event.data_str("cause").unwrap_or_default().replace('_', " ")) }
            kind if kind.starts_with("idea.") || kind == "variant.started" => { (slug(snapshot, event)) }
            "variant.succeeded" => { (score(snapshot, event)) }
            "experiment.terminated" => { (event.data_str("reason").unwrap_or_default()) }
            _ => {}
        }
    }
}

/// The slug of the event's idea.
fn slug(snapshot: &Snapshot, event: &Event) -> Markup {
    let idea = event.data_str("idea_id").and_then(|id| id.parse::<IdeaId>().ok());
    html! { @if let Some(row) = idea.and_then(|id| snapshot.idea(&id)) { (row.slug) } }
}

fn score(snapshot: &Snapshot, event: &Event) -> Markup {
    let metric = snapshot.config().and_then(|config| config.objective_metric());
    let variant = event.data_str("variant_id").and_then(|id| id.parse::<VariantId>().ok());
    let value = variant.and_then(|id| snapshot.variant(&id)?.metric(metric?));
    html! { @if let (Some(metric), Some(value)) = (metric, value) { (metric) " " (number(value)) } }
}
