//! Signing in, by a worker's credential or by a one-time link, and out.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use maud::{Markup, html};
use poem::http::{StatusCode, header};
use poem::session::Session;
use poem::web::{Data, Form, Query, RemoteAddr};
use poem::{Addr, Response, handler};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use tracing::{info, warn};

use crate::client::{Bearer, ClientError};
use crate::protocol::{Actor, WorkerId};
use crate::web::attempts::Limited;
use crate::web::console::Console;
use crate::web::context::Visitor;
use crate::web::links::{Links, TokenError};
use crate::web::session::Operator;
use crate::web::ui::{Button, Field, Input, Tone, bare, button, field, notice};
use crate::web::urls;

/// More is no credential.
const CREDENTIAL_MAX: usize = 1024;
/// How long an attempt waits for its turn to be checked.
const TURN: Duration = Duration::from_secs(5);

/// What a link carries. A credential has no place in an address, so none is looked for here.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Link {
    token: Option<String>,
    next: Option<String>,
}

/// What the form carries: a worker's credential, or the token of a link.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Attempt {
    #[serde(default, deserialize_with = "secret")]
    credential: Option<SecretString>,
    token: Option<String>,
    next: Option<String>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    String::deserialize(deserializer).map(|text| Some(text.into()))
}

/// Where to go afterwards: a path of this site.
fn local(next: Option<&str>) -> &str {
    next.filter(|next| is_local(next)).unwrap_or(urls::home())
}

