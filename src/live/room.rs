//! How many mirrors there is room for, and which go when there is not.

use std::time::Duration;

/// Who asked for a page is looking at it, even before its event stream says so and where there is none.
pub(super) const LOOK: Duration = Duration::from_secs(10);

/// How much may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// Mirrors in all.
    pub mirrors: usize,
    /// What they weigh together, in bytes.
    pub bytes: u64,
}

/// A mirror, as far as this matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Occupant<Id> {
    pub id: Id,
    pub bytes: u64,
    /// When somebody looked last, in milliseconds since some moment.
    pub viewed: i64,
    /// Whether somebody looks now.
    pub is_looked_at: bool,
}

impl Room {
    /// Whether so many mirrors of that weight fit.
    fn holds(self, mirrors: usize, bytes: u64) -> bool {
        mirrors <= self.mirrors && bytes <= self.bytes
    }

    /// Which have to go: those that were looked at least recently, and no more than must. One that is looked at stays, so
    /// that what is left may still be too much.
    pub fn excess<Id>(self, occupants: Vec<Occupant<Id>>) -> Vec<Id> {
        let mut count = occupants.len();
        let mut bytes: u64 = occupants.iter().map(|occupant| occupant.bytes).sum();
        let mut leaving: Vec<_> = occupants
            .into_iter()
            .filter(|occupant| !occupant.is_looked_at)
            .collect();
        leaving.sort_by_key(|occupant| occupant.viewed);
        let mut excess = Vec::new();
        for occupant in leaving {
            if self.holds(count, bytes) {
                break;
            }
            count -= 1;
            bytes -= occupant.bytes;
            excess.push(occupant.id);
        }
        excess
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occupants(all: [(&'static str, u64, i64, bool); 4]) -> Vec<Occupant<&'static str>> {
        let occupant = |(id, bytes, viewed, is_looked_at)| Occupant {
            id,
            bytes,
            viewed,
            is_looked_at,
        };
        all.map(occupant).to_vec()
    }

    fn excess(mirrors: usize, bytes: u64) -> Vec<&'static str> {
        Room { mirrors, bytes }.excess(occupants([
            ("a", 100, 30, false),
            ("b", 200, 10, true),
            ("c", 300, 20, false),
            ("d", 400, 40, false),
        ]))
    }

    #[test]
    fn within_both_limits_nothing_goes() {
        assert!(excess(4, 1000).is_empty());
    }

    #[test]
    fn the_least_recently_viewed_go_first_and_no_more_than_must() {
        assert_eq!(excess(4, 999), ["c"]);
        assert_eq!(excess(4, 700), ["c"]);
        assert_eq!(excess(4, 699), ["c", "a"]);
        assert_eq!(excess(2, 1000), ["c", "a"]);
        assert_eq!(excess(3, 600), ["c", "a"]);
    }

    #[test]
    fn what_is_looked_at_stays_whatever_it_weighs() {
        assert_eq!(excess(4, 0), ["c", "a", "d"]);
        assert_eq!(excess(0, 1000), ["c", "a", "d"]);
    }
}
