//! All rows of one kind.

use std::fmt;
use std::sync::Arc;

use imbl::HashMap;

use super::index::Index;
use super::row::{Order, Row};
use super::sorted::Sorted;

/// Rows by id, and in every order that lists offer.
pub(in crate::live) struct Table<T: Row> {
    /// Hashed: a row looks up others at random, and a tree would read and compare many ids each time.
    by_id: HashMap<T::Id, Arc<T>>,
    /// One for each order, as they were given.
    indexes: Vec<Index<T>>,
    /// Memory of the rows themselves, in bytes.
    rows_weight: usize,
}

impl<T: Row> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self {
            by_id: self.by_id.clone(),
            indexes: self.indexes.clone(),
            rows_weight: self.rows_weight,
        }
    }
}

impl<T: Row> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.by_id.len();
        f.debug_struct("Table").field("len", &len).finish_non_exhaustive()
    }
}

impl<T: Row> Table<T> {
    /// A table of rows, given in any order. Of rows with the same id the last one counts.
    pub fn of(orders: Vec<Arc<dyn Order<T>>>, mut rows: Vec<Arc<T>>) -> Self {
        let by_id: HashMap<_, _> = rows.iter().map(|row| (row.id().clone(), row.clone())).collect();
        if by_id.len() < rows.len() {
            rows.retain(|row| by_id.get(row.id()).is_some_and(|last| Arc::ptr_eq(last, row)));
        }
        let rows_weight = rows.iter().map(|row| row.weight()).sum();
        let indexes = orders.into_iter().map(|order| Index::of(order, &mut rows));
        Self {
            by_id,
            indexes: indexes.collect(),
            rows_weight,
        }
    }

    /// The row with an id.
    pub fn get(&self, id: &T::Id) -> Option<&Arc<T>> {
        self.by_id.get(id)
    }

    /// Every row, in no order.
    pub fn rows(&self) -> impl Iterator<Item = &Arc<T>> {
        self.by_id.values()
    }

    /// The rows that a filter keeps, in the order with this index; none when it keeps no row.
    pub fn list(&self, order: usize, filter: &T::Filter) -> Option<&Sorted<T>> {
        self.indexes.get(order)?.list(filter)
    }

    /// Adds a row, and returns the row with the same id that it replaced.
    pub fn put(&mut self, row: &Arc<T>) -> Option<Arc<T>> {
        let old = self.by_id.insert(row.id().clone(), row.clone());
        for index in &mut self.indexes {
            index.put(row, old.as_deref());
        }
        self.rows_weight += row.weight();
        self.rows_weight -= old.as_ref().map_or(0, |old| old.weight());
        old
    }

    /// Memory with its rows, in bytes.
    pub fn weight(&self) -> usize {
        // An id and a reference, in nodes that are about half full.
        const ENTRY: usize = 64;
        let indexes = self.indexes.iter().map(Index::weight).sum::<usize>();
        self.rows_weight + self.by_id.len() * ENTRY + indexes
    }
}
