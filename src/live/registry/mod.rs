//! The deployment's registry of experiments. [`Registry`] is what readers see. One task fills it ([`RegistryFeed`],
//! through a [`RegistryWriter`](writer::RegistryWriter)); another asks the task stores what they host ([`Prober`]).

mod feed;
mod probe;
mod probe_queue;
mod row;
mod search;
mod view;
mod writer;

pub(super) use feed::{RefreshRequest, RegistryFeed};
pub(super) use probe::Prober;
pub use row::{Hosting, RegistryRow};
pub use search::{MatchRank, Matches, SearchText};
pub use view::{Registry, RegistryView};
pub(super) use writer::RegistryWriter;
