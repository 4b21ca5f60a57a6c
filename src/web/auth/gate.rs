//! The gate in front of every route: is an operator signed in, and does the request come from the console's own pages?
//!
//! It decides by the audience in the route table, so that no route can be forgotten. Whether the operator is an
//! administrator is decided next, in the request's context (`request::context`).

use std::sync::Arc;

use poem::http::header;
use poem::session::Session;
use poem::{Endpoint, FromRequest, IntoResponse, Request, RequestBody, Response, Result};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::web::auth::audience::Audience;
use crate::web::auth::same_origin::is_same_origin;
use crate::web::auth::session::SignedIn;
use crate::web::console::Console;
use crate::web::fault::Fault;
use crate::web::request::Target;

/// Middleware around all routes. Puts [`SignedIn`] into the request's data unless the route is open.
///
/// # Errors
/// [`Fault::SignedOut`], and [`Fault::CrossSite`] for a write that another site sent.
pub(crate) async fn signed_in_only<E: Endpoint>(next: Arc<E>, mut request: Request) -> Result<Response> {
    let console = Console::of(&request)?.clone();
    let target = Target::of(&request)?;
    if !is_open(target.audience, &request, console.metrics_token.as_ref()) {
        let session = <&Session>::from_request_without_body(&request).await?.clone();
        let signed_in = console.sessions.signed_in(&session).await.ok_or(Fault::SignedOut)?;
        check_same_origin(&request)?;
        if target.is_activity {
            console.sessions.touch(&session, &signed_in);
        }
        request.set_data(signed_in);
    } else {
        check_same_origin(&request)?;
    }
    next.call(request).await.map(IntoResponse::into_response)
}

/// The session of the operator who is signed in.
///
/// # Errors
/// [`Fault::SignedOut`] where [`signed_in_only`] found nobody.
pub(crate) fn signed_in(request: &Request) -> Result<&SignedIn, Fault> {
    request.data().ok_or(Fault::SignedOut)
}

impl<'a> FromRequest<'a> for SignedIn {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(signed_in(request)?.clone())
    }
}

fn is_open(audience: Audience, request: &Request, metrics_token: Option<&SecretString>) -> bool {
    match audience {
        Audience::Open => true,
        Audience::Monitor => metrics_token.is_some_and(|token| carries_token(request, token)),
        Audience::SignedIn | Audience::Administrator => false,
    }
}

/// Whether the request carries the token as its bearer. Compared in constant time.
fn carries_token(request: &Request, token: &SecretString) -> bool {
    let shown = request
        .header(header::AUTHORIZATION)
        .and_then(|value| value.strip_prefix("Bearer "));
    shown.is_some_and(|shown| bool::from(shown.as_bytes().ct_eq(token.expose_secret().as_bytes())))
}

fn check_same_origin(request: &Request) -> Result<(), Fault> {
    match request.method().is_safe() || is_same_origin(request.headers()) {
        true => Ok(()),
        false => Err(Fault::CrossSite),
    }
}
