//! How many mirrors are kept, and which are evicted beyond that.

use crate::protocol::Timestamp;

/// The limits on all mirrors together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MirrorBudget {
    /// Their number.
    pub max_mirrors: usize,
    /// Their memory, in bytes.
    pub max_bytes: u64,
}

/// A mirror that may be evicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EvictionCandidate<Id> {
    pub id: Id,
    pub bytes: u64,
    pub last_viewed: Timestamp,
    /// Whether it is viewed now. Then it stays.
    pub is_in_use: bool,
}

impl MirrorBudget {
    fn allows(self, mirrors: usize, bytes: u64) -> bool {
        mirrors <= self.max_mirrors && bytes <= self.max_bytes
    }

    /// The mirrors to evict: the least recently viewed, and no more than needed. Mirrors in use stay, so the rest may
    /// still exceed the budget.
    pub fn evictions<Id>(self, mirrors: Vec<EvictionCandidate<Id>>) -> Vec<Id> {
        let mut count = mirrors.len();
        let mut bytes: u64 = mirrors.iter().map(|mirror| mirror.bytes).sum();
        let mut candidates: Vec<_> = mirrors.into_iter().filter(|mirror| !mirror.is_in_use).collect();
        candidates.sort_by_key(|mirror| mirror.last_viewed);
        let mut evicted = Vec::new();
        for mirror in candidates {
            if self.allows(count, bytes) {
                break;
            }
            count -= 1;
            bytes -= mirror.bytes;
            evicted.push(mirror.id);
        }
        evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evictions(max_mirrors: usize, max_bytes: u64) -> Vec<&'static str> {
        let mirrors = [
            ("a", 100, 30, false),
            ("b", 200, 10, true),
            ("c", 300, 20, false),
            ("d", 400, 40, false),
        ];
        let mirrors = mirrors.map(|(id, bytes, viewed, is_in_use)| EvictionCandidate {
            id,
            bytes,
            last_viewed: Timestamp::from_millisecond(viewed),
            is_in_use,
        });
        let budget = MirrorBudget { max_mirrors, max_bytes };
        budget.evictions(mirrors.to_vec())
    }

    #[test]
    fn within_both_limits_nothing_is_evicted() {
        assert!(evictions(4, 1000).is_empty());
    }

    #[test]
    fn the_least_recently_viewed_are_evicted_first_and_no_more_than_needed() {
        assert_eq!(evictions(4, 999), ["c"]);
        assert_eq!(evictions(4, 700), ["c"]);
        assert_eq!(evictions(4, 699), ["c", "a"]);
        assert_eq!(evictions(2, 1000), ["c", "a"]);
        assert_eq!(evictions(3, 600), ["c", "a"]);
    }

    #[test]
    fn a_mirror_in_use_stays_whatever_its_size() {
        assert_eq!(evictions(4, 0), ["c", "a", "d"]);
        assert_eq!(evictions(0, 1000), ["c", "a", "d"]);
    }
}
