//! Workers and commits as pages show them: by worker name and by the variant that a commit belongs to.

use maud::{Markup, html};

use crate::live::Snapshot;
use crate::protocol::{CommitSha, ExperimentId, WorkerId};
use crate::web::ui::{commit, id_link, short, short_id};
use crate::web::urls;

/// The display name of a worker, or its shortened id.
pub(crate) fn worker_label(snapshot: &Snapshot, id: &WorkerId) -> String {
    snapshot
        .worker_name(id)
        .map_or_else(|| short(id.as_str()), str::to_owned)
}

/// A worker by name and id.
pub(crate) fn worker(snapshot: &Snapshot, id: &WorkerId) -> Markup {
    html! {
        @if let Some(name) = snapshot.worker_name(id) { (name) " " }
        (short_id(id.as_str()))
    }
}

/// A parent commit, with a link to the variant that it belongs to.
pub(crate) fn parent(experiment: &ExperimentId, snapshot: &Snapshot, sha: &CommitSha) -> Markup {
    html! {
        (commit(sha.as_str()))
        @if let Some(row) = snapshot.variant_of_commit(sha) {
            " of " (id_link(&urls::variant(experiment, &row.id), row.id.as_str()))
        } @else if snapshot.experiment.base_commit_sha.as_ref() == Some(sha) { " the seed" }
    }
}
