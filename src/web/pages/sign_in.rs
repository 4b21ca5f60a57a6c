//! Signing in, by a worker's credential or by a one-time link, and out.

use std::net::IpAddr;
use std::sync::Arc;

use maud::{Markup, html};
use poem::http::{Method, StatusCode, header};
use poem::session::Session;
use poem::web::{Data, Form, Query, RemoteAddr};
use poem::{Addr, Response, handler};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use crate::web::auth::{Operator, SignInLinks, SignInRefusal, SignedIn, TokenError};
use crate::web::console::Console;
use crate::web::request::see_other;
use crate::web::ui::{Button, Field, Input, Tone, bare, button, field, notice};
use crate::web::urls;

/// The query of a sign-in link. A credential does not belong into a URL, so none is read here.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Link {
    token: Option<String>,
    next: Option<String>,
}

/// The sign-in form: a worker's credential, or the token of a link.
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

/// The path to go to afterwards; the start page unless `next` is a path of this site.
fn local_path(next: Option<&str>) -> &str {
    next.filter(|next| is_local(next)).unwrap_or(urls::home())
}

/// Whether every browser reads this as a path of the same site.
fn is_local(next: &str) -> bool {
    next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

/// `GET /signin`: the page, or with `token` the one-time link.
#[handler]
pub(crate) async fn get(
    query: Query<Link>,
    console: Data<&Arc<Console>>,
    session: &Session,
    remote: &RemoteAddr,
    method: Method,
) -> Response {
    let next = local_path(query.next.as_deref());
    match &query.token {
        // A HEAD request, as link previews make, does not redeem the token.
        Some(token) if method == Method::GET && console.authenticator.offers_links() => {
            let signed_in = by_link(&console, token, session, source(remote)).await;
            answer(&console, session, signed_in, next).await
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
    let next = local_path(form.next.as_deref());
    let source = source(remote);
    let signed_in = match (form.credential, &form.token) {
        (None, Some(token)) if console.authenticator.offers_links() => by_link(&console, token, session, source).await,
        (credential, _) => {
            let credential = credential.unwrap_or_default();
            console.authenticator.by_credential(credential, source).await.map(Some)
        }
    };
    answer(&console, session, signed_in, next).await
}

/// `POST /signout`.
#[handler]
pub(crate) async fn sign_out(signed_in: SignedIn, console: Data<&Arc<Console>>, session: &Session) -> Response {
    console.sessions.end(session, &signed_in).await;
    see_other(urls::signin())
}

/// The operator of a link; none where the browser is signed in already and opens a used link again, which changes
/// nothing.
async fn by_link(
    console: &Console,
    token: &str,
    session: &Session,
    source: IpAddr,
) -> Result<Option<Operator>, SignInRefusal> {
    match console.authenticator.by_link(token, source) {
        Err(SignInRefusal::Link(TokenError::Used)) if console.sessions.signed_in(session).await.is_some() => Ok(None),
        signed_in => signed_in.map(Some),
    }
}

async fn answer(
    console: &Console,
    session: &Session,
    signed_in: Result<Option<Operator>, SignInRefusal>,
    next: &str,
) -> Response {
    match signed_in {
        Ok(operator) => {
            if let Some(operator) = operator {
                console.sessions.begin(session, operator).await;
            }
            see_other(next)
        }
        Err(refusal) => page(refusal.status(), console, Some(&refusal), next),
    }
}

/// The address of the connection. Behind a proxy that is the proxy's: forwarding headers could be forged.
fn source(remote: &RemoteAddr) -> IpAddr {
    match &remote.0 {
        Addr::SocketAddr(address) => address.ip(),
        _ => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
    }
}

fn page(status: StatusCode, console: &Console, refusal: Option<&SignInRefusal>, next: &str) -> Response {
    let response = Response::builder()
        .status(status)
        .content_type("text/html; charset=utf-8")
        .header(header::CACHE_CONTROL, "no-store");
    let response = match refusal.and_then(SignInRefusal::retry_after) {
        Some(seconds) => response.header(header::RETRY_AFTER, seconds),
        None => response,
    };
    response.body(bare("Sign in", &main(console, refusal, next)).into_string())
}

fn main(console: &Console, refusal: Option<&SignInRefusal>, next: &str) -> Markup {
    let is_malformed = matches!(refusal, Some(SignInRefusal::Malformed));
    html! {
        h1 { "Sign in" }
        @if let Some(refusal) = refusal.filter(|_| !is_malformed) { (notice(Tone::Bad, &html! { p { (refusal) } })) }
        @if console.authenticator.offers_links() {
            (by_link_form(next))
            h2 { "Or as a worker" }
        }
        (by_credential_form(console, refusal.filter(|_| is_malformed), next))
    }
}

fn by_link_form(next: &str) -> Markup {
    let minutes = SignInLinks::LIFETIME.as_secs() / 60;
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
                (empty_username())
            input type="hidden" name="next" value=(next);
            (field(&token, Input::Secret, ""))
            (button(Button::Primary, "Sign in"))
        }
    }
}

fn by_credential_form(console: &Console, refusal: Option<&SignInRefusal>, next: &str) -> Markup {
    let error = refusal.map(ToString::to_string);
    let credential = Field {
        name: "credential",
        label: "Credential",
        hint: Some("The worker's id and its token, with a colon between: wkr_…:token"),
        error: error.as_deref(),
        required: true,
    };
    let weight = if console.authenticator.offers_links() {
        Button::Quiet
    } else {
        Button::Primary
    };
    html! {
        p {
            @if console.stores.has_control_plane() { "Use the EDEN credential of a worker of this deployment." }
            @else { "Use the EDEN credential of a worker of this console's experiment." }
            " It is checked and not kept."
        }
        form class="form" method="post" action=(urls::signin()) {
                (empty_username())
            input type="hidden" name="next" value=(next);
            (field(&credential, Input::Password, ""))
            (button(weight, "Sign in"))
        }
    }
}

/// Password managers save a secret under a user name, which is part of the credential here; browsers warn about a form
/// without such a field.
fn empty_username() -> Markup {
    html! { input type="text" name="username" autocomplete="username" hidden; }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_site_are_followed() {
        for good in ["/", "/x/exp_1/?a=b&c=%20"] {
            assert!(is_local(good), "{good}");
        }
        for bad in ["", "x", "//evil", "/\\evil", "/\tx", "https://evil", "/a b"] {
            assert!(!is_local(bad), "{bad}");
        }
    }

    #[test]
    fn the_debug_output_of_the_form_has_no_secret() {
        let form: Attempt = serde_urlencoded::from_str("credential=wkr_1:hunter2&next=%2F").expect("a form");
        assert!(form.credential.is_some() && !format!("{form:?}").contains("hunter2"));
    }
}
