//! Lists of entities: filters as chips, columns that sort, paging.

use std::fmt::Display;
use std::sync::Arc;

use maud::{Markup, html};

use crate::live::{PagedRows, SortDirection};
use crate::web::request::{Paging, Query};
use crate::web::ui::{Chip, Column, Order, Pager, Sort, Table, chips, table};

/// The order and paging of a list, and the query that its links are built from.
pub(crate) struct Listing {
    query: Query,
    /// The order in force; by default largest or newest first.
    pub order: Order,
    paging: Paging,
}

impl Listing {
    /// Reads order and paging from a query. The page has to take its filters from it before.
    pub fn new(mut query: Query) -> Self {
        let ascending = query.take("dir", |dir| (dir == "asc").then_some(Order::Ascending));
        let paging = query.paging();
        Self {
            query,
            order: ascending.unwrap_or(Order::Descending),
            paging,
        }
    }

    /// A link to this list with one filter changed, or dropped.
    pub fn with(&self, name: &'static str, value: Option<&str>) -> String {
        self.query.with(name, value)
    }

    /// What a form that changes `name` has to send beside it, so that the list stays as it is otherwise.
    pub fn kept_beside(&self, name: &str) -> impl Iterator<Item = (&'static str, &str)> {
        self.query
            .understood()
            .filter(move |(kept, _)| *kept != name && *kept != "page")
    }

    /// The paging, cut to the pages that `total` rows have.
    pub fn paging(&self, total: u64) -> Paging {
        self.paging.within(total)
    }

    /// The same order for the mirror's lists.
    pub fn direction(&self) -> SortDirection {
        match self.order {
            Order::Ascending => SortDirection::Ascending,
            Order::Descending => SortDirection::Descending,
        }
    }

    /// The rows of this page.
    pub fn page<'r, T>(&self, rows: &PagedRows<'r, T>) -> Vec<&'r Arc<T>> {
        let total = rows.len() as u64;
        rows.page(self.paging(total).range(total))
    }

    /// A column that sorts by `word` in the query; without one, by the default. A link sorts largest first; on the
    /// column that is sorted by already it reverses the order.
    pub fn sorted<'c>(&self, column: Column<'c>, word: Option<&str>, is_current: bool) -> Column<'c> {
        self.sorted_first(column, word, is_current, Order::Descending)
    }

    /// [`Listing::sorted`] for a column whose link sorts in the order `first`.
    pub fn sorted_first<'c>(
        &self,
        column: Column<'c>,
        word: Option<&str>,
        is_current: bool,
        first: Order,
    ) -> Column<'c> {
        let current = is_current.then_some(self.order);
        let is_ascending = match first {
            Order::Ascending => current != Some(Order::Ascending),
            Order::Descending => current == Some(Order::Descending),
        };
        let dir = is_ascending.then_some("asc");
        let href = self.query.with_all(&[("sort", word), ("dir", dir)]);
        column.sorted(Sort { href, current })
    }

    /// A chip for any value and one for each value, with the number of its rows where that is known.
    pub fn chips<T: Copy + PartialEq + Display>(
        &self,
        label: &str,
        name: &'static str,
        values: &[T],
        current: Option<T>,
        count: impl Fn(Option<T>) -> Option<u64>,
    ) -> Markup {
        let all = std::iter::once(None)
            .chain(values.iter().copied().map(Some))
            .map(|value| {
                let word = value.map(|value| value.to_string());
                Chip {
                    text: word.as_deref().unwrap_or("any").replace('_', " "),
                    count: count(value),
                    href: self.query.with(name, word.as_deref()),
                    current: value == current,
                }
            });
        chips(label, &all.collect::<Vec<_>>())
    }

    /// Filters, table and pager; `what` is the plural noun for the rows.
    pub fn markup(&self, what: &str, total: u64, filters: &Markup, rows: &Table) -> Markup {
        let paging = self.paging(total);
        let pager = Pager {
            page: paging.page,
            per: paging.per,
            total,
            href: |page: u64| self.query.with("page", Some(&page.to_string())),
        };
        html! { (filters) (table(rows)) (pager.markup(what)) }
    }
}
