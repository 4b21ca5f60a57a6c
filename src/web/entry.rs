//! Letting somebody in: by a one-time link, or by a worker's credential, which the server that it is of checks.

use std::net::IpAddr;
use std::time::Duration;

use poem::http::StatusCode;
use poem::session::Session;
use secrecy::{ExposeSecret, SecretString};
use tracing::{info, warn};

use super::attempts::Limited;
use super::console::Console;
use super::links::{Links, TokenError};
use super::session::Operator;
use crate::client::{Bearer, ClientError};
use crate::protocol::{Actor, WorkerId};

/// More is no credential.
const CREDENTIAL_MAX: usize = 1024;
/// How long an attempt waits for its turn to be checked.
const TURN: Duration = Duration::from_secs(5);

/// Why nobody was let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// A link that is none, or no more.
    #[error("{0}")]
    Link(TokenError),
    /// Not of the form.
    #[error("That is not a credential. It is a worker's id, a colon and the worker's token: wkr_…:token.")]
    Malformed,
    /// The server that it names does not know it.
    #[error(
        "{0} does not know this credential. It may be mistyped, or replaced since; whoever administers the deployment can issue another."
    )]
    Refused(&'static str),
    /// The server that it names does not answer.
    #[error("{0} does not answer, so no credential can be checked. Try again in a moment.")]
    Unreachable(&'static str),
    /// There is no experiment to ask.
    #[error("The task store does not host this console's experiment yet, so no credential can be checked.")]
    NotHosted,
    /// The server that it names answers oddly.
    #[error("{0} answers something that the console does not understand, so no credential can be checked.")]
    Odd(&'static str),
    /// Its turn to be checked did not come.
    #[error("Others are signing in, and the console checks only a few at once. Try again in a moment.")]
    Busy,
    /// Too many were wrong of late.
    #[error("Too many wrong credentials of late. Nothing is checked for {}.", minutes(.0.0))]
    Limited(Limited),
}

impl Refusal {
    /// The answer's status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Link(_) => StatusCode::FORBIDDEN,
            Self::Malformed => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Refused(_) => StatusCode::UNAUTHORIZED,
            Self::Unreachable(_) | Self::NotHosted | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Odd(_) => StatusCode::BAD_GATEWAY,
            Self::Limited(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// In how many seconds it is worth trying again, where that is known.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Limited(limited) => Some(seconds(limited.0)),
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

/// Whom a link lets in; nobody new when the browser is signed in already and opens a spent link again, by which it
/// loses nothing.
pub(crate) async fn by_link(
    console: &Console,
    links: &Links,
    token: &str,
    session: &Session,
    source: IpAddr,
) -> Result<Option<Operator>, Refusal> {
    let attempt = console.attempts.begin(None, source).map_err(Refusal::Limited)?;
    match links.redeem(token.trim()) {
        Ok(()) => {
            attempt.right();
            info!("an operator signed in by a one-time link");
            Ok(Some(Operator::Link))
        }
        // Only a token that was never made is a guess.
        Err(TokenError::Unknown) => Err(Refusal::Link(TokenError::Unknown)),
        Err(error) => {
            attempt.unchecked();
            let is_in = error == TokenError::Used && console.sessions.signed_in(session).await.is_some();
            if is_in { Ok(None) } else { Err(Refusal::Link(error)) }
        }
    }
}

/// Whom a credential lets in: the worker that the server says it is of. The secret goes no further than the server.
pub(crate) async fn by_credential(
    console: &Console,
    credential: SecretString,
    source: IpAddr,
) -> Result<Option<Operator>, Refusal> {
    let (worker, bearer) = parsed(&credential).ok_or(Refusal::Malformed)?;
    drop(credential);
    let attempt = console
        .attempts
        .begin(Some(&worker), source)
        .map_err(Refusal::Limited)?;
    let checked = match console.attempts.turn(TURN).await {
        Some(_turn) => checked(console, &worker, bearer).await,
        None => Err(Refusal::Busy),
    };
    match &checked {
        Ok(_) => {
            attempt.right();
            info!(worker.id = %worker, "an operator signed in");
        }
        Err(Refusal::Refused(_)) => warn!(worker.id = %worker, %source, "a wrong credential was refused"),
        Err(_) => attempt.unchecked(),
    }
    checked.map(Some)
}

fn parsed(credential: &SecretString) -> Option<(WorkerId, Bearer)> {
    let text = credential.expose_secret().trim();
    let (worker, token) = text.split_once(':').filter(|_| text.len() <= CREDENTIAL_MAX)?;
    let worker: WorkerId = worker.parse().ok()?;
    let bearer = Bearer::new(Actor::Worker(worker.clone()), token.into());
    (!token.is_empty()).then_some((worker, bearer))
}

/// Asks the control plane, or without one the experiment, whose credential it is.
async fn checked(console: &Console, worker: &WorkerId, bearer: Bearer) -> Result<Operator, Refusal> {
    let stores = &console.stores;
    let (server, registry) = match stores.control_as(bearer.clone()) {
        Some(control) => ("The control plane", control.registry()),
        None => {
            let experiment = stores
                .default_experiment()
                .and_then(|id| stores.experiment_as(id, bearer));
            ("The task store", experiment.ok_or(Refusal::NotHosted)?.registry())
        }
    };
    match registry.whoami().await {
        Ok(me) if me.worker_id == *worker => Ok(Operator::Worker {
            id: me.worker_id,
            name: me.name.map(|name| name.to_string()),
            experiment: registry.experiment().cloned(),
        }),
        Ok(_) => Err(Refusal::Refused(server)),
        Err(ClientError::UnusableSecret) => Err(Refusal::Malformed),
        Err(error) if error.is_unauthorized() => Err(Refusal::Refused(server)),
        Err(error) if error.is_unreachable() => Err(Refusal::Unreachable(server)),
        Err(error) if error.is_not_found() || error.is_not_hosted_here() => Err(Refusal::NotHosted),
        Err(error) => {
            warn!(%error, "a credential could not be checked");
            Err(Refusal::Odd(server))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_a_worker_and_its_token() {
        let worker = "wkr_00000000000000000000000001";
        for good in [format!("{worker}:secret"), format!(" {worker}:se:cret\n")] {
            let (found, _) = parsed(&good.into()).expect("a credential");
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
            assert!(parsed(&bad.into()).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_wait_is_said_in_minutes() {
        assert_eq!(minutes(Duration::from_millis(1)), "a minute");
        assert_eq!(minutes(Duration::from_secs(59)), "a minute");
        assert_eq!(minutes(Duration::from_millis(60_001)), "2 minutes");
        assert_eq!(minutes(Duration::from_secs(600)), "10 minutes");
        assert_eq!((seconds(Duration::ZERO), seconds(Duration::from_millis(1001))), (1, 2));
    }
}
