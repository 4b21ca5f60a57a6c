//! What a row must tell so that it can be kept in a table, and what rows are sorted by.

use std::cmp::Ordering;
use std::hash::Hash;

/// A total order of rows.
pub(in crate::live) trait Order<T>: Send + Sync {
    /// Equal only for the same row, including the row before and after a change that does not move it.
    fn compare(&self, a: &T, b: &T) -> Ordering;

    /// The same without the tie-breaker: equal for rows that tie.
    fn rank(&self, a: &T, b: &T) -> Ordering {
        self.compare(a, b)
    }
}

/// A row of a [`super::Table`].
pub(in crate::live) trait Row {
    /// The row's key.
    type Id: Eq + Hash + Clone;
    /// Names the rows that a list keeps.
    type Filter: Ord + Clone;

    /// Every filter that keeps this row, each once.
    fn filters(&self) -> impl Iterator<Item = Self::Filter>;

    /// The row's key.
    fn id(&self) -> &Self::Id;

    /// Memory of this row and everything that only it holds, in bytes.
    fn weight(&self) -> usize;
}