/// Whether a browser takes this for a path of the same site, whatever tricks it holds.
fn is_local(next: &str) -> bool {
    next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

/// Why nobody was let in.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    Link(TokenError),
    #[error("That is not a credential. It is a worker's id, a colon and the worker's token: wkr_…:token.")]
    Malformed,
    #[error(
        "{0} does not know this credential. It may be mistyped, or replaced since; whoever administers the deployment can issue another."
    )]
    Refused(&'static str),
    #[error("{0} does not answer, so no credential can be checked. Try again in a moment.")]
    Unreachable(&'static str),
    #[error("The task store does not host this console's experiment yet, so no credential can be checked.")]
    NotHosted,
    #[error("{0} answers something that the console does not understand, so no credential can be checked.")]
    Odd(&'static str),
    #[error("Others are signing in, and the console checks only a few at once. Try again in a moment.")]
    Busy,
    #[error("Too many wrong credentials of late. Nothing is checked for {}.", minutes(.0.0))]
    Limited(Limited),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Link(_) => StatusCode::FORBIDDEN,
            Self::Malformed => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Refused(_) => StatusCode::UNAUTHORIZED,
            Self::Unreachable(_) | Self::NotHosted | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Odd(_) => StatusCode::BAD_GATEWAY,
            Self::Limited(_) => StatusCode::TOO_MANY_REQUESTS,
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

/// `GET /signin`: the page, or with `token` the one-time link.
#[handler]
pub(crate) async fn get(
    query: Query<Link>,
    console: Data<&Arc<Console>>,
    session: &Session,
    remote: &RemoteAddr,
) -> Response {
    let next = local(query.next.as_deref());
    match (&query.token, &console.links) {
        (Some(token), Some(links)) => {
            let outcome = by_link(&console, links, token, session, source(remote)).await;
            answer(&console, session, outcome, next)
        }
        _ => page(StatusCode::OK, &console, None, next),
    }
}

/// `POST /signin`: a credential, or the token of a link typed.
#[handler]
pub(crate) async fn post(
    Form(form): Form<Attempt>,
    console: Data<&Arc<Console>>,
    session: &Session,
    remote: &RemoteAddr,
) -> Response {
    let next = local(form.next.as_deref());
    let source = source(remote);
    let outcome = match (form.credential, &form.token, &console.links) {
        (None, Some(token), Some(links)) => by_link(&console, links, token, session, source).await,
        (credential, ..) => by_credential(&console, credential.unwrap_or_default(), source).await,
    };
    answer(&console, session, outcome, next)
}

/// `POST /signout`.
#[handler]
pub(crate) async fn sign_out(visitor: Visitor, console: Data<&Arc<Console>>, session: &Session) -> Response {
    console.sessions.end(session, &visitor.0).await;
    see_other(urls::signin())
}

fn answer(console: &Console, session: &Session, outcome: Result<Option<Operator>, Refusal>, next: &str) -> Response {
    match outcome {
        Ok(operator) => {
            if let Some(operator) = operator {
                console.sessions.begin(session, operator);
            }
            see_other(next)
        }
        Err(refusal) => page(refusal.status(), console, Some(&refusal), next),
    }
}

/// Whom a link lets in; nobody new when the browser is signed in already and opens a spent link again, by which it
/// loses nothing.
async fn by_link(
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
async fn by_credential(
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
    use secrecy::ExposeSecret;

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
            let experiment = stores.default_experiment().and_then(|id| stores.experiment(id, bearer));
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

/// Where a request comes from. Behind a proxy that is the proxy: what it says of others could be anybody's word.
fn source(remote: &RemoteAddr) -> IpAddr {
    match &remote.0 {
        Addr::SocketAddr(address) => address.ip(),
        _ => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
    }
}

fn see_other(location: &str) -> Response {
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, location)
        .finish()
}

fn page(status: StatusCode, console: &Console, refusal: Option<&Refusal>, next: &str) -> Response {
    let response = Response::builder()
        .status(status)
        .content_type("text/html; charset=utf-8")
        .header(header::CACHE_CONTROL, "no-store");
    let response = match refusal {
        Some(Refusal::Limited(limited)) => response.header(header::RETRY_AFTER, seconds(limited.0)),
        _ => response,
    };
    response.body(bare("Sign in", &main(console, refusal, next)).into_string())
}

fn main(console: &Console, refusal: Option<&Refusal>, next: &str) -> Markup {
    let is_malformed = matches!(refusal, Some(Refusal::Malformed));
    html! {
        h1 { "Sign in" }
        @if let Some(refusal) = refusal.filter(|_| !is_malformed) { (notice(Tone::Bad, &html! { p { (refusal) } })) }
        @if console.links.is_some() {
            (by_link_form(next))
            h2 { "Or as a worker" }
        }
        (by_credential_form(console, refusal.filter(|_| is_malformed), next))
    }
}

fn by_link_form(next: &str) -> Markup {
    let minutes = Links::LIFETIME.as_secs() / 60;
    let token = Field {
        name: "token",
        label: "Sign-in token",
        hint: Some("The part of the link after token="),
        error: None,
        required: true,
    };
    html! {
        p {
            "Switchboard prints a sign-in link where it was started. Open that link in this browser. It works once, for "
            (minutes) " minutes."
        }
        p { "To get a new link, send the process the signal " code { "USR1" } ": " code { "pkill -USR1 switchboard" } "." }
        form class="form" method="post" action=(urls::signin()) {
            input type="hidden" name="next" value=(next);
            (field(&token, Input::Secret, ""))
            (button(Button::Primary, "Sign in"))
        }
    }
}

fn by_credential_form(console: &Console, refusal: Option<&Refusal>, next: &str) -> Markup {
    let error = refusal.map(ToString::to_string);
    let credential = Field {
        name: "credential",
        label: "Credential",
        hint: Some("The worker's id and its token, with a colon between: wkr_…:token"),
        error: error.as_deref(),
        required: true,
    };
    let weight = if console.links.is_some() {
        Button::Quiet
    } else {
        Button::Primary
    };
    html! {
        p {
            @if console.stores.control().is_some() { "Use the EDEN credential of a worker of this deployment." }
            @else { "Use the EDEN credential of a worker of this console's experiment." }
            " It is checked and not kept."
        }
        form class="form" method="post" action=(urls::signin()) {
            input type="hidden" name="next" value=(next);
            (field(&credential, Input::Password, ""))
            (button(weight, "Sign in"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_site_are_gone_to() {
        for good in ["/", "/x/exp_1/?a=b&c=%20"] {
            assert!(is_local(good), "{good}");
        }
        for bad in ["", "x", "//evil", "/\\evil", "/\tx", "https://evil", "/a b"] {
            assert!(!is_local(bad), "{bad}");
        }
    }

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
    fn a_form_that_is_printed_tells_no_secret() {
        let form: Attempt = serde_urlencoded::from_str("credential=wkr_1:hunter2&next=%2F").expect("a form");
        assert!(form.credential.is_some() && !format!("{form:?}").contains("hunter2"));
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
