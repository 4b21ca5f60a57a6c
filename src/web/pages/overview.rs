//! The overview: where the experiment stands, how it got there, and what just happened.

use std::time::Duration;

use maud::{Markup, html};
use poem::{Response, handler};

use crate::live::{Snapshot, SortDirection, Topic, VariantOrder};
use crate::protocol::{Direction, IdeaState, TaskKind, TaskState, VariantStatus};
use crate::web::fault::Fault;
use crate::web::parts::config_notice::config_notice;
use crate::web::parts::events_table::{events_table, recent};
use crate::web::request::Active;
use crate::web::respond::{Page, answer_from_view};
use crate::web::sections::Section;
use crate::web::ui::{
    Body, Column, Figure, Region, Row, RowKind, ScoreChart, ScorePoint, Table, count, empty, experiment_state, feed,
    figures, id_maybe_link, number, page_head, panel, short, short_id, state_of, table, when, wide_and_narrow,
};
use crate::web::urls;

const RECENT: usize = 12;
/// Evaluations that are drawn, at most: the chart is about 700 pixels wide.
const DOTS: usize = 400;
/// The chart is large, and one more dot in it is not urgent. The best score stands among the figures.
const CHART_PACE: Duration = Duration::from_secs(5);

/// `GET /x/{E}/`
#[handler]
pub(crate) fn get(active: Active) -> Result<Response, Fault> {
    let snapshot = active.snapshot()?;
    Ok(answer_from_view(&active, || {
        let view = Overview {
            active: &active,
            snapshot: &snapshot,
        };
        let regions = vec![
            Region::new(
                "figures",
                &[Topic::Tasks, Topic::Ideas, Topic::Variants, Topic::Experiment],
                Body::on_demand(move || view.figures()),
            ),
            Region::new("progress", &[Topic::Variants], Body::on_demand(move || view.progress()))
                .at_pace(CHART_PACE)
                .beside_next(),
            Region::new("work", &[Topic::Tasks], Body::on_demand(move || view.tasks_by_state())),
            Region::new(
                "recent",
                &[Topic::Events, Topic::Variants, Topic::Experiment],
                Body::on_demand(move || view.recent()),
            ),
        ];
        Page::new("Overview", Section::Overview, view.head(), regions)
    }))
}

#[derive(Clone, Copy)]
struct Overview<'a> {
    active: &'a Active,
    snapshot: &'a Snapshot,
}

