//! Row count and paging below a table.

use maud::{Markup, html};

use super::value::{count, value};

/// Count and paging below a table.
#[derive(Debug)]
pub(crate) struct Pager<F: Fn(u64) -> String> {
    /// The current page, from 1.
    pub page: u64,
    /// Rows per page, at least 1.
    pub per: u64,
    /// Rows in all.
    pub total: u64,
    /// The link to a page.
    pub href: F,
}

impl<F: Fn(u64) -> String> Pager<F> {
    /// The last page; 1 when there are no rows.
    fn last(&self) -> u64 {
        self.total.div_ceil(self.per.max(1)).max(1)
    }

    /// The pager; `what` is the plural noun for the rows. Empty where there are no rows.
    pub(crate) fn markup(&self, what: &str) -> Markup {
        if self.total == 0 {
            return Markup::default();
        }
        let last = self.last();
        let page = self.page.clamp(1, last);
        let first_row = (page - 1) * self.per + 1;
        let last_row = (page * self.per).min(self.total);
        let total = count(self.total);
        let shown = match last {
            1 => format!("{total} {what}"),
            _ => format!("{}\u{2013}{} of {total} {what}", count(first_row), count(last_row)),
        };
        html! {
            nav class="pager" aria-label="Pages of rows" {
                p { (value("rows-shown", None, &shown)) }
                @if last > 1 {
                    ul role="list" {
                        (self.step("First", 1, page > 2))
                        (self.step("Previous", page.saturating_sub(1), page > 1))
                        li { "page " (count(page)) " of " (count(last)) }
                        (self.step("Next", page + 1, page < last))
                        (self.step("Last", last, page + 1 < last))
                    }
                }
            }
        }
    }

    fn step(&self, label: &str, to: u64, possible: bool) -> Markup {
        html! {
            li {
                @if possible { a class="chip" href=((self.href)(to)) { (label) } }
                @else { span class="chip" aria-disabled="true" { (label) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pager(page: u64, total: u64) -> String {
        let href = |page| format!("?page={page}");
        Pager {
            page,
            per: 100,
            total,
            href,
        }
        .markup("tasks")
        .0
    }

    #[test]
    fn the_pager_shows_its_rows_and_stops_at_both_ends() {
        assert_eq!(pager(1, 0), "");
        assert!(pager(1, 100).contains(">100 tasks</span>"));
        assert!(!pager(1, 100).contains("href"));
        let middle = pager(2, 250);
        assert!(middle.contains("101\u{2013}200 of 250 tasks"), "{middle}");
        assert!(middle.contains("?page=1") && middle.contains("?page=3"), "{middle}");
        assert!(pager(9, 250).contains("201\u{2013}250 of 250"));
    }
}
