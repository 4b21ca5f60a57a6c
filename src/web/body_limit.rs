//! Bounds what a write may carry, before anything of it is read into memory.

use poem::http::header;
use poem::{Endpoint, IntoResponse, Request, Response, Result};

use super::error::{Fault, PageError};

/// The largest form is a configuration; this leaves room for its wrapping.
const MAX: u64 = 512 * 1024;

/// Middleware for every route. A body whose length is not said counts as too large: browsers say it.
pub(crate) async fn body_limit<E: Endpoint>(next: E, request: Request) -> Result<Response> {
    let said = request
        .header(header::CONTENT_LENGTH)
        .and_then(|length| length.parse::<u64>().ok());
    let unsaid = request.headers().contains_key(header::TRANSFER_ENCODING);
    if unsaid || said.is_some_and(|length| length > MAX) {
        return Err(PageError::new(Fault::TooLarge).into());
    }
    next.call(request).await.map(IntoResponse::into_response)
}
