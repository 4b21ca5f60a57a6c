//! Positions in the change history: the one that a page was drawn from, or the last one that a stream has sent.

use crate::live::Epoch;
use crate::web::request::Query;

/// An epoch and the revisions in it. As text, `{epoch}-{revision}-{registry}`: the value of `?since=` and of event ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamPosition {
    /// The mirror's epoch; on deployment pages, the process's.
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
    /// The position to start at: `Last-Event-ID` of a browser that reconnects, else `since`, from which the page was
    /// drawn. None in another epoch, whose revisions mean nothing here.
    pub fn requested(request: &poem::Request, epoch: Epoch) -> Option<Self> {
        let resumed = request.header("last-event-id").and_then(Self::parse);
        let drawn = || Query::of(request.uri().path_and_query()?.as_str()).take("since", Self::parse);
        resumed.or_else(drawn).filter(|position| position.epoch == epoch)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_back_and_malformed_text_is_none() {
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