impl Overview<'_> {
    /// The link, if the operator may read its page.
    fn link(&self, href: String) -> Option<String> {
        self.active.context.role.link(href)
    }

    /// The label of a list and the link to it.
    fn all(&self, label: &'static str, href: String) -> Option<(&'static str, String)> {
        Some((label, self.link(href)?))
    }

    fn head(&self) -> Markup {
        let experiment = &self.snapshot.experiment;
        let name = experiment
            .name
            .as_ref()
            .map_or_else(|| short(self.active.id.as_str()), |name| name.to_string());
        let context = html! {
            (short_id(self.active.id.as_str()))
            @if let Some(config) = self.snapshot.config() {
                " · " (config.objective.direction) " " code { (config.objective.expr) }
                " · at most " (config.parallel_variants) " variants at once"
            }
        };
        page_head(&name, context, html! {})
    }

    fn figures(&self) -> Markup {
        let id = &self.active.id;
        let counts = &self.snapshot.counts;
        let evaluated = self.snapshot.count_variants(Some(VariantStatus::Success));
        let integrated = self.snapshot.integrated();
        let ready = self.snapshot.count_ideas(Some(IdeaState::Ready));
        let busy = counts.in_state(TaskState::Claimed) + counts.in_state(TaskState::Submitted);
        let mut shown = vec![Figure {
            of: "Experiment",
            value: experiment_state(self.snapshot.experiment.state),
            note: html! { "begun " (when(self.snapshot.experiment.created_at)) },
            href: None,
        }];
        shown.extend(self.best_figure());
        shown.extend([
            Figure {
                of: "Variants evaluated",
                value: html! { (count(evaluated as u64)) },
                note: html! { (count(integrated as u64)) " integrated" },
                href: self.link(format!("{}?status=success", urls::variants(id))),
            },
            Figure {
                of: "Ideas",
                value: html! { (count(self.snapshot.count_ideas(None) as u64)) },
                note: html! { (count(ready as u64)) " ready" },
                href: self.link(urls::ideas(id)),
            },
            Figure {
                of: "Tasks in hand",
                value: html! { (count(busy)) },
                note: html! { (count(counts.in_state(TaskState::Pending))) " pending" },
                href: self.link(format!("{}?state=claimed", urls::tasks(id))),
            },
        ]);
        figures(&shown)
    }

    fn best_figure(&self) -> Option<Figure<'static>> {
        let best = self.snapshot.scores()?.best()?;
        Some(Figure {
            of: match self.snapshot.config()?.objective.direction {
                Direction::Maximize => "Best score, highest",
                Direction::Minimize => "Best score, lowest",
            },
            value: html! { (number(best.value)) },
            note: when(best.at),
            href: self.link(urls::variant(&self.active.id, best.variant)),
        })
    }

    fn progress(&self) -> Markup {
        panel("Best score over time", None, &self.chart())
    }

    fn tasks_by_state(&self) -> Markup {
        feed(&panel(
            "Tasks by state",
            self.all("All tasks", urls::tasks(&self.active.id)),
            &self.work(),
        ))
    }

    fn chart(&self) -> Markup {
        let config = match &self.snapshot.config {
            Ok(config) => config,
            Err(cause) => return config_notice(cause, "Until then there is no objective to draw."),
        };
        let (Some(metric), Some(scores)) = (config.objective_metric(), self.snapshot.scores()) else {
            return html! { p { "The objective " code { (config.objective.expr) } " is not a single metric, so it is not drawn." } };
        };
        let points = scores
            .downsampled(DOTS)
            .into_iter()
            .map(|(score, improvement)| ScorePoint {
                at: score.at,
                value: score.value,
                improvement,
                href: self.link(urls::variant(&self.active.id, score.variant)),
                label: short(score.variant.as_str()),
            });
        let points: Vec<_> = points.collect();
        ScoreChart {
            metric,
            direction: config.objective.direction,
            points: &points,
            total: scores.len(),
            improvements: scores.step_count(),
            until: scores.last().map(|last| last.at),
            quantile: &|share| scores.quantile(share),
            within: &|range| scores.count_within(range),
        }
        .markup()
    }

    /// States down, kinds across; each number links to its tasks.
    fn work(&self) -> Markup {
        let counts = &self.snapshot.counts;
        let tasks = urls::tasks(&self.active.id);
        let cell = |kind: TaskKind, state: TaskState| match counts.of(kind, state) {
            0 => html! { span class="muted" { "0" } },
            n => html! { a href=[self.link(format!("{tasks}?kind={kind}&state={state}"))] { (count(n)) } },
        };
        let rows = TaskState::ALL.iter().map(|state| Row {
            kind: RowKind::Plain,
            id: state.to_string(),
            cells: std::iter::once(state_of(*state))
                .chain(TaskKind::ALL.iter().map(|kind| cell(*kind, *state)))
                .collect(),
        });
        let kinds = TaskKind::ALL.iter().map(|kind| Column::number(kind.as_str()));
        table(&Table {
            caption: "Tasks by state and kind",
            columns: std::iter::once(Column::text("State")).chain(kinds).collect(),
            rows: rows.collect(),
            empty: html! {},
        })
    }

    fn recent(&self) -> Markup {
        let id = &self.active.id;
        let events = recent(self.snapshot, RECENT);
        let log = panel(
            "Latest events",
            self.all("Event log", urls::events(id)),
            &events_table(&self.active.context.role, id, self.snapshot, &events),
        );
        let best = panel(
            "Latest variants",
            self.all("All variants", urls::variants(id)),
            &self.latest_variants(),
        );
        feed(&wide_and_narrow(&log, &best))
    }

    fn latest_variants(&self) -> Markup {
        let id = &self.active.id;
        let metric = self.snapshot.config().and_then(|config| config.objective_metric());
        let newest_first = self
            .snapshot
            .list_variants(None, VariantOrder::Started, SortDirection::Descending);
        let rows = newest_first.page(0..RECENT).into_iter().map(|row| Row {
            kind: RowKind::Variant,
            id: row.id.to_string(),
            cells: vec![
                id_maybe_link(self.link(urls::variant(id, &row.id)).as_deref(), row.id.as_str()),
                state_of(row.status),
                html! { @match metric.and_then(|metric| row.metric(metric)) { Some(value) => { (number(value)) } None => { "–" } } },
                when(row.started_at),
            ],
        });
        table(&Table {
            caption: "Latest variants",
            columns: vec![
                Column::text("Variant"),
                Column::text("Status"),
                Column::number(metric.unwrap_or("Score")),
                Column::text("Started"),
            ],
            rows: rows.collect(),
            empty: empty(
                "No variant yet",
                html! { "Executors make one from each dispatched idea." },
            ),
        })
    }
}
