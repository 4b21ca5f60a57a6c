//! The shared parts of the console, built once.

use super::answer::PageCache;
use super::registry::Registries;
use super::session::SignIn;
use crate::access::StoreFactory;
use crate::lifecycle::Tasks;
use crate::live::Live;

/// What the extractors hand out. Handlers take the extractors, not this.
pub(crate) struct Console {
    pub live: Live,
    /// Who acts, and where.
    pub stores: StoreFactory,
    pub tasks: Tasks,
    pub sign_in: SignIn,
    pub pages: PageCache,
    /// What pages of workers and groups share.
    pub registries: Registries,
    /// The configuration offered on the page of an unseeded experiment.
    pub sample_config: &'static str,
}
