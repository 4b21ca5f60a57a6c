//! List, then watch: what the console knows of its servers, and how it stays current.
//!
//! [`Live`] is the handle that pages hold. It has one [`Registry`] of the deployment's experiments, and a [`Mirror`]
//! per experiment that one task fills (`follow`). Readers get an immutable snapshot with a revision and never wait on a
//! lock. Nothing here knows of the web.

mod admins;
mod atomic_timestamp;
mod backoff;
mod details;
mod error_chain;
mod feed;
mod follow;
mod follow_stats;
mod freshness;
mod group_closure;
mod handle;
mod loaded_config;
mod mirror;
mod mirror_budget;
mod mirror_set;
mod order;
mod published;
mod queries;
mod registry;
mod revision;
mod row_orders;
mod rows;
mod saved;
mod scores;
mod snapshot;
mod task_counts;
#[cfg(test)]
mod tests;
mod unavailability;
mod usage;
mod weight;

pub use admins::Admins;
pub use details::{Details, TaskDetail};
pub use follow_stats::FollowStats;
pub use freshness::{FeedKind, Freshness};
pub use handle::{Live, Options};
pub use mirror::{Mirror, Phase, View};
pub use order::{PagedRows, SortDirection};
pub use queries::{IdeaOrder, TaskOrder, VariantOrder};
pub use registry::{Hosting, MatchRank, Matches, Registry, RegistryRow, RegistryView, SearchText};
pub use revision::{Epoch, Revisions, Topic};
pub use rows::{IdeaRow, Measurements, TaskFilter, TaskRow, TaskSubject, VariantRow};
pub use scores::{Score, Scores};
pub use snapshot::Snapshot;
pub use task_counts::TaskCounts;
pub use unavailability::{Unavailability, UnavailabilityKind};
pub use usage::Viewer;
