//! Positions: up to where a page was drawn, or a stream that was cut has told of changes.

use crate::live::Epoch;
use crate::web::request::query::Query;

/// The revisions that a page was drawn from, as they stand in `?since=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamPosition {
    /// Which life of the mirror, or of the process on pages of the deployment.
    pub epoch: Epoch,
    /// The mirror's revision, or the fleet's.
    pub revision: u64,
    /// The registry's revision.
    pub registry: u64,
}

impl std::fmt::Display for StreamPosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}-{}", self.epoch, self.revision, self.registry)
    }
}

impl StreamPosition {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let position = Self {
            epoch: parts.next()?.parse().ok()?,
            revision: parts.next()?.parse().ok()?,
            registry: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(position)
    }
}

/// `Last-Event-ID` is where a reconnecting browser was; `since` is where the page was drawn. A position of
/// another epoch is none.
pub(crate) fn asked(request: &poem::Request, epoch: Epoch) -> Option<StreamPosition> {
    let resumed = request.header("last-event-id").and_then(StreamPosition::parse);
    let drawn = || Query::of(request.uri().path_and_query()?.as_str()).take("since", StreamPosition::parse);
    resumed.or_else(drawn).filter(|position| position.epoch == epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_reads_back_and_refuses_the_rest() {
        let mirror = StreamPosition {
            epoch: "1f".parse().expect("an epoch"),
            revision: 7,
            registry: 0,
        };
        assert_eq!(mirror.to_string(), "1f-7-0");
        assert_eq!(StreamPosition::parse("1f-7-0"), Some(mirror));
        for text in ["", "fleet", "1f-7", "1f-7-0-1", "zz-1-1", "1f--1"] {
            assert_eq!(StreamPosition::parse(text), None, "{text}");
        }
    }
}
