//! The files that a variant's commit changed, if its repository can be read.

use std::sync::Arc;

use maud::{Markup, html};

use crate::live::VariantRow;
use crate::repos::{ChangedFile, CommitSummary, FileChange, RepoError};
use crate::web::parts::entity_links;
use crate::web::request::Active;
use crate::web::ui::{Column, Row, RowKind, Table, count, definitions, empty, table, when_dated};

/// The commit of a variant compared with its first parent, or one line that says why it cannot be shown. The page
/// neither fails because of git nor waits long for it.
pub(crate) async fn markup(active: &Active, variant: &VariantRow) -> Markup {
    let Some(commit) = &variant.commit else {
        return empty("No commit yet", html! { "An executor hands one in." });
    };
    let read = match &active.context.console.repos {
        Some(repos) => {
            // The parents of a baseline are itself or nothing.
            let parents = if variant.baseline {
                &[]
            } else {
                variant.parents.as_slice()
            };
            repos.commit(&active.id, commit, parents).await
        }
        None => Err(RepoError::Disabled),
    };
    match read {
        Ok(read) => summary(active, &read),
        Err(error) => html! { p class="muted" { "What it changed cannot be shown: " (error) "." } },
    }
}

fn summary(active: &Active, read: &Arc<CommitSummary>) -> Markup {
    let mut facts = vec![
        ("Summary", html! { (read.summary) }),
        ("Author", html! { (read.author) }),
    ];
    facts.extend(read.authored_at.map(|at| ("Authored", when_dated(at))));
    if let (Ok(snapshot), Some(parent)) = (active.snapshot(), &read.against) {
        facts.push(("Compared with", entity_links::parent(&active.id, &snapshot, parent)));
    }
    let rows = read.files.iter().map(|file| Row {
        kind: RowKind::Plain,
        // The prefix keeps these ids apart from those of the page's metric rows.
        id: format!("file:{}", file.path),
        cells: cells(file),
    });
    let files = Table {
        caption: "Changed files",
        columns: vec![
            Column::text("File"),
            Column::text("Change"),
            Column::number("Lines added"),
            Column::number("Lines removed"),
        ],
        rows: rows.collect(),
        empty: empty(
            "No file changed",
            html! { "Its files are those of the commit it is compared with." },
        ),
    };
    html! {
        (definitions(&facts))
        (table(&files))
        @if read.more_files > 0 {
            p class="muted" { "and " (count(read.more_files as u64)) " more files" }
        }
    }
}

fn cells(file: &ChangedFile) -> Vec<Markup> {
    let change = match file.change {
        FileChange::Added => "added",
        FileChange::Deleted => "deleted",
        FileChange::Modified => "modified",
    };
    let (added, removed) = match file.lines {
        Some((added, removed)) => (count(added as u64), count(removed as u64)),
        None => ("–".to_owned(), "–".to_owned()),
    };
    let note = if file.lines.is_none() {
        ", binary or too large to compare"
    } else {
        ""
    };
    vec![
        html! { code { (file.path) } },
        html! { (change) (note) },
        html! { (added) },
        html! { (removed) },
    ]
}
