//! Authentication: by a one-time link, or by a worker's credential, which the server that issued it checks.

use std::net::IpAddr;
use std::time::Duration;

use poem::http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use tracing::{info, warn};

use crate::access::StoreFactory;
use crate::client::{Bearer, ClientError};
use crate::clock::Clock;
use crate::protocol::{Actor, WorkerId};
use crate::web::auth::rate_limit::{RateLimited, RateLimiter};
use crate::web::auth::session::Operator;
use crate::web::auth::sign_in_links::{SignInLinks, TokenError};

/// The longest text that is taken as a credential, in bytes.
const CREDENTIAL_MAX: usize = 1024;
/// How long an attempt waits for a permit to be checked.
const CHECK_PERMIT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a sign-in failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignInRefusal {
    /// The link is unknown, used or expired.
    #[error("{0}")]
    Link(TokenError),
    /// The text does not have the form of a credential.
    #[error("That is not a credential. It is a worker's id, a colon and the worker's token: wkr_…:token.")]
    Malformed,
    /// The server does not accept the credential.
    #[error(
        "{0} does not know this credential. It may be mistyped, or replaced since; an administrator of the deployment can issue another."
    )]
    Refused(&'static str),
    /// The server does not answer.
    #[error("{0} does not answer, so no credential can be checked. Try again in a moment.")]
    Unreachable(&'static str),
    /// No server can check it: the task store does not host the experiment.
    #[error("The task store does not host this console's experiment yet, so no credential can be checked.")]
    NotHosted,
    /// The server's answer is not one that the protocol has.
    #[error("{0} answers something that the console does not understand, so no credential can be checked.")]
    UnexpectedAnswer(&'static str),
    /// No permit to check it became free in time.
    #[error("Others are signing in, and the console checks only a few at once. Try again in a moment.")]
    Busy,
    /// Too many attempts failed.
    #[error("Too many wrong credentials were shown. Nothing is checked for {}.", minutes(.0.0))]
    RateLimited(RateLimited),
}

impl SignInRefusal {
    /// The answer's status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Link(_) => StatusCode::FORBIDDEN,
            Self::Malformed => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Refused(_) => StatusCode::UNAUTHORIZED,
            Self::Unreachable(_) | Self::NotHosted | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::UnexpectedAnswer(_) => StatusCode::BAD_GATEWAY,
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// The seconds for `Retry-After`, where they are known.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited(limited) => Some(seconds(limited.0)),
            _ => None,
        }
    }
}

fn seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis().div_ceil(1000))
        .unwrap_or(u64::MAX)
        .max(1)
}

