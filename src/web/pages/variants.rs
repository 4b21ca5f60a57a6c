//! The list of variants.

use maud::{Markup, html};
use poem::{Response, handler};

use crate::live::{Snapshot, Topic, VariantOrder, VariantRow};
use crate::protocol::VariantStatus;
use crate::web::fault::Fault;
use crate::web::parts::listing::Listing;
use crate::web::request::{Active, Query};
use crate::web::respond::{Page, answer_from_view};
use crate::web::sections::Section;
use crate::web::ui::{
    Body, Column, Region, Row, RowKind, Table, commit, empty, id_link, metric_value, page_head, state_of, when,
};
use crate::web::urls;

/// `GET /x/{E}/admin/variants/`
#[handler]
pub(crate) fn get(active: Active) -> Result<Response, Fault> {
    let snapshot = active.snapshot()?;
    Ok(answer_from_view(&active, || {
        let list = List::new(&active, &snapshot);
        let head = page_head(
            "Variants",
            html! { "Candidates made from ideas, and what was measured of them" },
            html! {},
        );
        let region = Region::new(
            "variants",
            &[Topic::Variants, Topic::Ideas],
            Body::on_demand(move || list.markup()),
        );
        Page::new("Variants", Section::Variants, head, vec![region])
    }))
}

struct List<'a> {
    active: &'a Active,
    snapshot: &'a Snapshot,
    listing: Listing,
    status: Option<VariantStatus>,
    /// The metric to sort by; none for the start time.
    by: Option<&'a str>,
    /// Metrics shown as columns; the rest are on the variant's own page.
    metrics: Vec<&'a str>,
}

impl<'a> List<'a> {
    fn new(active: &'a Active, snapshot: &'a Snapshot) -> Self {
        let mut query = Query::of(&active.context.htmx.page_url);
        let metrics: Vec<_> = snapshot.metrics().iter().map(|metric| &**metric).collect();
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
        let order = self.by.map_or(VariantOrder::Started, VariantOrder::Metric);
        let kept = self
            .snapshot
            .list_variants(self.status, order, self.listing.direction());
        let shown = self.listing.page(&kept);
        let table = Table {
            caption: "Variants",
            columns: self.columns(),
            rows: shown.into_iter().map(|variant| self.row(variant)).collect(),
            empty: self.nothing(),
        };
        let count = |status| Some(self.snapshot.count_variants(status) as u64);
        let filters = self
            .listing
            .chips("Status", "status", VariantStatus::ALL, self.status, count);
        self.listing.markup("variants", kept.len() as u64, &filters, &table)
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
        if self.snapshot.count_variants(None) == 0 {
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
