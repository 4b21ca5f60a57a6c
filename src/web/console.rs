//! The services of the console, built once.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use poem::Request;
use secrecy::SecretString;

use super::auth::{Authenticator, RoleResolver, Sessions};
use super::fault::Fault;
use super::respond::PageCache;
use super::roster::cache::RosterCache;
use super::write::SubmissionStore;
use crate::access::StoreFactory;
use crate::clock::Clock;
use crate::lifecycle::Tasks;
use crate::live::Live;
use crate::repos::RepoMaterializer;

/// The services that answer requests. No service knows a request or its context.
pub(crate) struct Console {
    /// The mirrors of the experiments and of the registry.
    pub live: Live,
    /// Clients of the servers, with their credentials.
    pub stores: StoreFactory,
    pub tasks: Tasks,
    /// Time of day.
    pub clock: Clock,
    pub sessions: Sessions,
    pub roles: RoleResolver,
    pub authenticator: Authenticator,
    /// The bearer token with which a monitoring system reads the metrics.
    pub metrics_token: Option<SecretString>,
    /// The time between two batches of an experiment's changes, on the streams of its pages.
    pub batch_intervals: RangeInclusive<Duration>,
    /// Rendered answers.
    pub pages: PageCache,
    /// The experiments' repositories; without them, pages do not show commits.
    pub repos: Option<RepoMaterializer>,
    /// Outcomes of submitted forms.
    pub submissions: SubmissionStore,
    /// Listings of workers and groups.
    pub rosters: RosterCache,
    /// The configuration offered on the page of an unseeded experiment.
    pub sample_config: &'static str,
}

impl Console {
    /// The console in a request's data.
    ///
    /// # Errors
    /// [`Fault::Internal`] where no middleware has put it there.
    pub fn of(request: &Request) -> Result<&Arc<Self>, Fault> {
        let missing = || Fault::Internal("the console is not in the request's data".to_owned());
        request.data().ok_or_else(missing)
    }
}
