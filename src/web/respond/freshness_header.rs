//! The freshness of an answer as a header, for programs.

use poem::http::HeaderValue;

use crate::live::Freshness;

/// The header's name.
pub(crate) const HEADER: &str = "switchboard-freshness";

/// An item with parameters (RFC 9651): `live;by=push`, `polling;every=2` (seconds), `catching-up`, or
/// `stale;since=@1764000000` (a date: seconds since the Unix epoch).
pub(crate) fn header(freshness: &Freshness) -> HeaderValue {
    let word = freshness.word();
    let text = match freshness {
        Freshness::CatchingUp => word.to_owned(),
        Freshness::Live(means) => format!("{word};by={}", means.word()),
        Freshness::Polling { every } => format!("{word};every={}", every.as_secs().max(1)),
        Freshness::Stale { since, .. } => format!("{word};since=@{}", since.instant().as_second()),
    };
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("stale"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::live::{FeedKind, Unavailability, UnavailabilityKind};

    #[test]
    fn each_freshness_has_its_header_value() {
        let cause = Unavailability {
            kind: UnavailabilityKind::Unreachable,
            message: "the task store does not answer".to_owned(),
        };
        let since = "2026-01-02T03:04:05.600Z".parse().expect("an instant");
        for (freshness, expected) in [
            (Freshness::CatchingUp, "catching-up"),
            (Freshness::Live(FeedKind::Push), "live;by=push"),
            (Freshness::Live(FeedKind::LongPoll), "live;by=long-poll"),
            (
                Freshness::Polling {
                    every: Duration::from_secs(2),
                },
                "polling;every=2",
            ),
            (Freshness::Stale { since, cause }, "stale;since=@1767323045"),
        ] {
            assert_eq!(header(&freshness), expected);
        }
    }
}
