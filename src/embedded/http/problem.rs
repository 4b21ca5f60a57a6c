//! Errors as problem documents (`ch07 §9`, RFC 9457).

use poem::error::{MethodNotAllowedError, NotFoundError, ParsePathError};
use poem::http::{StatusCode, header};
use poem::{Request, Response};
use tracing::error;

use super::HttpError;
use super::error::status_of;
use crate::protocol::*;

/// The URL exactly as the client addressed it.
pub(super) fn instance(request: &Request) -> String {
    let host = request.header(header::HOST).map(str::to_owned);
    let host = host.or_else(|| request.uri().authority().map(ToString::to_string));
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    format!(
        "{}://{}{path}",
        request.scheme(),
        host.unwrap_or_else(|| "localhost".to_owned())
    )
}

/// The problem document for any error, with a type of the closed vocabulary.
pub(super) fn respond(failure: &poem::Error, instance: String) -> Response {
    let (kind, detail) = match failure.downcast_ref::<HttpError>() {
        Some(HttpError::Protocol(error)) => (error.kind, error.detail.clone()),
        Some(HttpError::Reference(error)) => {
            let kind = format!("eden://reference-error/{}", error.slug());
            return problem(error.status(), kind, "Not served", error.to_string(), instance);
        }
        Some(HttpError::Storage(fault)) => {
            error!(
                error = fault as &dyn std::error::Error,
                instance, "a request failed in the storage"
            );
            return internal(instance);
        }
        None if failure.is::<NotFoundError>() || failure.is::<ParsePathError>() => {
            (ErrorType::NotFound, "there is nothing at this path".to_owned())
        }
        None if failure.is::<MethodNotAllowedError>() => {
            // The vocabulary has no type for this, so only the status says it.
            let kind = ErrorType::BadRequest;
            let detail = "this path does not take that method".to_owned();
            return problem(
                StatusCode::METHOD_NOT_ALLOWED,
                kind.to_string(),
                kind.title(),
                detail,
                instance,
            );
        }
        None if failure.status().is_client_error() => (ErrorType::BadRequest, failure.to_string()),
        None => {
            error!(error = %failure, instance, "a request failed");
            return internal(instance);
        }
    };
    problem(status_of(kind), kind.to_string(), kind.title(), detail, instance)
}

fn internal(instance: String) -> Response {
    // The closed vocabulary has no type for a fault of the server. RFC 9457 has one that means "see the status".
    let detail = "the server failed; its log says why".to_owned();
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    problem(
        status,
        "about:blank".to_owned(),
        "Internal server error",
        detail,
        instance,
    )
}

fn problem(status: StatusCode, kind: String, title: &str, detail: String, instance: String) -> Response {
    let document = Problem {
        kind,
        title: title.to_owned(),
        status: status.as_u16(),
        detail: if detail.is_empty() { title.to_owned() } else { detail },
        instance,
    };
    // Five strings and a number always serialize.
    let body = serde_json::to_string(&document).unwrap_or_default();
    Response::builder()
        .status(status)
        .content_type("application/problem+json")
        .body(body)
}
