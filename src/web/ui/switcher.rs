//! The experiment switcher: a filter, and a list of experiments as buttons of one plain form, so that it works without
//! the script. The list is short; where more are registered the filter asks the console.

use maud::{Markup, html};

use super::mark::Mark;
use super::value::{count, id_text};
use crate::protocol::ExperimentId;
use crate::web::urls;

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
    /// Those that are listed.
    pub entries: Vec<SwitchEntry>,
    /// How many are registered.
    pub total: usize,
    /// Why the list may be out of date, without a full stop; none when it is current.
    pub stale_reason: Option<String>,
}

impl SwitchList {
    fn is_complete(&self) -> bool {
        self.entries.len() == self.total
    }
}

/// What a search for experiments found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SwitchMatches {
    /// The best matches.
    pub entries: Vec<SwitchEntry>,
    /// How many experiments match.
    pub total: usize,
    /// As for [`SwitchList`].
    pub stale_reason: Option<String>,
}

/// The element that holds what a search found.
pub(crate) const FOUND: &str = "switcher-found";

pub(super) fn switcher(current: Option<&SwitchEntry>, list: &SwitchList, may_read: bool, page_url: &str) -> Markup {
    html! {
        details id="switcher" class="switcher" {
            summary { (current_experiment(current)) span class="sr" { ". Switch experiment" } (chevron()) }
            div class="popover" {
                div class="switcher-filter" data-script {
                    label class="sr" for="switcher-filter" { "Filter experiments" }
                    input id="switcher-filter" type="search" placeholder="Filter by name or id" autocomplete="off"
                        spellcheck="false" maxlength="128" aria-controls="switcher-entries";
                }
                form id="switcher-entries" class="switch-list" method="post" {
                    input type="hidden" name="next" value=(page_url);
                    @for entry in &list.entries {
                        (switch_button(entry, current.is_some_and(|current| current.id == entry.id)))
                    }
                    @if list.is_complete() {
                        p class="switcher-none" data-none hidden { (NONE) }
                    } @else {
                        div id=(FOUND) data-search=(urls::switch()) hidden {}
                        p class="switcher-none" data-unanswered hidden {
                            "The search got no answer. Only the experiments listed here were filtered."
                        }
                    }
                    @match &list.stale_reason {
                        Some(reason) if list.entries.is_empty() => {
                            p class="switcher-none" data-doubt { "Which experiments there are is not known: " (reason) "." }
                        }
                        Some(reason) => (doubt(reason)),
                        None if list.entries.is_empty() => { p class="switcher-none" { "No experiment is registered yet." } }
                        None => {}
                    }
                }
                div class="switcher-foot" {
                    @if may_read { a href=(urls::experiments()) { "All experiments" } }
                    @else if !list.is_complete() { a href=(urls::switch_from(page_url)) { "Find an experiment" } }
                    @if !list.is_complete() {
                        span { (count(list.entries.len() as u64)) " of " (count(list.total as u64)) }
                    }
                    form method="post" action=(urls::clear_selection()) hx-boost="false" {
                        button type="submit" { "Clear selection" }
                    }
                }
            }
        }
    }
}

const NONE: &str = "No experiment matches.";

/// The answer to a search from the switcher.
pub(crate) fn switcher_found(matches: &SwitchMatches) -> Markup {
    html! { div id=(FOUND) { (switch_matches(matches)) } }
}

/// What a search found, as buttons for a form that leads on.
pub(crate) fn switch_matches(matches: &SwitchMatches) -> Markup {
    let (shown, total) = (matches.entries.len() as u64, matches.total as u64);
    html! {
        @for entry in &matches.entries { (found_button(entry)) }
        p class="switcher-none" {
            @match total {
                0 => (NONE),
                1 => "1 match",
                _ if shown < total => { (count(shown)) " of " (count(total)) " matches" }
                _ => { (count(total)) " matches" }
            }
        }
        @if let Some(reason) = &matches.stale_reason { (doubt(reason)) }
    }
}

fn doubt(reason: &str) -> Markup {
    html! { p class="switcher-none" data-doubt { "There may be others by now: " (reason) "." } }
}

pub(super) fn current_experiment(current: Option<&SwitchEntry>) -> Markup {
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

/// An entry of the list. It has an id, so that a changed list is matched by entry.
fn switch_button(entry: &SwitchEntry, current: bool) -> Markup {
    html! {
        button id={ "switch-" (entry.id) } formaction=(urls::select(&entry.id)) aria-current=[current.then_some("true")] {
            (label(entry))
        }
    }
}

/// A match. The same experiment may be in the list, so it has no id.
fn found_button(entry: &SwitchEntry) -> Markup {
    html! { button formaction=(urls::select(&entry.id)) { (label(entry)) } }
}

fn label(entry: &SwitchEntry) -> Markup {
    html! {
        (Mark::from(entry.state))
        span class="switch-name" { (entry.label()) }
        span class="switch-note" { (entry.state.word()) }
        @if entry.name.is_some() { (id_text(entry.id.as_str())) }
    }
}

fn chevron() -> Markup {
    html! {
        svg class="chevron" viewBox="0 0 12 12" aria-hidden="true" focusable="false" {
            path d="M3 4.5l3 3 3-3" {}
        }
    }
}
