//! Rows in order, and under every filter that keeps them: what a page shows is found by position, so that it costs the
//! same in a small experiment and in a large one.
//!
//! [`Sorted`] is the sequence, persistent like all of a picture. An [`Index`] keeps one for each filter, a [`Table`] all
//! indexes of one kind of rows, and [`PagedRows`] is what a reader is given.

mod index;
mod ranked;
mod sorted;
mod table;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::hash::Hash;

pub use ranked::{PagedRows, SortDirection};
pub(super) use ranked::{Part, Reading};
pub(super) use sorted::Sorted;
pub(super) use table::Table;

/// What rows are kept by.
pub(super) trait Order<T>: Send + Sync {
    /// Equal only for the same row, before and after a change that moves it nowhere.
    fn compare(&self, a: &T, b: &T) -> Ordering;

    /// The same without what only parts rows that tie.
    fn rank(&self, a: &T, b: &T) -> Ordering {
        self.compare(a, b)
    }
}

/// A row of a [`Table`].
pub(super) trait Row {
    /// What a row is known by.
    type Id: Eq + Hash + Clone;
    /// Names what a list keeps.
    type Filter: Ord + Clone;

    /// Every filter that keeps this row, each once.
    fn filters(&self) -> impl Iterator<Item = Self::Filter>;

    /// What this row is known by.
    fn id(&self) -> &Self::Id;

    /// What it weighs in memory with all that only it holds, in bytes.
    fn weight(&self) -> usize;
}
