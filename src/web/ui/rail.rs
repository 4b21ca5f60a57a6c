//! The rail: links to the sections of the console.

use maud::{Markup, html};

use super::bar::pending_counts;
use super::shell::Shell;
use crate::web::auth::Audience;
use crate::web::sections::{Section, SectionPath};

/// The rail beside the page: the sections, with the number of pending tasks.
pub(super) fn rail(shell: &Shell) -> Markup {
    let pending = shell.pending.map(pending_counts).unwrap_or_default();
    html! { nav id="rail" class="rail" aria-label="Pages" { (links(shell, pending)) } }
}

/// The sections that the operator may use, under their headings.
pub(super) fn links(shell: &Shell, pending: Markup) -> Markup {
    let shown: Vec<_> = Section::ALL
        .iter()
        .copied()
        .filter_map(|section| Some((section, section.info(), href(shell, section)?)))
        .collect();
    html! {
        @for group in shown.chunk_by(|(_, one, _), (_, next, _)| one.heading == next.heading) {
            div class="rail-group" {
                h2 { (group[0].1.heading) }
                ul role="list" {
                    @for (section, info, href) in group {
                        li {
                            a href=(href) data-go=(info.key.unwrap_or_default())
                                aria-current=[(shell.section == Some(*section)).then_some("page")] {
                                (info.label)
                                @if *section == Section::Tasks { (pending) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The path of a section; none where this page has no such section, or the operator may not read it.
fn href(shell: &Shell, section: Section) -> Option<String> {
    let info = section.info();
    if info.audience == Audience::Administrator && !shell.operator.may_read {
        return None;
    }
    match info.path {
        SectionPath::Experiment { path, .. } => shell.experiment.map(|entry| path(&entry.id)),
        SectionPath::Deployment { path } => shell.switcher.map(|_| path()),
    }
}
