//! Content codings of replies (RFC 9110 §8.4).

use poem::http::{HeaderValue, header};
use poem::{Body, Request, Response};

use crate::compression::Coding;

/// Marks a reply whose body is JSON that is in memory as a whole. Such replies are compressed for callers that accept
/// it. Event streams, files and lists that are sent from a file are not.
#[derive(Debug, Clone, Copy)]
pub(super) struct WholeJson;

/// The coding in which a read is answered.
pub(super) fn accepted(request: &Request) -> Coding {
    Coding::accepted(request.header(header::ACCEPT_ENCODING))
}

/// The reply to a read, in this coding if it can be compressed. A reply to a write is not given to this function: it may
/// hold a credential.
pub(super) async fn encode(mut reply: Response, coding: Coding) -> poem::Result<Response> {
    if reply.extensions().get::<WholeJson>().is_none() {
        return Ok(reply);
    }
    let body = reply.take_body().into_bytes().await?;
    let compressed = coding.compress_once(&body);
    let headers = reply.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_name(header::ACCEPT_ENCODING));
    if let (Some(name), true) = (coding.name(), compressed.is_some()) {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
        // A validator names bytes, so each coding has its own (RFC 9110 §8.8.3).
        let tag = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
        let tag = tag.and_then(|tag| HeaderValue::try_from(format!("{}-{name}\"", tag.trim_end_matches('"'))).ok());
        if let Some(tag) = tag {
            headers.insert(header::ETAG, tag);
        }
    }
    reply.set_body(Body::from(compressed.unwrap_or(body)));
    Ok(reply)
}

/// The validator of the content itself, from that of one of its codings.
pub(super) fn without_coding(tag: &str) -> std::borrow::Cow<'_, str> {
    let coded = ["-br\"", "-gzip\""].iter().find_map(|end| tag.strip_suffix(end));
    coded.map_or(tag.into(), |content| format!("{content}\"").into())
}
