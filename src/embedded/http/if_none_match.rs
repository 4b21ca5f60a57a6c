//! Conditional reads (RFC 9110 §13): each reply has a validator, and a caller that has the same reply gets a 304.

use super::coding::without_coding;
use super::{Reply, json_text};
use poem::http::{HeaderMap, StatusCode, header};
use poem::{FromRequest, IntoResponse, Request, RequestBody, Response};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The validators of the replies that the caller has, from `If-None-Match`.
#[derive(Debug, Default)]
pub(super) struct IfNoneMatch(Vec<String>);

impl<'a> FromRequest<'a> for IfNoneMatch {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self::from_headers(request.headers()))
    }
}

impl IfNoneMatch {
    fn from_headers(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::IF_NONE_MATCH).iter();
        let lines = lines.filter_map(|line| line.to_str().ok());
        // Our validators contain no comma. One that does is not ours, so it may be cut.
        Self(
            lines
                .flat_map(|line| line.split(','))
                .map(|tag| tag.trim().to_owned())
                .collect(),
        )
    }

    /// 200 with the entity and its validator, or 304 when the caller has it.
    pub(super) fn answer(&self, entity: &impl Serialize) -> Reply {
        let body = serde_json::to_string(entity)?;
        let digest = Sha256::digest(body.as_bytes());
        let digest = u128::from_be_bytes(std::array::from_fn(|at| digest[at]));
        let tag = format!("\"{digest:032x}\"");
        if self.contains(&tag) {
            return Ok(not_modified(&tag));
        }
        Ok(with_tag(json_text(body), &tag))
    }

    /// Whether the caller has the reply with this validator, in any content coding. `If-None-Match` uses the weak
    /// comparison, so the strength of the validators does not count.
    pub(super) fn contains(&self, tag: &str) -> bool {
        let is_known = |known: &String| known == "*" || without_coding(known.trim_start_matches("W/")) == tag;
        self.0.iter().any(is_known)
    }
}

/// 304: the caller's copy is still valid.
pub(super) fn not_modified(tag: &str) -> Response {
    let reply = Response::builder().status(StatusCode::NOT_MODIFIED);
    with_tag(reply.header(header::VARY, "accept-encoding").body(()), tag)
}

/// The reply with its validator.
pub(super) fn with_tag(reply: Response, tag: &str) -> Response {
    reply.with_header(header::ETAG, tag).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(entity: &str, known: &[&str]) -> (StatusCode, String) {
        let mut headers = HeaderMap::new();
        for line in known {
            headers.append(header::IF_NONE_MATCH, line.parse().expect("a header"));
        }
        let response = IfNoneMatch::from_headers(&headers).answer(&entity).expect("an answer");
        let tag = response.header(header::ETAG).expect("a tag").to_owned();
        (response.status(), tag)
    }

    #[test]
    fn a_caller_that_has_the_content_gets_a_304() {
        let (status, tag) = answer("one", &[]);
        assert_eq!(status, StatusCode::OK);
        assert_ne!(answer("two", &[]).1, tag);
        assert_eq!(tag.len(), 34);
        let weak = format!("W/{tag}");
        let several = format!("\"a,b\", {tag}");
        for known in [
            [tag.as_str()].as_slice(),
            &[&weak],
            &[&several],
            &["\"x\"", &tag],
            &["*"],
        ] {
            assert_eq!(
                answer("one", known),
                (StatusCode::NOT_MODIFIED, tag.clone()),
                "{known:?}"
            );
        }
        for known in [["\"x\""].as_slice(), &[tag.trim_matches('"')], &[""]] {
            assert_eq!(answer("one", known).0, StatusCode::OK, "{known:?}");
        }
    }
}
