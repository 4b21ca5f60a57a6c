//! The sequence against a sorted vector, for random insertions and removals.

use std::cmp::Ordering;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Order, PagedRows, Segment, Sorted, Traversal};

/// A key that may tie, and the tie-breaker.
type Entry = (u16, u16);

struct Plain;

impl Order<Entry> for Plain {
    fn compare(&self, a: &Entry, b: &Entry) -> Ordering {
        a.cmp(b)
    }

    fn rank(&self, a: &Entry, b: &Entry) -> Ordering {
        a.0.cmp(&b.0)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert(Entry),
    /// The entry at this fraction of the sequence.
    Remove(u16),
    /// A run in order, as in a list that grows at its end.
    Append(u16),
    /// A run is removed, so that chunks become empty and merge.
    Cut(u16, u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..40_u16, 0..200_u16).prop_map(Step::Insert),
        3 => any::<u16>().prop_map(Step::Remove),
        1 => (1..400_u16).prop_map(Step::Append),
        1 => (any::<u16>(), 1..500_u16).prop_map(|(at, length)| Step::Cut(at, length)),
    ];
    prop::collection::vec(step, 0..60)
}

fn at(share: u16, len: usize) -> usize {
    usize::from(share) * len / (usize::from(u16::MAX) + 1)
}

/// Applies a step to both.
fn apply(step: &Step, sorted: &mut Sorted<Entry>, naive: &mut Vec<Entry>) {
    let insert = |entry: Entry, sorted: &mut Sorted<Entry>, naive: &mut Vec<Entry>| {
        let replaced = sorted.insert(Arc::new(entry));
        let found = naive.binary_search(&entry);
        assert_eq!(replaced.is_some(), found.is_ok());
        if let Err(at) = found {
            naive.insert(at, entry);
        }
    };
    let remove = |at: usize, sorted: &mut Sorted<Entry>, naive: &mut Vec<Entry>| {
        let entry = naive.remove(at);
        assert_eq!(sorted.remove(&entry).as_deref(), Some(&entry));
        assert_eq!(sorted.remove(&entry), None);
    };
    match *step {
        Step::Insert(entry) => insert(entry, sorted, naive),
        Step::Remove(_) if naive.is_empty() => {}
        Step::Remove(share) => remove(at(share, naive.len()), sorted, naive),
        Step::Append(count) => {
            let last = naive.last().map_or(0, |(key, _)| *key);
            for n in 0..count {
                insert((last, 1000 + n), sorted, naive);
            }
        }
        Step::Cut(share, count) => {
            let from = at(share, naive.len());
            for _ in 0..usize::from(count).min(naive.len() - from) {
                remove(from, sorted, naive);
            }
        }
    }
}

fn assert_same(sorted: &Sorted<Entry>, naive: &[Entry]) {
    let held: Vec<_> = sorted.iter().map(|entry| **entry).collect();
    assert_eq!((held.as_slice(), sorted.len()), (naive, naive.len()));
}

proptest! {
    #[test]
    fn it_behaves_like_a_sorted_vector(steps in steps(), from in any::<u16>(), to in any::<u16>(), key in 0..41_u16) {
        let mut sorted = Sorted::new(Arc::new(Plain));
        let mut naive = Vec::new();
        let mut older = Vec::new();
        for step in &steps {
            older.push((sorted.clone(), naive.clone()));
            apply(step, &mut sorted, &mut naive);
        }
        assert_same(&sorted, &naive);
        for (sorted, naive) in &older {
            assert_same(sorted, naive);
        }
        let rows: Vec<_> = naive.iter().copied().map(Arc::new).collect();
        assert_same(&Sorted::of(Arc::new(Plain), &rows), &naive);

        let (from, to) = (at(from, naive.len() + 1), at(to, naive.len() + 1));
        let (from, to) = (from.min(to), from.max(to));
        let range: Vec<_> = sorted.range(from..to).map(|entry| **entry).collect();
        prop_assert_eq!(&range, &naive[from..to]);
        let backward: Vec<_> = sorted.range(from..to).rev().map(|entry| **entry).collect();
        prop_assert!(backward.iter().eq(naive[from..to].iter().rev()));
        prop_assert_eq!(sorted.get(from).map(|entry| **entry), naive.get(from).copied());
        let span = sorted.span(|entry| entry.0.cmp(&key));
        let expected = naive.partition_point(|entry| entry.0 < key)..naive.partition_point(|entry| entry.0 <= key);
        prop_assert_eq!(span, expected);
    }

    #[test]
    fn a_page_is_a_range_of_all_rows(steps in steps(), from in any::<u16>(), length in 0..200_usize) {
        let mut sorted = Sorted::new(Arc::new(Plain));
        let mut naive = Vec::new();
        for step in &steps {
            apply(step, &mut sorted, &mut naive);
        }
        let middle = sorted.partition(|entry| entry.0 < 20);
        let paged = PagedRows::new([
            Segment::range(&sorted, middle..sorted.len(), Traversal::TiesBackward),
            Segment::range(&sorted, 0..middle, Traversal::Backward),
            Segment::whole(&sorted, Traversal::Forward),
        ]);
        let mut expected = naive[middle..].to_vec();
        expected.sort_by_key(|(key, part)| (*key, std::cmp::Reverse(*part)));
        expected.extend(naive[..middle].iter().rev());
        expected.extend(&naive);
        prop_assert_eq!(paged.len(), expected.len());
        let whole: Vec<_> = paged.all().into_iter().map(|entry| **entry).collect();
        prop_assert_eq!(&whole, &expected);
        let from = at(from, expected.len() + 1);
        let page: Vec<_> = paged.page(from..from + length).into_iter().map(|entry| **entry).collect();
        prop_assert_eq!(&page, &expected[from..expected.len().min(from + length)]);
    }
}
