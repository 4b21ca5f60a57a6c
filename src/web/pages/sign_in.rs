//! Signing in by a one-time link, and out.

use maud::{Markup, html};
use poem::http::{StatusCode, header};
use poem::session::Session;
use poem::web::{Data, Form, Query};
use poem::{Response, handler};
use serde::Deserialize;
use std::sync::Arc;

use crate::web::console::Console;
use crate::web::session::{Operator, SignIn, TokenError};
use crate::web::ui::{Button, Field, Input, Tone, bare, button, field, notice};
use crate::web::urls;

/// What a link or the form carries.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Attempt {
    token: Option<String>,
    next: Option<String>,
}

impl Attempt {
    /// Where to go afterwards: a path of this site.
    fn next(&self) -> &str {
        self.next.as_deref().filter(|next| is_local(next)).unwrap_or("/")
    }
}

/// Whether a browser takes this for a path of the same site, whatever tricks it holds.
fn is_local(next: &str) -> bool {
    next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

/// `GET /signin`: the page, or with `token` the one-time link.
#[handler]
pub(crate) fn get(query: Query<Attempt>, console: Data<&Arc<Console>>, session: &Session) -> Response {
    match &query.token {
        Some(_) => attempt(&query, &console, session),
        None => page(StatusCode::OK, None, query.next()),
    }
}

/// `POST /signin`: the same with the token typed.
#[handler]
pub(crate) fn post(form: Form<Attempt>, console: Data<&Arc<Console>>, session: &Session) -> Response {
    attempt(&form, &console, session)
}

/// `POST /signout`.
#[handler]
pub(crate) fn sign_out(session: &Session) -> Response {
    session.purge();
    see_other(urls::signin())
}

fn attempt(attempt: &Attempt, console: &Console, session: &Session) -> Response {
    let token = attempt.token.as_deref().unwrap_or_default().trim();
    match console.sign_in.redeem(token) {
        Ok(()) => {
            console.sign_in.begin(
                session,
                &Operator {
                    name: "operator".to_owned(),
                },
            );
            see_other(attempt.next())
        }
        // A browser that is signed in already loses nothing by opening a spent link again.
        Err(TokenError::Used) if console.sign_in.operator(session).is_some() => see_other(attempt.next()),
        Err(error) => page(StatusCode::FORBIDDEN, Some(error), attempt.next()),
    }
}

fn see_other(location: &str) -> Response {
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, location)
        .finish()
}

fn page(status: StatusCode, error: Option<TokenError>, next: &str) -> Response {
    Response::builder()
        .status(status)
        .content_type("text/html; charset=utf-8")
        .header(header::CACHE_CONTROL, "no-store")
        .body(bare("Sign in", &main(error, next)).into_string())
}

fn main(error: Option<TokenError>, next: &str) -> Markup {
    let minutes = SignIn::LIFETIME.as_secs() / 60;
    let token = Field {
        name: "token",
        label: "Sign-in token",
        hint: Some("The part of the link after token="),
        error: None,
        required: true,
    };
    html! {
        h1 { "Sign in" }
        @if let Some(error) = error { (notice(Tone::Bad, &html! { p { (error) } })) }
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
}
