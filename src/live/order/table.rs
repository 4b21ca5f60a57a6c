//! All rows of one kind.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::index::Index;
use super::{Order, Row, Sorted};

/// Rows by id, and in every order they are listed in.
pub(in crate::live) struct Table<T: Row> {
    by_id: Sorted<T>,
    /// In the order in which the orders were given.
    indexes: Vec<Index<T>>,
    /// What the rows themselves weigh, in bytes.
    rows_weight: usize,
}

struct ById;

impl<T: Row> Order<T> for ById {
    fn compare(&self, a: &T, b: &T) -> Ordering {
        a.compare_ids(b)
    }
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
        f.debug_struct("Table")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl<T: Row> Table<T> {
    /// A table of rows that come in any order; of those that share an id, the last counts.
    pub fn of(orders: Vec<Arc<dyn Order<T>>>, mut rows: Vec<Arc<T>>) -> Self
    where
        T: 'static,
    {
        rows.reverse();
        rows.sort_by(|a, b| a.compare_ids(b));
        rows.dedup_by(|a, b| a.compare_ids(b).is_eq());
        let by_id = Sorted::of(Arc::new(ById), &rows);
        let rows_weight = rows.iter().map(|row| row.weight()).sum();
        let indexes = orders.into_iter().map(|order| Index::of(order, &mut rows));
        Self {
            by_id,
            indexes: indexes.collect(),
            rows_weight,
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The rows by id.
    pub fn by_id(&self) -> &Sorted<T> {
        &self.by_id
    }

    /// What a filter keeps, in the order that was given as the `order`th; nothing when it keeps nothing.
    pub fn list(&self, order: usize, filter: &T::Filter) -> Option<&Sorted<T>> {
        self.indexes.get(order)?.list(filter)
    }

    /// Puts a row in, and returns the one that had its id.
    pub fn put(&mut self, row: &Arc<T>) -> Option<Arc<T>> {
        let old = self.by_id.insert(row.clone());
        for index in &mut self.indexes {
            index.put(row, old.as_deref());
        }
        self.rows_weight += row.weight();
        self.rows_weight -= old.as_ref().map_or(0, |old| old.weight());
        old
    }

    /// What it takes in memory with its rows, in bytes.
    pub fn weight(&self) -> usize {
        let indexes = self.indexes.iter().map(Index::weight).sum::<usize>();
        self.rows_weight + self.by_id.weight() + indexes
    }
}
