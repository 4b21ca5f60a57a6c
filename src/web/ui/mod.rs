//! Components: functions from plain data to markup. They know no client, store, clock or request.

mod bar;
mod chart;
mod chips;
mod detail;
mod form;
mod freshness;
mod keys_dialog;
mod layout;
mod mark;
mod notice;
mod pager;
mod rail;
mod region;
mod scale;
mod shell;
mod sparkline;
mod step_line;
mod switcher;
mod table;
mod value;

pub(crate) use bar::{pending_counts, switcher_region};
pub(crate) use chart::{ScoreChart, ScorePoint};
pub(crate) use chips::{Chip, chips};
pub(crate) use detail::{Figure, crumbs, definitions, feed, figures, halves, panel, wide_and_narrow};
pub(crate) use form::{Button, Field, Input, button, field, file_field, textarea};
pub(crate) use freshness::{Freshness, freshness_badge, staleness};
pub(crate) use layout::{bare, bare_fragment, document, fragment, page_head};
pub(crate) use mark::{Mark, experiment_state, state, state_of};
pub(crate) use notice::{Tone, empty, error_page, notice, unavailable};
pub(crate) use pager::Pager;
pub(crate) use region::{Body, Region, region};
pub(crate) use shell::{OperatorInfo, Shell};
pub(crate) use sparkline::sparkline;
pub(crate) use switcher::{EntryState, FOUND, SwitchEntry, SwitchList, SwitchMatches, switch_matches, switcher_found};
pub(crate) use table::{Column, Order, ROW, Row, RowKind, Sort, Table, table};
pub(crate) use value::{
    VALUE, commit, copyable, count, id_link, id_maybe_link, id_text, metric_value, number, short, short_id, when,
    when_dated,
};
