//! The list of experiments as a query asks for it: which are kept, in which order, and which of them a page shows. The
//! page draws these, and its stream follows them.

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;

use crate::live::{Live, RegistryRow, RegistryView, SearchText};
use crate::protocol::{ExperimentId, TaskState, Timestamp};
use crate::repos::RepoMaterializer;
use crate::web::parts::listing::Listing;
use crate::web::parts::readiness::{ReadinessLevel, readiness};
use crate::web::request::Query;
use crate::web::respond::entry_state;
use crate::web::ui::{EntryState, Order};
use crate::web::urls;

/// A filter by state; as text, its word in the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StateFilter(pub EntryState);

impl StateFilter {
    /// Every filter.
    pub const ALL: [Self; 5] = [
        Self(EntryState::Running),
        Self(EntryState::Terminated),
        Self(EntryState::Unseeded),
        Self(EntryState::Elsewhere),
        Self(EntryState::Unknown),
    ];
}

impl fmt::Display for StateFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.word().replace(' ', "_"))
    }
}

/// What the list may be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExperimentOrder {
    Registered,
    Name,
    State,
    Pending,
    LastEvent,
}

impl ExperimentOrder {
    /// The word in the query; none for the default.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Registered => None,
            Self::Name => Some("name"),
            Self::State => Some("state"),
            Self::Pending => Some("pending"),
            Self::LastEvent => Some("last_event"),
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        let named = [Self::Name, Self::State, Self::Pending, Self::LastEvent];
        named.into_iter().find(|order| order.word() == Some(word))
    }

    /// The order that its column sorts in first.
    pub fn first(self) -> Order {
        match self {
            Self::Name | Self::State => Order::Ascending,
            Self::Registered | Self::Pending | Self::LastEvent => Order::Descending,
        }
    }

    /// Whether it is decided by what is known of followed experiments, and not by the registry alone.
    pub fn is_of_mirrors(self) -> bool {
        matches!(self, Self::Pending | Self::LastEvent)
    }
}

/// The list, as its query says.
pub(crate) struct ExperimentsList {
    /// Order and page.
    pub listing: Listing,
    pub by: ExperimentOrder,
    pub state: Option<StateFilter>,
    pub readiness: Option<ReadinessLevel>,
    /// What is searched for, as typed.
    pub q: Option<String>,
    text: Option<SearchText>,
}

/// One page of the list.
pub(crate) struct Shown {
    pub rows: Vec<Arc<RegistryRow>>,
    /// How many are kept in all.
    pub total: u64,
    /// How many would be kept under each filter by state, in the order of [`StateFilter::ALL`].
    pub by_state: [u64; StateFilter::ALL.len()],
}

impl ExperimentsList {
    /// The list that `page_url`, a path and query, asks for.
    pub fn of(page_url: &str) -> Self {
        let mut query = Query::of(page_url);
        let state = query.take("state", |word| {
            StateFilter::ALL.into_iter().find(|state| state.to_string() == word)
        });
        let readiness = query.take("readiness", ReadinessLevel::from_word);
        let q = query.take("q", |q| SearchText::parse(q).map(|_| q.to_owned()));
        let by = query.take("sort", ExperimentOrder::from_word);
        Self {
            by: by.unwrap_or(ExperimentOrder::Registered),
            state,
            readiness,
            text: q.as_deref().and_then(SearchText::parse),
            q,
            listing: Listing::new(query),
        }
    }

    /// The list with this query, which begins with `?`.
    pub fn of_query(query: &str) -> Self {
        Self::of(&format!("{}{query}", urls::experiments()))
    }

    /// The page of the list that is shown. The whole registry is looked through, and nothing of it is copied but the rows
    /// that are shown.
    pub fn shown(&self, registry: &RegistryView, live: &Live, repos: Option<&RepoMaterializer>) -> Shown {
        let mut by_state = [0; StateFilter::ALL.len()];
        let mut kept = Vec::new();
        for row in registry.rows.values().rev().filter(|row| self.keeps(row, repos)) {
            let state = entry_state(row);
            by_state[state as usize] += 1;
            if self.state.is_none_or(|filter| filter.0 == state) {
                kept.push(row);
            }
        }
        self.sort(&mut kept, live);
        let total = kept.len() as u64;
        let rows = self.listing.paging(total).slice(total, kept.into_iter().cloned());
        Shown { rows, total, by_state }
    }

    /// Whether the filters but that by state keep a row.
    fn keeps(&self, row: &RegistryRow, repos: Option<&RepoMaterializer>) -> bool {
        let is_found = self.text.as_ref().is_none_or(|text| text.rank(row).is_some());
        let level = || readiness(row, repos.map(|repos| repos.state(&row.id))).level();
        is_found && self.readiness.is_none_or(|wanted| wanted == level())
    }

    /// Sorts rows that are newest first. Equal ones stay so.
    fn sort(&self, rows: &mut [&Arc<RegistryRow>], live: &Live) {
        let is_ascending = self.listing.order == Order::Ascending;
        match self.by {
            ExperimentOrder::Registered if is_ascending => rows.reverse(),
            ExperimentOrder::Registered => {}
            ExperimentOrder::Name => {
                let label = |row: &&Arc<RegistryRow>| row.name().unwrap_or(row.id.as_str()).to_lowercase();
                match is_ascending {
                    true => rows.sort_by_cached_key(label),
                    false => rows.sort_by_cached_key(|row| Reverse(label(row))),
                }
            }
            ExperimentOrder::State => match is_ascending {
                true => rows.sort_by_key(|row| entry_state(row) as usize),
                false => rows.sort_by_key(|row| Reverse(entry_state(row) as usize)),
            },
            ExperimentOrder::Pending => sort_known(rows, is_ascending, |row| pending(live, &row.id)),
            ExperimentOrder::LastEvent => sort_known(rows, is_ascending, |row| last_event(live, &row.id)),
        }
    }
}

/// Sorts by what is known. Rows of which nothing is known are last in either direction.
fn sort_known<T: Ord>(rows: &mut [&Arc<RegistryRow>], is_ascending: bool, known: impl Fn(&RegistryRow) -> Option<T>) {
    match is_ascending {
        true => rows.sort_by_cached_key(|row| {
            let known = known(row);
            (known.is_none(), known)
        }),
        false => rows.sort_by_cached_key(|row| Reverse(known(row))),
    }
}

fn pending(live: &Live, id: &ExperimentId) -> Option<u64> {
    let view = live.existing_mirror(id)?.view();
    Some(view.snapshot()?.counts.in_state(TaskState::Pending))
}

fn last_event(live: &Live, id: &ExperimentId) -> Option<Timestamp> {
    let view = live.existing_mirror(id)?.view();
    view.snapshot()?
        .newest_events()
        .next()
        .map(|(_, event)| event.occurred_at)
}
