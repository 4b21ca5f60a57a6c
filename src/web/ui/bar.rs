//! Regions of the bar: the experiment switcher and the number of pending tasks.

use std::time::Duration;

use maud::{Markup, html};

use super::mark::Mark;
use super::region::{etag, pace, topics};
use super::value::{count, id_text};
use crate::live::Topic;
use crate::protocol::ExperimentId;
use crate::web::urls;

/// Nobody reads the bar faster than once a second.
const PACE: Duration = Duration::from_secs(1);

/// The state of an experiment, from the registry and the task store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryState {
    /// It runs.
    Running,
    /// It has ended.
    Terminated,
    /// Registered, but the task store does not host it.
    Unseeded,
    /// Registered, but no task store that the console knows hosts it.
    Elsewhere,
    /// Not read yet, or no answer.
    Unknown,
}

impl EntryState {
    /// The text beside the mark.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Terminated => "terminated",
            Self::Unseeded => "unseeded",
            Self::Elsewhere => "not hosted here",
            Self::Unknown => "unknown",
        }
    }
}

impl From<EntryState> for Mark {
    fn from(state: EntryState) -> Self {
        match state {
            EntryState::Running => Self::Filled,
            EntryState::Terminated => Self::Square,
            EntryState::Unseeded => Self::PendingHollow,
            EntryState::Elsewhere | EntryState::Unknown => Self::Unknown,
        }
    }
}

/// One experiment of the switcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SwitchEntry {
    /// Its id.
    pub id: ExperimentId,
    /// Its display name.
    pub name: Option<String>,
    /// Its state.
    pub state: EntryState,
}

impl SwitchEntry {
    /// The name, or the id where there is none.
    pub(crate) fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(self.id.as_str())
    }
}

/// The experiments to switch between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SwitchList {
    /// All known experiments.
    pub entries: Vec<SwitchEntry>,
    /// Why the list may be out of date, without a full stop; none when it is current.
    pub stale_reason: Option<String>,
}

/// The switcher: the current experiment, and a list of all to choose from. Region name `switcher`.
///
/// Every entry is a submit button of one plain form, so that it works without the script.
pub(crate) fn switcher_region(
    current: Option<&SwitchEntry>,
    list: Option<&SwitchList>,
    may_read: bool,
    page_url: &str,
) -> Markup {
    let body = match list {
        Some(list) => switcher(current, list, may_read, page_url),
        None => html! { div id="switcher" class="only" { (current_experiment(current)) } },
    };
    html! {
        div id="region-switcher" class="switcher-region" data-region="switcher" data-etag=(etag(&body.0))
            data-topics=[topics(&[Topic::Registry, Topic::Experiment])] data-pace=[pace(PACE)] {
            (body)
        }
    }
}

fn switcher(current: Option<&SwitchEntry>, list: &SwitchList, may_read: bool, page_url: &str) -> Markup {
    html! {
        details id="switcher" class="switcher" {
            summary { (current_experiment(current)) span class="sr" { ". Switch experiment" } (chevron()) }
            div class="popover" {
                div class="switcher-filter" data-script {
                    label class="sr" for="switcher-filter" { "Filter experiments" }
                    input id="switcher-filter" type="search" placeholder="Filter by name or id" autocomplete="off"
                        spellcheck="false" aria-controls="switcher-entries";
                }
                form id="switcher-entries" method="post" hx-boost="false" {
                    input type="hidden" name="next" value=(page_url);
                    @for entry in &list.entries {
                        (switch_button(entry, current.is_some_and(|current| current.id == entry.id)))
                    }
                    p class="switcher-none" data-none hidden { "No experiment matches." }
                    @match &list.stale_reason {
                        Some(reason) if list.entries.is_empty() => {
                            p class="switcher-none" data-doubt { "Which experiments there are is not known: " (reason) "." }
                        }
                        Some(reason) => { p class="switcher-none" data-doubt { "There may be others by now: " (reason) "." } }
                        None if list.entries.is_empty() => { p class="switcher-none" { "No experiment is registered yet." } }
                        None => {}
                    }
                }
                div class="switcher-foot" {
                    @if may_read { a href=(urls::experiments()) { "All experiments" } }
                    form method="post" action=(urls::clear_selection()) hx-boost="false" {
                        button type="submit" { "Clear selection" }
                    }
                }
            }
        }
    }
}

fn current_experiment(current: Option<&SwitchEntry>) -> Markup {
    html! {
        @match current {
            Some(entry) => {
                (Mark::from(entry.state))
                span class="switcher-name" { (entry.label()) }
                @if entry.name.is_some() { (id_text(entry.id.as_str())) }
                span class="sr" { ", " (entry.state.word()) }
            }
            None => { span class="switcher-name" { "Choose an experiment" } }
        }
    }
}

fn switch_button(entry: &SwitchEntry, current: bool) -> Markup {
    let action = urls::select(&entry.id);
    html! {
        button type="submit" id={ "switch-" (entry.id) } class="switch" formaction=(action)
            data-switch=(entry.id) aria-current=[current.then_some("true")]
            hx-post=(action) hx-target="#main" hx-swap="outerHTML show:top showTarget:window" {
            (Mark::from(entry.state))
            span class="switch-name" { (entry.label()) }
            span class="switch-note" { (entry.state.word()) }
            @if entry.name.is_some() { (id_text(entry.id.as_str())) }
        }
    }
}

fn chevron() -> Markup {
    html! {
        svg class="chevron" viewBox="0 0 12 12" aria-hidden="true" focusable="false" {
            path d="M3 4.5l3 3 3-3" {}
        }
    }
}

/// The number of pending tasks; its title has the number of each kind (ideation, execution, evaluation). Region name
/// `pending`.
pub(crate) fn pending_counts(pending: [u64; 3]) -> Markup {
    let [ideation, execution, evaluation] = pending;
    let parts = format!("Pending: {ideation} ideation, {execution} execution, {evaluation} evaluation");
    let body = html! {
        span aria-hidden="true" { (count(pending.iter().sum())) }
        span class="sr" { (parts) }
    };
    html! {
        span id="region-pending" class="pending" data-region="pending" data-topics=[topics(&[Topic::Tasks])]
            data-pace=[pace(PACE)] data-etag=(etag(&body.0)) title=(parts) {
            (body)
        }
    }
}