fn minutes(wait: Duration) -> String {
    match seconds(wait).div_ceil(60) {
        1 => "a minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    }
}

/// Checks sign-in links and credentials, within the rate limit.
pub(crate) struct Authenticator {
    stores: StoreFactory,
    limiter: RateLimiter,
    /// One-time links; none where the console does not offer them.
    links: Option<SignInLinks>,
}

impl Authenticator {
    pub fn new(stores: StoreFactory, clock: &Clock, offers_links: bool) -> Self {
        Self {
            stores,
            limiter: RateLimiter::new(clock.clone()),
            links: offers_links.then(|| SignInLinks::new(clock.clone())),
        }
    }

    /// A new one-time token; none where the console does not offer links.
    pub fn issue_link(&self) -> Option<String> {
        self.links.as_ref().map(SignInLinks::issue)
    }

    /// Whether the console offers one-time links.
    pub fn offers_links(&self) -> bool {
        self.links.is_some()
    }

    /// Signs in by the token of a one-time link, and marks it as used.
    ///
    /// # Errors
    /// [`SignInRefusal::Link`] and [`SignInRefusal::RateLimited`].
    pub fn by_link(&self, token: &str, source: IpAddr) -> Result<Operator, SignInRefusal> {
        let links = self.links.as_ref().ok_or(SignInRefusal::Link(TokenError::Unknown))?;
        let attempt = self.limiter.begin(None, source).map_err(SignInRefusal::RateLimited)?;
        match links.redeem(token.trim()) {
            Ok(()) => {
                attempt.succeeded();
                info!("an operator signed in by a one-time link");
                Ok(Operator::Link)
            }
            Err(error) => {
                // Only a token that was never issued is a guess, and counts as failed.
                if error != TokenError::Unknown {
                    attempt.not_checked();
                }
                Err(SignInRefusal::Link(error))
            }
        }
    }

    /// Signs in by a worker's credential, as the worker that the server names. The secret is sent to the server and not
    /// kept.
    ///
    /// # Errors
    /// Every [`SignInRefusal`] but that of a link.
    pub async fn by_credential(&self, credential: SecretString, source: IpAddr) -> Result<Operator, SignInRefusal> {
        let (worker, bearer) = parse_credential(&credential).ok_or(SignInRefusal::Malformed)?;
        drop(credential);
        let attempt = self
            .limiter
            .begin(Some(&worker), source)
            .map_err(SignInRefusal::RateLimited)?;
        let checked = match self.limiter.check_permit(CHECK_PERMIT_TIMEOUT).await {
            Some(_permit) => self.check(&worker, bearer).await,
            None => Err(SignInRefusal::Busy),
        };
        match &checked {
            Ok(_) => {
                attempt.succeeded();
                info!(worker.id = %worker, "an operator signed in");
            }
            Err(SignInRefusal::Refused(_)) => warn!(worker.id = %worker, %source, "a wrong credential was refused"),
            Err(_) => attempt.not_checked(),
        }
        checked
    }

    /// Asks the control plane for the credential's worker; without a control plane, the experiment's task store.
    async fn check(&self, worker: &WorkerId, bearer: Bearer) -> Result<Operator, SignInRefusal> {
        let stores = &self.stores;
        let (server, registry) = match stores.control_as(bearer.clone()) {
            Some(control) => ("The control plane", control.registry()),
            None => {
                let experiment = stores
                    .default_experiment()
                    .and_then(|id| stores.experiment_as(id, bearer));
                ("The task store", experiment.ok_or(SignInRefusal::NotHosted)?.registry())
            }
        };
        match registry.whoami().await {
            Ok(me) if me.worker_id == *worker => Ok(Operator::Worker {
                id: me.worker_id,
                name: me.name.map(|name| name.to_string()),
                experiment: registry.experiment().cloned(),
            }),
            Ok(_) => Err(SignInRefusal::Refused(server)),
            Err(ClientError::UnusableSecret) => Err(SignInRefusal::Malformed),
            Err(error) if error.is_unauthorized() => Err(SignInRefusal::Refused(server)),
            Err(error) if error.is_unreachable() => Err(SignInRefusal::Unreachable(server)),
            Err(error) if error.is_not_found() || error.is_not_hosted_here() => Err(SignInRefusal::NotHosted),
            Err(error) => {
                warn!(%error, "a credential could not be checked");
                Err(SignInRefusal::UnexpectedAnswer(server))
            }
        }
    }
}

fn parse_credential(credential: &SecretString) -> Option<(WorkerId, Bearer)> {
    let text = credential.expose_secret().trim();
    let (worker, token) = text.split_once(':').filter(|_| text.len() <= CREDENTIAL_MAX)?;
    let worker: WorkerId = worker.parse().ok()?;
    let bearer = Bearer::new(Actor::Worker(worker.clone()), token.into());
    (!token.is_empty()).then_some((worker, bearer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_a_worker_and_its_token() {
        let worker = "wkr_00000000000000000000000001";
        for good in [format!("{worker}:secret"), format!(" {worker}:se:cret\n")] {
            let (found, _) = parse_credential(&good.into()).expect("a credential");
            assert_eq!(found.as_str(), worker);
        }
        let long = format!("{worker}:{}", "x".repeat(CREDENTIAL_MAX));
        for bad in [
            "",
            ":",
            "admin:secret",
            "wkr_1:secret",
            worker,
            "secret",
            long.as_str(),
            "wkr_00000000000000000000000001:",
        ] {
            assert!(parse_credential(&bad.into()).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_wait_is_shown_in_minutes() {
        assert_eq!(minutes(Duration::from_millis(1)), "a minute");
        assert_eq!(minutes(Duration::from_secs(59)), "a minute");
        assert_eq!(minutes(Duration::from_millis(60_001)), "2 minutes");
        assert_eq!(minutes(Duration::from_secs(600)), "10 minutes");
        assert_eq!((seconds(Duration::ZERO), seconds(Duration::from_millis(1001))), (1, 2));
    }
}
