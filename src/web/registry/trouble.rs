//! Words for what does not work out.

use std::sync::Arc;

use poem::http::StatusCode;

use super::place::Place;
use crate::client::ClientError;
use crate::live::UnavailabilityKind;
use crate::web::error::{control_plane_key, task_store_key};

/// Why the registry is not known now.
#[derive(Debug, Clone)]
pub(crate) enum Unread {
    /// It is told to the admin token only, and the console has none.
    NoToken,
    /// It was asked for, and did not come.
    Failed(Arc<ClientError>),
}

impl Unread {
    /// The status of a page without it.
    pub fn status(&self) -> StatusCode {
        match self {
            // The page is what it should be; it says what the console lacks.
            Self::NoToken => StatusCode::OK,
            Self::Failed(error) => match kind(error) {
                UnavailabilityKind::Refused => StatusCode::BAD_GATEWAY,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            },
        }
    }

    /// Its name in markup, the same as on pages of experiments.
    pub fn key(&self, place: &Place) -> &'static str {
        match self {
            Self::NoToken => "admin-disabled",
            Self::Failed(error) if place.is_deployment() => control_plane_key(kind(error)),
            Self::Failed(error) => task_store_key(kind(error)),
        }
    }

    /// What happened, and what helps.
    pub fn words(&self, place: &Place) -> (String, String) {
        let server = place.server();
        match self {
            Self::NoToken => (
                format!("{server} tells its workers and groups to the admin token only"),
                "This console was started without it. Start it with --control-plane-admin-token, or with --admin-token \
                 where both are one, to see and change them here."
                    .to_owned(),
            ),
            Self::Failed(error) => (
                format!("Not known now: {}.", why(place, error)),
                format!("{} Nothing here was changed; reload to try again.", advice(error)),
            ),
        }
    }
}

fn kind(error: &ClientError) -> UnavailabilityKind {
    if error.is_unauthorized() {
        UnavailabilityKind::NoCredential
    } else if error.is_unreachable() {
        UnavailabilityKind::Unreachable
    } else {
        UnavailabilityKind::Refused
    }
}

fn why(place: &Place, error: &ClientError) -> String {
    let server = place.server().to_lowercase();
    match error.status() {
        Some(401) => format!("{server} refuses the console's admin token"),
        Some(403) => format!("{server} does not let the console do this ({error})"),
        Some(status) if status >= 500 => format!("{server} fails with status {status}"),
        None if error.is_without_credential() => error.to_string(),
        None if matches!(error, ClientError::Late) => format!("{server} did not answer in time"),
        None if matches!(error, ClientError::NotSent(_)) => error.to_string(),
        None if error.is_unreachable() => format!("{server} does not answer"),
        _ => format!("{server} answers something that the console does not understand ({error})"),
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

/// Why a write does not count as carried out.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The answer's status.
    pub status: StatusCode,
    /// What happened, and what to do.
    pub words: String,
}

impl Refusal {
    /// Nobody was asked, since that takes the admin token.
    pub fn without_token(place: &Place) -> Self {
        let (what, helps) = Unread::NoToken.words(place);
        Self {
            status: StatusCode::CONFLICT,
            words: format!("Nothing was changed. {what}. {helps}"),
        }
    }

    /// It was refused, or never arrived.
    pub fn of(place: &Place, error: &ClientError) -> Self {
        let (status, words) = match error.status() {
            Some(status @ 400..=499) if status != 401 && status != 403 => (
                StatusCode::UNPROCESSABLE_ENTITY,
                format!("{} refused: {error}. Nothing was changed.", place.server()),
            ),
            _ => (
                StatusCode::SERVICE_UNAVAILABLE,
                format!("Nothing was changed: {}.", why(place, error)),
            ),
        };
        Self { status, words }
    }

    /// Whether it was carried out is not known; `whether` and `check` are about it.
    pub fn open(place: &Place, error: &ClientError, whether: &str, check: &str) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            words: format!("Whether {whether} is not known: {}. {check}", why(place, error)),
        }
    }

    /// The same of a form that came before and was not sent again.
    pub fn still_open(whether: &str, check: &str) -> Self {
        Self {
            status: StatusCode::CONFLICT,
            words: format!(
                "This form came before, and was not sent on again. Whether {whether} the first time is not known. {check}"
            ),
        }
    }
}
