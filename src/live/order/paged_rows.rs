//! The rows of a list, by position.

use std::ops::Range;
use std::sync::Arc;

use super::sorted::Sorted;

/// The direction in which a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortDirection {
    /// Smallest or oldest first.
    Ascending,
    /// Largest or newest first.
    Descending,
}

/// How a segment of a sequence is read.
#[derive(Debug, Clone, Copy)]
pub(in crate::live) enum Traversal {
    /// From its beginning.
    Forward,
    /// From its end.
    Backward,
    /// From its beginning, but rows that tie from last to first.
    TiesBackward,
}

impl From<SortDirection> for Traversal {
    fn from(direction: SortDirection) -> Self {
        match direction {
            SortDirection::Ascending => Self::Forward,
            SortDirection::Descending => Self::Backward,
        }
    }
}

/// A range of positions in a sequence, and how it is read.
#[derive(Debug)]
pub(in crate::live) struct Segment<'a, T> {
    list: &'a Sorted<T>,
    range: Range<usize>,
    traversal: Traversal,
}

impl<'a, T> Segment<'a, T> {
    /// A whole sequence.
    pub fn whole(list: &'a Sorted<T>, traversal: Traversal) -> Self {
        Self::range(list, 0..list.len(), traversal)
    }

    /// A range of a sequence. With [`Traversal::TiesBackward`], rows that tie must all be inside the range or all
    /// outside of it.
    pub fn range(list: &'a Sorted<T>, range: Range<usize>, traversal: Traversal) -> Self {
        Self { list, range, traversal }
    }

    /// Adds the rows from position `from` up to `to`, counted in the direction of the traversal.
    fn read(&self, from: usize, to: usize, rows: &mut Vec<&'a Arc<T>>) {
        let Range { start, end } = self.range;
        match self.traversal {
            Traversal::Forward => rows.extend(self.list.range(start + from..start + to)),
            Traversal::Backward => rows.extend(self.list.range(end - to..end - from).rev()),
            Traversal::TiesBackward => self.read_ties_backward(start + from, start + to, rows),
        }
    }

    fn read_ties_backward(&self, mut from: usize, to: usize, rows: &mut Vec<&'a Arc<T>>) {
        let order = self.list.order();
        // Only the first row of a page can be in the middle of a tie.
        let mut first = self
            .list
            .get(from)
            .map_or(from, |row| self.list.partition(|held| order.rank(held, row).is_lt()));
        while let Some(row) = self.list.get(from).filter(|_| from < to) {
            let is_tied = |next: &Arc<T>| order.rank(next, row).is_eq();
            let end = if self.list.get(from + 1).is_some_and(is_tied) {
                self.list.partition(|held| order.rank(held, row).is_le())
            } else {
                from + 1
            };
            // The tied rows take the same positions, in reverse.
            let until = to.min(end);
            rows.extend(self.list.range(first + end - until..first + end - from).rev());
            (first, from) = (until, until);
        }
    }
}

/// The rows that a filter keeps, in the order asked for. Only the pages that are read cost anything.
#[derive(Debug)]
pub struct PagedRows<'a, T> {
    segments: Vec<Segment<'a, T>>,
    len: usize,
}

impl<'a, T> PagedRows<'a, T> {
    pub(in crate::live) fn new(segments: impl IntoIterator<Item = Segment<'a, T>>) -> Self {
        let segments: Vec<_> = segments.into_iter().collect();
        let len = segments.iter().map(|segment| segment.range.len()).sum();
        Self { segments, len }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The rows at some positions. Positions past the end are left out.
    pub fn page(&self, positions: Range<usize>) -> Vec<&'a Arc<T>> {
        let to = positions.end.min(self.len);
        let from = positions.start.min(to);
        let mut rows = Vec::with_capacity(to - from);
        let mut before = 0;
        for segment in &self.segments {
            let within = |position: usize| position.clamp(before, before + segment.range.len()) - before;
            let (begin, end) = (within(from), within(to));
            if begin < end {
                segment.read(begin, end, &mut rows);
            }
            before += segment.range.len();
        }
        rows
    }

    /// Every row.
    pub fn all(&self) -> Vec<&'a Arc<T>> {
        self.page(0..self.len)
    }
}
