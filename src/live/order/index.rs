//! Rows in one order, once for each filter.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::OrdMap;

use super::{Order, Row, Sorted};

/// Every row filed under every filter that keeps it; under a filter that keeps none there is no list.
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
    /// All of `rows`, in whatever order they come: they are put in order once, and each list is then only appended to.
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

    /// What a filter keeps.
    pub fn list(&self, filter: &T::Filter) -> Option<&Sorted<T>> {
        self.lists.get(filter)
    }

    /// Files a row anew that was filed as `old`, if it was.
    pub fn put(&mut self, row: &Arc<T>, old: Option<&T>) {
        if let Some(old) = old {
            let stays = self.order.compare(old, row).is_eq();
            for filter in old.filters() {
                // Where it keeps its place the new one takes it.
                if !(stays && row.filters().any(|kept| kept == filter)) {
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

    /// What it takes in memory beside the rows themselves, in bytes.
    pub fn weight(&self) -> usize {
        // A list has its place in the map, its list of chunks and a first chunk.
        const LIST: usize = 320;
        self.entries * size_of::<Arc<T>>() * 5 / 4 + self.lists.len() * LIST
    }
}
