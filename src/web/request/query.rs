//! Lenient queries: unknown values fall back to defaults and are dropped from links, so that an old bookmark still
//! opens.

use std::collections::BTreeMap;
use std::ops::Range;

/// Rows per page by default.
const PER_DEFAULT: u64 = 100;
/// Rows per page at most.
const PER_MAX: u64 = 500;

/// A page's path and query. Links are built from the values that the page understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    path: String,
    given: BTreeMap<String, String>,
    understood: BTreeMap<&'static str, String>,
}

impl Query {
    /// Parses `page_url`, a path and query.
    pub fn of(page_url: &str) -> Self {
        let (path, query) = page_url.split_once('?').unwrap_or((page_url, ""));
        let given = serde_urlencoded::from_str::<Vec<(String, String)>>(query).unwrap_or_default();
        Self {
            path: path.to_owned(),
            given: given.into_iter().collect(),
            understood: BTreeMap::new(),
        }
    }

    /// The value of `name`, if `parse` understands it; otherwise links drop it.
    pub fn take<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let given = self.given.get(name).filter(|value| !value.is_empty())?;
        let value = parse(given)?;
        self.understood.insert(name, given.clone());
        Some(value)
    }

    /// The values that the page understood, by name.
    pub fn understood(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.understood.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The page number and the rows per page.
    pub fn paging(&mut self) -> Paging {
        let number = |text: &str| text.parse::<u64>().ok().filter(|n| *n >= 1);
        let per = self
            .take("per", |text| number(text).map(|n| n.min(PER_MAX)))
            .unwrap_or(PER_DEFAULT);
        let page = self.take("page", number).unwrap_or(1);
        Paging { page, per }
    }

    /// A link to this page with one value changed or dropped. It leads to the first page of rows unless `page` is what
    /// changes.
    pub fn with(&self, name: &'static str, value: Option<&str>) -> String {
        self.with_all(&[(name, value)])
    }

    /// [`Query::with`] for several values.
    pub fn with_all(&self, changes: &[(&'static str, Option<&str>)]) -> String {
        let mut pairs = self.understood.clone();
        pairs.remove("page");
        for (name, value) in changes {
            match value {
                Some(value) => pairs.insert(name, (*value).to_owned()),
                None => pairs.remove(name),
            };
        }
        let query = serde_urlencoded::to_string(&pairs).unwrap_or_default();
        if query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{query}", self.path)
        }
    }
}

/// One page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paging {
    /// From 1.
    pub page: u64,
    /// Rows per page.
    pub per: u64,
}

impl Paging {
    /// The same page, or the last one where that is past the end.
    pub fn within(self, total: u64) -> Self {
        let pages = total.div_ceil(self.per).max(1);
        Self {
            page: self.page.min(pages),
            ..self
        }
    }

    /// The indices of this page's rows, of `total` in all.
    pub fn range(self, total: u64) -> Range<usize> {
        let (total, per) = (index(total), index(self.per));
        let from = index(self.page - 1).saturating_mul(per).min(total);
        from..from.saturating_add(per).min(total)
    }

    /// The rows of this page, of `total` in all.
    pub fn slice<T>(self, total: u64, rows: impl Iterator<Item = T>) -> Vec<T> {
        let range = self.range(total);
        rows.skip(range.start).take(range.len()).collect()
    }
}

/// A count as an index: counts are 64 bits wide on the wire.
fn index(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_not_understood_are_dropped_from_links() {
        let mut query = Query::of("/tasks/?state=pending&kind=nonsense&page=3&evil=1");
        assert_eq!(query.take("state", |s| (s == "pending").then_some(())), Some(()));
        assert_eq!(query.take("kind", |_| None::<()>), None);
        assert_eq!(
            query.paging(),
            Paging {
                page: 3,
                per: PER_DEFAULT
            }
        );
        assert_eq!(query.with("kind", Some("a b")), "/tasks/?kind=a+b&state=pending");
        assert_eq!(query.with("state", None), "/tasks/");
        assert_eq!(query.with("page", Some("4")), "/tasks/?page=4&state=pending");
    }

    #[test]
    fn paging_is_bounded_by_the_rows() {
        let paging = Query::of("/?page=99&per=9999").paging();
        assert_eq!(paging, Paging { page: 99, per: PER_MAX });
        assert_eq!(paging.within(501).page, 2);
        assert_eq!(paging.within(0).page, 1);
        assert_eq!(
            Query::of("/?page=0&per=-1").paging(),
            Paging {
                page: 1,
                per: PER_DEFAULT
            }
        );
        let page = |page| Paging { page, per: 3 }.slice(10, 0..10);
        assert_eq!(
            [page(1), page(2), page(3), page(4)],
            [vec![0, 1, 2], vec![3, 4, 5], vec![6, 7, 8], vec![9]]
        );
        assert_eq!(Paging { page: 1, per: 3 }.slice(0, 0..0), Vec::<i32>::new());
    }
}
