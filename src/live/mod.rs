//! List, then watch: what the console believes, and how it learns it.
//!
//! [`Live`] is the handle that pages hold. Per deployment it keeps the [`Registry`] of experiments; per
//! experiment a [`Mirror`] that one task fills (`follow`) and any number of readers look at. Readers get
//! an immutable snapshot with a revision and never wait on a lock. Nothing here knows of the web.

mod admins;
mod apply;
mod backoff;
mod configuration;
mod details;
mod feed;
mod filing;
mod follow;
mod follow_stats;
mod freshness;
mod hub;
mod listing;
mod lists;
mod members;
mod membership;
mod mirror;
mod order;
mod probe;
mod registry;
mod registry_feed;
mod registry_rows;
mod revision;
mod room;
mod rows;
mod saved;
mod scores;
mod snapshot;
mod task_counts;
#[cfg(test)]
mod tests;
mod unavailability;
mod weight;

pub use admins::Admins;
pub use details::{Details, TaskDetail};
pub use filing::TaskFilter;
pub use follow_stats::FollowStats;
pub use freshness::{FeedKind, Freshness};
pub use hub::{Live, Options};
pub use lists::{IdeaOrder, TaskOrder, VariantOrder};
pub use mirror::{Mirror, Phase, View, Viewer};
pub use order::{PagedRows, SortDirection};
pub use registry::{Hosting, Registry, RegistryRow, RegistryView, RegistryViewer};
pub use revision::{Epoch, Revisions, Topic};
pub use rows::{IdeaRow, Measurements, TaskRow, TaskSubject, VariantRow};
pub use scores::{Score, Scores};
pub use snapshot::Snapshot;
pub use task_counts::TaskCounts;
pub use unavailability::{Unavailability, UnavailabilityKind};
