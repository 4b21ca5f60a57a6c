//! The list of variants.

use std::cmp::Ordering;
use std::sync::Arc;

use maud::{Markup, html};
use poem::{Response, handler};

use crate::live::{Snapshot, VariantRow};
use crate::protocol::{MetricType, VariantStatus};
use crate::web::answer::Page;
use crate::web::context::Active;
use crate::web::error::PageError;
use crate::web::query::{Paging, Query};
use crate::web::ui::{
    Chip, Column, Nav, Order, Pager, Region, Row, RowKind, Sort, Table, chips, commit, empty, id_link, metric_value,
    page_head, state_of, table, when,
};
use crate::web::urls;

/// Metrics shown as columns; the rest are on the variant's own page.
const METRICS: usize = 4;

/// `GET /x/{E}/admin/variants/`
#[handler]
pub(crate) fn get(active: Active) -> Result<Response, PageError> {
    let snapshot = active.snapshot()?;
    Ok(active.answer(|| {
        let list = List::new(&active, &snapshot);
        let head = page_head(
            "Variants",
            html! { "Candidates made from ideas, and what was measured of them" },
            html! {},
        );
        let region = Region {
            name: "variants",
            topics: &["variants", "ideas"],
            body: list.markup(),
        };
        Page::new("Variants", Nav::Variants, head, vec![region])
    }))
}

struct List<'a> {
    active: &'a Active,
    snapshot: &'a Snapshot,
    query: Query,
    status: Option<VariantStatus>,
    /// The metric sorted by; none is the time of the start.
    by: Option<String>,
    order: Order,
    paging: Paging,
    metrics: Vec<&'a str>,
}

impl<'a> List<'a> {
    fn new(active: &'a Active, snapshot: &'a Snapshot) -> Self {
        let mut query = Query::of(&active.context.frame.here);
        let metrics = metrics(snapshot);
        Self {
            active,
            snapshot,
            status: query.take("status", VariantStatus::from_word),
            by: query.take("sort", |by| metrics.contains(&by).then(|| by.to_owned())),
            order: query
                .take("dir", |dir| (dir == "asc").then_some(Order::Ascending))
                .unwrap_or(Order::Descending),
            paging: query.paging(),
            query,
            metrics,
        }
    }

    fn markup(&self) -> Markup {
        let kept = self.rows();
        let paging = self.paging.within(kept.len() as u64);
        let rows = paging.slice(kept.iter()).map(|variant| self.row(variant)).collect();
        let pager = Pager {
            page: paging.page,
            per: paging.per,
            total: kept.len() as u64,
            href: |page: u64| self.query.with("page", Some(&page.to_string())),
        };
        html! {
            (self.filters())
            (table(&Table { caption: "Variants", columns: self.columns(), rows, empty: self.nothing() }))
            (pager.markup("variants"))
        }
    }

    fn rows(&self) -> Vec<Arc<VariantRow>> {
        let keeps = |variant: &&Arc<VariantRow>| self.status.is_none_or(|status| variant.status == status);
        let mut rows: Vec<_> = self.snapshot.variants().filter(keeps).cloned().collect();
        rows.sort_by(|a, b| {
            let order = match &self.by {
                None => a.started_at.cmp(&b.started_at),
                Some(metric) => return self.by_metric(metric, a, b),
            };
            self.directed(order.then_with(|| a.id.cmp(&b.id)))
        });
        rows
    }

    /// What was not measured stands last, whichever way the rest is sorted.
    fn by_metric(&self, metric: &str, a: &VariantRow, b: &VariantRow) -> Ordering {
        match (a.metric(metric), b.metric(metric)) {
            (Some(x), Some(y)) => self.directed(x.total_cmp(&y).then_with(|| a.started_at.cmp(&b.started_at))),
            (x, y) => y.is_some().cmp(&x.is_some()),
        }
    }

    fn directed(&self, order: Ordering) -> Ordering {
        if self.order == Order::Ascending {
            order
        } else {
            order.reverse()
        }
    }

    fn filters(&self) -> Markup {
        let of = |status: Option<VariantStatus>| {
            self.snapshot
                .variants()
                .filter(|v| status.is_none_or(|status| v.status == status))
                .count() as u64
        };
        let statuses = std::iter::once(None)
            .chain(VariantStatus::ALL.iter().copied().map(Some))
            .map(|status| Chip {
                text: status.map_or("any".to_owned(), |status| status.as_str().replace('_', " ")),
                count: Some(of(status)),
                href: self.query.with("status", status.map(VariantStatus::as_str)),
                current: status == self.status,
            });
        chips("Status", &statuses.collect::<Vec<_>>())
    }

    fn columns(&self) -> Vec<Column<'_>> {
        let mut columns = vec![Column::text("Variant"), Column::text("Status")];
        columns.extend(
            self.metrics
                .iter()
                .map(|metric| self.sorted(Column::number(metric), Some(metric))),
        );
        columns.push(Column::text("Idea").minor());
        columns.push(Column::text("Integrated").minor());
        columns.push(self.sorted(Column::text("Started"), None));
        columns
    }

    fn sorted<'c>(&self, column: Column<'c>, by: Option<&str>) -> Column<'c> {
        let current = (self.by.as_deref() == by).then_some(self.order);
        let dir = (current == Some(Order::Descending)).then_some("asc");
        column.sorted(Sort {
            href: self.query.with_all(&[("sort", by), ("dir", dir)]),
            current,
        })
    }

    fn row(&self, variant: &VariantRow) -> Row {
        let id = &self.active.id;
        let mut cells = vec![
            html! {
                (id_link(&urls::variant(id, &variant.id), variant.id.as_str()))
                @if variant.baseline { " " span class="muted" { "baseline" } }
            },
            state_of(variant.status),
        ];
        let value = |metric: &str| variant.evaluation.as_ref()?.get(metric).map(metric_value);
        cells.extend(
            self.metrics
                .iter()
                .map(|metric| html! { (value(metric).unwrap_or_else(|| "–".to_owned())) }),
        );
        let slug = |idea| self.snapshot.idea(idea).map(|row| row.slug.as_str());
        cells.push(html! {
            @if let Some(idea) = &variant.idea { a href=(urls::idea(id, idea)) { (slug(idea).unwrap_or(idea.as_str())) } } @else { "–" }
        });
        cells.push(html! { @if let Some(sha) = &variant.integrated { (commit(sha.as_str())) } @else { "–" } });
        cells.push(when(variant.started_at));
        Row {
            kind: RowKind::Variant,
            id: variant.id.to_string(),
            cells,
        }
    }

    fn nothing(&self) -> Markup {
        if self.snapshot.variants().len() == 0 {
            return empty(
                "No variant yet",
                html! { "Executors make one from each dispatched idea." },
            );
        }
        empty(
            "No variant has this status",
            html! { a href=(urls::variants(&self.active.id)) { "Show all variants" } },
        )
    }
}

/// The objective's metric first, then the other numbers of the schema.
fn metrics(snapshot: &Snapshot) -> Vec<&str> {
    let Some(config) = &snapshot.config else {
        return Vec::new();
    };
    let objective = config.objective_metric();
    let numbers = config
        .evaluation_schema
        .iter()
        .filter(|(_, kind)| **kind != MetricType::Text);
    let others = numbers
        .map(|(name, _)| name.as_str())
        .filter(|name| Some(*name) != objective);
    objective.into_iter().chain(others).take(METRICS).collect()
}
