//! Looks an experiment up by its display name; names are not unique, so it may answer with a choice.

use maud::html;
use poem::http::StatusCode;
use poem::{Request, Response, Result, handler};

use crate::live::Topic;
use crate::web::fault::Fault;
use crate::web::request::{Context, path_segment, see_other};
use crate::web::respond::{Page, answer, switch_entry};
use crate::web::ui::{Column, Mark, Region, Row, RowKind, Table, empty, page_head, short_id, state, table, when};
use crate::web::urls;

/// `GET /x/by-name/{name}`: 303 to the only experiment of the name, or 300 with all of them.
#[handler]
pub(crate) fn get(context: &Context, request: &Request) -> Result<Response> {
    let name = path_segment(request, "name");
    if name.is_empty() {
        return Err(Fault::BadRequest("The name is not UTF-8 text.".to_owned()).into());
    }
    let found: Vec<_> = context
        .registry
        .rows
        .values()
        .filter(|row| row.name() == Some(name.as_str()))
        .cloned()
        .collect();
    if let [only] = found.as_slice() {
        return Ok(see_other(&urls::overview(&only.id)));
    }
    if found.is_empty() {
        return Err(context.not_registered(Fault::NoSuchName(name)).into());
    }
    let rows = found.iter().rev().map(|row| {
        let entry = switch_entry(row);
        Row {
            kind: RowKind::Experiment,
            id: row.id.to_string(),
            cells: vec![
                html! { a class="name" href=(urls::overview(&row.id)) { (entry.label()) } " " (short_id(row.id.as_str())) },
                state(Mark::from(entry.state), entry.state.word()),
                html! { @if let Some(entry) = &row.entry { (when(entry.created_at)) } @else { "–" } },
            ],
        }
    });
    let body = table(&Table {
        caption: "Experiments of this name, newest first",
        columns: vec![
            Column::text("Experiment"),
            Column::text("State"),
            Column::text("Registered"),
        ],
        rows: rows.collect(),
        empty: empty("None", html! {}),
    });
    let head = page_head(
        "Which one?",
        html! { (found.len()) " experiments are called " strong { (name) } },
        html! {},
    );
    let region = Region::new("choice", &[Topic::Registry], body);
    let page = Page::new("Which one?", None, head, vec![region]).with_status(StatusCode::MULTIPLE_CHOICES);
    Ok(answer(context, &page))
}
