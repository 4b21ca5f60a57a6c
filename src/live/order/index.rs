//! Rows in one order, once for each filter.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::OrdMap;

use super::row::{Order, Row};
use super::sorted::Sorted;

/// Every row, listed under every filter that keeps it. A filter that keeps no row has no list.
pub(super) struct Index<T: Row> {
    order: Arc<dyn Order<T>>,
    lists: OrdMap<T::Filter, Sorted<T>>,
    /// Rows in all lists together.
    entries: usize,
}

impl<T: Row> Clone for Index<T> {
    fn clone(&self) -> Self {
        Self {
            order: self.order.clone(),
            lists: self.lists.clone(),
            entries: self.entries,
        }
    }
}

impl<T: Row> Index<T> {
    /// An index of `rows`, given in any order. They are sorted once; each list is then only appended to.
    pub fn of(order: Arc<dyn Order<T>>, rows: &mut [Arc<T>]) -> Self {
        rows.sort_by(|a, b| order.compare(a, b));
        let mut lists: BTreeMap<T::Filter, Vec<Arc<T>>> = BTreeMap::new();
        for row in rows {
            for filter in row.filters() {
                lists.entry(filter).or_default().push(row.clone());
            }
        }
        let entries = lists.values().map(Vec::len).sum();
        let lists = lists.into_iter();
        Self {
            lists: lists
                .map(|(filter, rows)| (filter, Sorted::of(order.clone(), &rows)))
                .collect(),
            order,
            entries,
        }
    }

    /// The rows that a filter keeps.
    pub fn list(&self, filter: &T::Filter) -> Option<&Sorted<T>> {
        self.lists.get(filter)
    }

    /// Adds a row, in place of `old` if the row was there before.
    pub fn put(&mut self, row: &Arc<T>, old: Option<&T>) {
        if let Some(old) = old {
            let keeps_position = self.order.compare(old, row).is_eq();
            for filter in old.filters() {
                // Where the position stays the same, the insertion below replaces the old row.
                if !(keeps_position && row.filters().any(|kept| kept == filter)) {
                    self.remove(&filter, old);
                }
            }
        }
        for filter in row.filters() {
            let replaced = match self.lists.get_mut(&filter) {
                Some(list) => list.insert(row.clone()).is_some(),
                None => {
                    let list = Sorted::of(self.order.clone(), std::slice::from_ref(row));
                    self.lists.insert(filter, list);
                    false
                }
            };
            self.entries += usize::from(!replaced);
        }
    }

    fn remove(&mut self, filter: &T::Filter, row: &T) {
        let Some(list) = self.lists.get_mut(filter) else {
            return;
        };
        self.entries -= usize::from(list.remove(row).is_some());
        if list.len() == 0 {
            self.lists.remove(filter);
        }
    }

    /// Memory beside the rows themselves, in bytes.
    pub fn weight(&self) -> usize {
        // A list's entry in the map, its list of chunks and its first chunk.
        const LIST: usize = 320;
        self.entries * size_of::<Arc<T>>() * 5 / 4 + self.lists.len() * LIST
    }
}
