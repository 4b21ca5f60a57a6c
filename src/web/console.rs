//! The shared parts of the console, built once.

use secrecy::SecretString;

use crate::access::StoreFactory;
use crate::clock::Clock;
use crate::lifecycle::Tasks;
use crate::live::Live;
use crate::repos::RepoMaterializer;
use crate::web::auth::rate_limit::Attempts;
use crate::web::auth::session::Sessions;
use crate::web::auth::sign_in_links::Links;
use crate::web::respond::render::{Drawn, PageCache};
use crate::web::roster::Registries;
use crate::web::write::once::Once;

/// What the extractors hand out. Handlers take the extractors, not this.
pub(crate) struct Console {
    pub live: Live,
    /// Who acts, and where.
    pub stores: StoreFactory,
    pub tasks: Tasks,
    /// Time of day.
    pub clock: Clock,
    pub sessions: Sessions,
    /// What a monitoring system shows for the metrics.
    pub metrics_token: Option<SecretString>,
    /// Wrong sign-ins of late.
    pub attempts: Attempts,
    /// One-time links; none where nobody is let in by one.
    pub links: Option<Links>,
    pub pages: PageCache,
    /// What answering for regions took.
    pub drawn: Drawn,
    /// The experiments' repositories; without them, pages say that commits cannot be shown.
    pub repos: Option<RepoMaterializer>,
    /// Forms that were carried out.
    pub once: Once,
    /// What pages of workers and groups share.
    pub registries: Registries,
    /// The configuration offered on the page of an unseeded experiment.
    pub sample_config: &'static str,
}
