//! Parts that several pages share: tables, lists, notices. A part may import `respond` and what lies below it, never a
//! page.

pub(crate) mod commit_change;
pub(crate) mod config_notice;
pub(crate) mod data_uri;
pub(crate) mod entity_links;
pub(crate) mod events_table;
pub(crate) mod experiments_list;
pub(crate) mod experiments_table;
pub(crate) mod listing;
pub(crate) mod readiness;
