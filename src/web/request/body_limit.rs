//! Limits the size of request bodies, before a body is read into memory.

use poem::http::header;
use poem::{Body, Endpoint, IntoResponse, Request, Response, Result};

use crate::web::fault::Fault;

/// The longest body, in bytes. The largest form is a configuration; this leaves room for its encoding.
const MAX_BODY: usize = 512 * 1024;

/// Middleware for every route. Browsers send `Content-Length`; a chunked body is not from a browser and is refused. A
/// body without a length, as HTTP/2 allows, is read up to the limit only.
pub(crate) async fn body_limit<E: Endpoint>(next: E, mut request: Request) -> Result<Response> {
    let too_large = || Fault::TooLarge;
    if request.headers().contains_key(header::TRANSFER_ENCODING) {
        return Err(too_large().into());
    }
    match request.header(header::CONTENT_LENGTH) {
        Some(length) => {
            if length.parse::<usize>().ok().is_none_or(|length| length > MAX_BODY) {
                return Err(too_large().into());
            }
        }
        None => {
            let body = request
                .take_body()
                .into_bytes_limit(MAX_BODY)
                .await
                .map_err(|_| too_large())?;
            request.set_body(Body::from_bytes(body));
        }
    }
    next.call(request).await.map(IntoResponse::into_response)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use poem::EndpointExt;
    use poem::endpoint::make;

    use super::*;

    /// How much of a body of `length` bytes passes when its length is not given, as over HTTP/2.
    async fn passed(length: usize) -> Result<usize> {
        let read = make(async |mut request: Request| {
            let body = request.take_body().into_bytes().await.map_err(poem::Error::from)?;
            Ok::<_, poem::Error>(body.len().to_string())
        });
        let limited = read.around(|next: Arc<_>, request| body_limit(next, request));
        let response = limited.call(Request::builder().body(vec![b'x'; length])).await?;
        let said = response.into_body().into_string().await.map_err(poem::Error::from)?;
        Ok(said.parse().expect("a length"))
    }

    #[tokio::test]
    async fn a_body_without_a_length_is_read_up_to_the_limit() {
        assert_eq!(passed(0).await.expect("empty"), 0);
        assert_eq!(passed(MAX_BODY).await.expect("just so"), MAX_BODY);
        let fault = passed(MAX_BODY + 1).await.expect_err("too large");
        assert_eq!(fault.status(), poem::http::StatusCode::PAYLOAD_TOO_LARGE);
    }
}
