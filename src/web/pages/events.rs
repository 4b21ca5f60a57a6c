//! The event log, newest first, by cursor.

use std::sync::Arc;

use maud::{Markup, html};
use poem::{Response, handler};

use crate::client::{ClientError, ExperimentClient};
use crate::live::{Snapshot, Topic};
use crate::web::fault::Fault;
use crate::web::parts::events_table::{Entry, events_table, recent};
use crate::web::request::{Active, Query};
use crate::web::respond::{Page, answer, answer_from_view};
use crate::web::sections::Section;
use crate::web::ui::{Body, Region, count, page_head, unavailable};
use crate::web::urls;

/// `GET /x/{E}/admin/events/`: the newest events, or with `before` (a cursor) those up to it.
#[handler]
pub(crate) async fn get(active: Active) -> Result<Response, Fault> {
    let snapshot = active.snapshot()?;
    let mut query = Query::of(&active.context.htmx.page_url);
    let before = query.take("before", |text| text.parse::<u64>().ok().filter(|n| *n >= 1));
    let per = query.paging().per;
    let head = page_head(
        "Events",
        html! { "The experiment's log, newest first. It is never rewritten." },
        html! {},
    );
    let Some(before) = before.filter(|before| *before < snapshot.cursor) else {
        return Ok(answer_from_view(&active, || {
            let (active, snapshot) = (&active, &snapshot);
            let body = Body::on_demand(move || {
                let events = recent(snapshot, usize::try_from(per).unwrap_or(usize::MAX));
                log(active, snapshot, &query, per, &events)
            });
            Page::new(
                "Events",
                Section::Events,
                head,
                vec![Region::new("events", &[Topic::Events, Topic::Experiment], body)],
            )
        }));
    };
    let reader = active.reader()?;
    let body = match read_older(reader, &snapshot, before, per).await {
        Ok(events) => log(&active, &snapshot, &query, per, &events),
        Err(error) => unavailable(
            &html! { p { "Events this old are kept by the task store only, and it cannot be read now: " (error) "." } },
        ),
    };
    // Old events do not change, so the region depends on no topic.
    let region = Region::new("events", &[], body);
    Ok(answer(
        &active.context,
        &Page::new("Events", Section::Events, head, vec![region]),
    ))
}

/// The `per` events up to cursor `before`: from the snapshot if it holds them, else from the task store.
async fn read_older(
    reader: Result<ExperimentClient, ClientError>,
    snapshot: &Snapshot,
    before: u64,
    per: u64,
) -> Result<Vec<Entry>, ClientError> {
    let first = before.saturating_sub(per) + 1;
    if snapshot.oldest_event_cursor().is_some_and(|held| held <= first) {
        let held = snapshot.newest_events().map(|(cursor, event)| (cursor, event.clone()));
        return Ok(held.filter(|(cursor, _)| (first..=before).contains(cursor)).collect());
    }
    let batch = reader?.events(first - 1, Some(before + 1 - first)).await?;
    let mut events: Vec<Entry> = (first..=before).zip(batch.events.into_iter().map(Arc::new)).collect();
    events.reverse();
    Ok(events)
}

fn log(active: &Active, snapshot: &Snapshot, query: &Query, per: u64, events: &[Entry]) -> Markup {
    let newest = events.first().map_or(0, |(cursor, _)| *cursor);
    let oldest = events.last().map_or(0, |(cursor, _)| *cursor);
    let newer = (newest < snapshot.cursor).then(|| (newest + per).min(snapshot.cursor));
    let to = |before: Option<u64>| query.with("before", before.map(|before| before.to_string()).as_deref());
    html! {
        (events_table(&active.context.role, &active.id, snapshot, events))
        nav class="pager" aria-label="Pages of the log" {
            p {
                @if events.is_empty() { "No events" }
                @else { (count(oldest)) "–" (count(newest)) " of " (count(snapshot.cursor)) " events" }
            }
            ul role="list" {
                @if let Some(newer) = newer {
                    li { a class="chip" href=(urls::events(&active.id)) { "Newest" } }
                    li { a class="chip" href=(to((newer < snapshot.cursor).then_some(newer))) { "Newer" } }
                }
                @if oldest > 1 { li { a class="chip" href=(to(Some(oldest - 1))) { "Older" } } }
                @if oldest > per { li { a class="chip" href=(to(Some(per))) { "Oldest" } } }
            }
        }
    }
}
