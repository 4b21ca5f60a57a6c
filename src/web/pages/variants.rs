//! The list of variants.

use std::sync::Arc;

use maud::{Markup, html};
use poem::{Response, handler};

use crate::live::{Snapshot, VariantRow};
use crate::protocol::{MetricType, VariantStatus};
use crate::web::answer::Page;
use crate::web::context::Active;
use crate::web::error::PageError;
use crate::web::listing::Listing;
use crate::web::query::Query;
use crate::web::ui::{
    Body, Column, Nav, Order, Region, Row, RowKind, Table, commit, empty, id_link, metric_value, page_head, state_of,
    when,
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
            body: Body::on_demand(move || list.markup()),
        };
        Page::new("Variants", Nav::Variants, head, vec![region])
    }))
}

struct List<'a> {
    active: &'a Active,
    snapshot: &'a Snapshot,
    listing: Listing,
    status: Option<VariantStatus>,
    /// The metric sorted by; none is the time of the start.
    by: Option<&'a str>,
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
            by: query.take("sort", |by| metrics.iter().copied().find(|metric| *metric == by)),
            listing: Listing::new(query),
            metrics,
        }
    }

    fn markup(&self) -> Markup {
        let kept = self.rows();
        let total = kept.len() as u64;
        let shown = self.listing.paging(total).slice(total, kept.into_iter());
        let rows = shown.into_iter().map(|variant| self.row(variant)).collect();
        let table = Table {
            caption: "Variants",
            columns: self.columns(),
            rows,
            empty: self.nothing(),
        };
        let count = |status| Some(self.count(status));
        let filters = self
            .listing
            .chips("Status", "status", VariantStatus::ALL, self.status, count);
        self.listing.markup("variants", total, &filters, &table)
    }

    /// Newest first is how the mirror keeps them; a stable sort leaves that order among equals. What was not
    /// measured stands last, whichever way the rest is sorted.
    fn rows(&self) -> Vec<&'a Arc<VariantRow>> {
        let newest_first = self.snapshot.variants_newest_first();
        let keeps = |variant: &&Arc<VariantRow>| self.status.is_none_or(|status| variant.status == status);
        let mut rows: Vec<_> = newest_first.filter(keeps).collect();
        let ascending = self.listing.order == Order::Ascending;
        match self.by {
            None if ascending => rows.reverse(),
            None => {}
            Some(metric) => rows.sort_by(|a, b| match (a.metric(metric), b.metric(metric)) {
                (Some(x), Some(y)) if ascending => x.total_cmp(&y),
                (Some(x), Some(y)) => y.total_cmp(&x),
                (x, y) => y.is_some().cmp(&x.is_some()),
            }),
        }
        rows
    }

    fn count(&self, status: Option<VariantStatus>) -> u64 {
        self.snapshot
            .variants()
            .filter(|v| status.is_none_or(|status| v.status == status))
            .count() as u64
    }

    fn columns(&self) -> Vec<Column<'a>> {
        let by_metric = |metric: &&'a str| {
            self.listing
                .sorted(Column::number(metric), Some(metric), self.by == Some(*metric))
        };
        let mut columns = vec![Column::text("Variant"), Column::text("Status")];
        columns.extend(self.metrics.iter().map(by_metric));
        columns.push(Column::text("Idea").minor());
        columns.push(Column::text("Integrated").minor());
        columns.push(self.listing.sorted(Column::text("Started"), None, self.by.is_none()));
        columns
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
    let Some(config) = snapshot.config() else {
        return Vec::new();
    };
    let objective = config.objective_metric();
    let numbers = config
        .evaluation_schema
        .iter()
        .filter(|(_, kind)| *kind != MetricType::Text);
    let others = numbers.map(|(name, _)| name).filter(|name| Some(*name) != objective);
    objective.into_iter().chain(others).take(METRICS).collect()
}
