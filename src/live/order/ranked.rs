//! What a list shows, by position.

use std::ops::Range;
use std::sync::Arc;

use super::Sorted;

/// Which way a list runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortDirection {
    /// Smallest or oldest first.
    Ascending,
    /// Largest or newest first.
    Descending,
}

/// How a part of a sequence is read.
#[derive(Debug, Clone, Copy)]
pub(in crate::live) enum Reading {
    /// From its beginning.
    Forward,
    /// From its end.
    Backward,
    /// From its beginning, the last first among those that tie.
    TiesBackward,
}

impl Reading {
    /// The plain reading of a way.
    pub fn of(way: SortDirection) -> Self {
        match way {
            SortDirection::Ascending => Self::Forward,
            SortDirection::Descending => Self::Backward,
        }
    }
}

/// Some positions of a sequence, and how they are read.
#[derive(Debug)]
pub(in crate::live) struct Part<'a, T> {
    list: &'a Sorted<T>,
    range: Range<usize>,
    reading: Reading,
}

impl<'a, T> Part<'a, T> {
    /// All of a sequence.
    pub fn all(list: &'a Sorted<T>, reading: Reading) -> Self {
        Self::some(list, 0..list.len(), reading)
    }

    /// Some of it. Where ties are read backward, no tie may reach beyond it.
    pub fn some(list: &'a Sorted<T>, range: Range<usize>, reading: Reading) -> Self {
        Self { list, range, reading }
    }

    /// Adds the rows at `from` to `to`, counted in the order of reading.
    fn read(&self, from: usize, to: usize, rows: &mut Vec<&'a Arc<T>>) {
        let Range { start, end } = self.range;
        match self.reading {
            Reading::Forward => rows.extend(self.list.range(start + from..start + to)),
            Reading::Backward => rows.extend(self.list.range(end - to..end - from).rev()),
            Reading::TiesBackward => self.read_ties_backward(start + from, start + to, rows),
        }
    }

    fn read_ties_backward(&self, mut from: usize, to: usize, rows: &mut Vec<&'a Arc<T>>) {
        let order = self.list.order();
        // Only the first row of a page can stand amid its ties.
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
            // The ties take the same positions, the other way round.
            let until = to.min(end);
            rows.extend(self.list.range(first + end - until..first + end - from).rev());
            (first, from) = (until, until);
        }
    }
}

/// The rows that a filter keeps, in the order asked for. What is not looked at costs nothing.
#[derive(Debug)]
pub struct PagedRows<'a, T> {
    parts: Vec<Part<'a, T>>,
    len: usize,
}

impl<'a, T> PagedRows<'a, T> {
    pub(in crate::live) fn new(parts: impl IntoIterator<Item = Part<'a, T>>) -> Self {
        let parts: Vec<_> = parts.into_iter().collect();
        let len = parts.iter().map(|part| part.range.len()).sum();
        Self { parts, len }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The rows at some positions, as far as they exist.
    pub fn page(&self, positions: Range<usize>) -> Vec<&'a Arc<T>> {
        let to = positions.end.min(self.len);
        let from = positions.start.min(to);
        let mut rows = Vec::with_capacity(to - from);
        let mut before = 0;
        for part in &self.parts {
            let within = |position: usize| position.clamp(before, before + part.range.len()) - before;
            let (begin, end) = (within(from), within(to));
            if begin < end {
                part.read(begin, end, &mut rows);
            }
            before += part.range.len();
        }
        rows
    }

    /// Every row.
    pub fn all(&self) -> Vec<&'a Arc<T>> {
        self.page(0..self.len)
    }
}
