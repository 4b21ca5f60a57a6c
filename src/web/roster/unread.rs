//! Why the workers and groups cannot be shown.

use std::sync::Arc;

use maud::{Markup, html};
use poem::http::StatusCode;

use crate::client::ClientError;
use crate::web::ui::{Tone, notice};
use crate::web::upstream::{Upstream, unavailability_kind, unavailability_status};

/// Why the roster cannot be shown.
#[derive(Debug, Clone)]
pub(crate) enum Unread {
    /// The console has no admin token, and the control plane gives the roster to nobody else.
    NoToken,
    /// The request for it failed.
    Failed(Arc<ClientError>),
}

impl Unread {
    /// The status of a page without it.
    pub fn status(&self) -> StatusCode {
        match self {
            // Not a failure of the request: the page says what the console lacks.
            Self::NoToken => StatusCode::OK,
            Self::Failed(error) => unavailability_status(unavailability_kind(error)),
        }
    }

    /// The notice in place of the roster.
    pub fn markup(&self) -> Markup {
        let server = Upstream::ControlPlane;
        let (key, what, helps) = match self {
            Self::NoToken => {
                let (what, helps) = server.needs_token();
                ("admin-disabled", what, helps.to_owned())
            }
            Self::Failed(error) => (
                server.key(unavailability_kind(error)),
                format!("Not known now: {}.", server.why(error)),
                format!("{} Nothing here was changed; reload to try again.", advice(error)),
            ),
        };
        let tone = if self.status().is_server_error() {
            Tone::Bad
        } else {
            Tone::Warn
        };
        notice(
            tone,
            &html! { div data-fault=(key) { p { strong { (what) } } p { (helps) } } },
        )
    }
}

fn advice(error: &ClientError) -> &'static str {
    if error.is_unauthorized() {
        "Was the token replaced? Then the console must be started with the new one."
    } else if error.is_unreachable() {
        "It may be starting, busy or cut off."
    } else {
        "Is it a server of another version, or something in between that answers in its place?"
    }
}
