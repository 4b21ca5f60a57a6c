//! Rows in order, and under every filter that keeps them. A page finds its rows by position, so it costs the same in a
//! small experiment and in a large one.
//!
//! [`Sorted`] is the sequence; it is persistent, like all of a snapshot. An [`index::Index`] keeps one sequence for
//! each filter, a [`Table`] keeps all indexes of one kind of rows, and [`PagedRows`] is what a reader gets.

mod index;
mod paged_rows;
mod row;
mod sorted;
mod table;
#[cfg(test)]
mod tests;

pub use paged_rows::{PagedRows, SortDirection};
pub(super) use paged_rows::{Segment, Traversal};
pub(super) use row::{Order, Row};
pub(super) use sorted::Sorted;
pub(super) use table::Table;
